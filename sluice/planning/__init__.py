"""Plans of a stack before it is deployed: delivery, limits, the monthly bill."""
