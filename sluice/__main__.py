"""The `sluice` command line."""

from sluice.cli import sluice

if __name__ == "__main__":
    sluice(prog_name="sluice")
