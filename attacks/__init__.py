"""Hostile inputs against whatever reads bytes that others wrote: bounded fuzzing, `make attack`."""
