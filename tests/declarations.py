"""Declarations for tests: the worked ones of `tables/`."""

from pathlib import Path

FILES = sorted((Path(__file__).parents[1] / "tables").glob("*.py"))
"""The worked declarations."""
