"""Ends what a run started, when the run itself died without doing so: by SIGKILL, for one.

A script for a process of its own. Its standard input is a pipe that only the run holds: the number
of each process group that the run started, and the negative one of each that has ended. However the
run dies, the pipe closes, and the groups that are left are killed, with the functions of the
emulator and the commands of the page.
"""

import os
import signal
import sys
from contextlib import suppress

if __name__ == "__main__":
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line)
        if group > 0:
            groups.add(group)
        else:
            groups.discard(-group)
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
