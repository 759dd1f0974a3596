"""AWS on this machine: what the emulator lacks, for local runs and tests."""
