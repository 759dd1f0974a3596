"""Hostile inputs against whatever reads bytes that others wrote: bounded fuzzing, `make attack`.

Each target is a module with a promise in its docstring. Most offer `attack(data)`, which raises
AssertionError when the promise is broken, and are driven by coverage; a target that has a driver of
its own offers `run(seconds)` instead.
"""
