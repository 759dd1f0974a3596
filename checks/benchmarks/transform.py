"""The transform against its peers and its floor: event bytes to response bytes.

All go through the Lambda runtime's own codec, as on AWS. Rounds are interleaved, so that a machine
whose speed drifts is fair to all; what counts is the median of the ratios.
"""

import contextlib
import io
import os
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice

from rich.console import Console
from rich.table import Table

from checks.benchmarks.contenders import (
    PEERS,
    POWERTOOLS,
    SLUICE,
    STANDARD_LIBRARY,
    Contender,
    contender,
    environment,
    floor,
    meaning,
)
from checks.benchmarks.events import BatchShape, event, events, shapes
from checks.benchmarks.verdict import Measurement

ROUNDS = 15
SECONDS_A_ROUND = 0.03
FLOOR = "floor"
TARGETS = {POWERTOOLS: 0.35, STANDARD_LIBRARY: 0.45, FLOOR: 1.6}


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of one shape."""

    shape: BatchShape
    microseconds: float
    """Our time for a record."""
    ratios: dict[str, float]
    """Our time as a share of another's."""


def measurements(quick: bool = False) -> Iterable[Measurement]:
    """Measure the worst shape for each target, and print the table of all shapes."""
    chosen = shapes()[:: 6 if quick else 1]
    timings = []
    console = Console(stderr=True, width=120)
    with console.status("") as status:
        for shape in chosen:
            status.update(f"transform: {shape.name}")
            timings.append(timing(shape, rounds=3 if quick else ROUNDS))
    console.print(shape_table(timings))
    for other, target in TARGETS.items():
        ratios = {each.shape.name: each.ratios[other] for each in timings}
        worst = max(ratios, key=ratios.__getitem__)
        met = sum(ratio <= target for ratio in ratios.values())
        yield Measurement(
            f"transform: time as a share of that of {other}",
            ratios[worst],
            "",
            target,
            remark=f"worst: {worst}; met by {met} of {len(ratios)} shapes",
        )


def timing(shape: BatchShape, rounds: int = ROUNDS) -> Timing:
    """Return the median time and ratios of a shape, after all contenders gave the same answers."""
    os.environ.update(environment())
    requests = events(shape)
    records = len(event(shape)[1])
    runs = {name: contender(name) for name in (SLUICE, *PEERS)}
    agree(runs, requests[0])
    runs[FLOOR] = floor(requests)
    feeds = {name: cycle(requests) for name in runs}
    once = {name: seconds(run, feeds[name], 1) for name, run in runs.items()}
    times = {name: max(1, int(SECONDS_A_ROUND / each)) for name, each in once.items()}
    took: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            took[name].append(seconds(run, feeds[name], times[name]))
    return Timing(
        shape,
        statistics.median(took[SLUICE]) / records * 1e6,
        {
            other: statistics.median(
                ours / its for ours, its in zip(took[SLUICE], took[other], strict=True)
            )
            for other in TARGETS
        },
    )


def agree(runs: dict[str, Contender], request: bytes) -> None:
    """Raise ValueError unless all contenders answer an event alike."""
    with contextlib.redirect_stdout(io.StringIO()):
        meanings = {name: meaning(run(request)) for name, run in runs.items()}
    for name, content in meanings.items():
        if content != meanings[SLUICE]:
            raise ValueError(f"{name} and {SLUICE} answer the same event differently; compare them")


def seconds(run: Contender, feed: Iterator[bytes], times: int) -> float:
    """Return the mean time of a call, over this many. Their logs are discarded."""
    requests = list(islice(feed, times))
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        for request in requests:
            run(request)
        return (time.perf_counter() - start) / times


def shape_table(timings: Iterable[Timing]) -> Table:
    """Return a table of all shapes: microseconds a record, and the shares, coloured by verdict."""
    table = Table(
        title="Transform: µs a record, and time as a share of another's",
        title_justify="left",
    )
    table.add_column("shape", no_wrap=True)
    table.add_column("µs", justify="right", no_wrap=True)
    for name, target in TARGETS.items():
        table.add_column(f"{name}\n≤ {target}", justify="right", no_wrap=True)
    for each in timings:
        table.add_row(
            each.shape.name,
            f"{each.microseconds:.1f}",
            *(share(each.ratios[other], target) for other, target in TARGETS.items()),
        )
    return table


def share(ratio: float, target: float) -> str:
    """Return a ratio in the colour of its verdict."""
    return f"[{'green' if ratio <= target else 'red'}]{ratio:.2f}[/]"
