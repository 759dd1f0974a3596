"""The commands of `sluice`: options in, tables or JSON out. The work is done elsewhere.

A command is a module of this package; importing it adds it to the group.
"""

from sluice.cli import (
    backfill,
    compact,
    erase,
    failed,
    init,
    logs,
    plan,
    probe,
    query,
    redrive,
    replay,
    seed,
    status,
    tree,
    verify,
)
from sluice.cli.command import sluice

__all__ = [
    "backfill",
    "compact",
    "erase",
    "failed",
    "init",
    "logs",
    "plan",
    "probe",
    "query",
    "redrive",
    "replay",
    "seed",
    "sluice",
    "status",
    "tree",
    "verify",
]
