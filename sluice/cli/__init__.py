"""The commands of `sluice`: options in, tables or JSON out. What they do stands in the modules.

A command is a module of this package; importing it adds it to the group.
"""

from sluice.cli import backfill, failed, plan, query, redrive, replay, seed, status, tree, verify
from sluice.cli.command import sluice

__all__ = [
    "backfill",
    "failed",
    "plan",
    "query",
    "redrive",
    "replay",
    "seed",
    "sluice",
    "status",
    "tree",
    "verify",
]
