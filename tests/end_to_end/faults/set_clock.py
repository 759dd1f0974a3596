"""Runs a part of the local run by a clock that a test sets, in a process of its own:

    python -m tests.end_to_end.faults.set_clock FILE MODULE ARGUMENTS

The file holds the seconds by which the clock is off. What passes is the machine's own time.
"""

import runpy
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    file, module = Path(sys.argv[1]), sys.argv[2]
    right, right_ns = time.time, time.time_ns

    def seconds_off() -> int:
        return int(file.read_text())

    time.time = lambda: right() + seconds_off()
    time.time_ns = lambda: right_ns() + seconds_off() * 10**9
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
