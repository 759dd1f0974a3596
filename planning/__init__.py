"""What a workload will do to a stack before it is deployed: delivery, limits and the monthly bill."""
