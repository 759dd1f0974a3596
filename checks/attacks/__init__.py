"""Hostile inputs against whatever reads bytes that others wrote: bounded fuzzing, `make attack`.

The attacks are the Hypothesis properties of `tests/checks/attacks`, where the suite tries a hundred
examples of each. Here coverage leads a fuzzer through them, each in a process of its own. `api` is
driven by schemathesis.
"""
