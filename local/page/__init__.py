"""The page of the local run: what flows through the pipeline now, on loopback alone."""
