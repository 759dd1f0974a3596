"""The page of the local run: what flows through the pipeline now, only on loopback."""
