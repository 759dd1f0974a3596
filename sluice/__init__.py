"""The `sluice` command, for a stack on AWS or on this machine, and the readers it is made of."""
