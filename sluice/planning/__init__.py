"""What a workload will do to a stack before it stands: delivery, limits, the monthly bill."""
