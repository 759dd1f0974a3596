"""The commands of `sluice`: options in, tables or JSON out. The work is done elsewhere.

A command is a module of this package that `command.SUMMARIES` names.
"""

from sluice.cli.command import sluice as sluice
