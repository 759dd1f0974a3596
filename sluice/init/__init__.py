"""A declaration proposed from the items of a table: read a sample, guess, write a Python file."""
