"""Attacks and benchmarks."""
