"""What a person runs against a stack, on AWS or on one machine alike: the `sluice` command."""
