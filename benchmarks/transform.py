"""The transform against its peers and its floor: event bytes to response bytes.

Both ways go through the Lambda runtime's own codec, as on AWS. Rounds are interleaved, so that a
machine whose speed drifts is fair to all; what counts is the median of the ratios.
"""

import contextlib
import io
import os
import resource
import statistics
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller
from rich.console import Console
from rich.table import Table

from benchmarks.events import Shape, event, shapes
from benchmarks.peers import powertools, standard_library
from chalicelib.transform import deployed_transformer

ROUNDS = 15
SECONDS_A_ROUND = 0.03
TARGETS = {"Powertools": 0.35, "standard library": 0.45, "floor": 1.6}
ENVIRONMENT = {
    "LAYOUT": "siteId/year/month/day/hour/minute",
    "CHANGE_TYPES": "INSERT,MODIFY,REMOVE",
    "UNDECLARED": "keep",
    "FORMAT": "json",
    "AWS_LAMBDA_FUNCTION_NAME": "transform",
}

codec = LambdaMarshaller()


def through_codec(handler: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    """The handler as the runtime calls it."""
    return lambda request: codec.marshal_response(handler(codec.unmarshal_request(request)))


def floor(request: bytes) -> Callable[[bytes], Any]:
    """What no transform can do without: the codec both ways, and base64 both ways."""
    ready = deployed_transformer()(codec.unmarshal_request(request))
    lines = [b64decode(answer["data"]) for answer in ready["records"]]

    def least(request: bytes) -> Any:
        for record in codec.unmarshal_request(request)["records"]:
            b64decode(record["data"])
        for line in lines:
            b64encode(line).decode("ascii")
        return codec.marshal_response(ready)

    return least


CONTENDERS: dict[str, Callable[[bytes], Any]] = {
    "Sluice": through_codec(lambda event: deployed_transformer()(event)),
    "Powertools": through_codec(lambda event: powertools(event, None)),
    "standard library": through_codec(lambda event: standard_library(event, None)),
}


def seconds(run: Callable[[bytes], Any], request: bytes, times: int) -> float:
    """How long one of `times` calls takes, in the mean. What they log is not shown."""
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        for _ in range(times):
            run(request)
        return (time.perf_counter() - start) / times


def measure(shape: Shape) -> tuple[float, dict[str, float]]:
    """Our microseconds a record, and our time as a share of each other contender's."""
    request, records = event(shape)
    runs = {**CONTENDERS, "floor": floor(request)}
    once = {name: seconds(run, request, 1) for name, run in runs.items()}
    times = {name: max(1, int(SECONDS_A_ROUND / each)) for name, each in once.items()}
    ratios: dict[str, list[float]] = {name: [] for name in TARGETS}
    ours: list[float] = []
    for _ in range(ROUNDS):
        took = {name: seconds(run, request, times[name]) for name, run in runs.items()}
        ours.append(took["Sluice"])
        for name in TARGETS:
            ratios[name].append(took["Sluice"] / took[name])
    return statistics.median(ours) / records * 1e6, {
        name: statistics.median(each) for name, each in ratios.items()
    }


def peak_memory(contender: str) -> float:
    """MiB that a fresh process holds at most while it answers the largest batch."""
    command = [sys.executable, "-m", "benchmarks.transform", "--memory", contender]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return float(answer.stdout.splitlines()[-1])


def memory_of(contender: str) -> None:
    """Answer the largest batch and print the process's peak in MiB."""
    request, _ = event(Shape(150, 5_000))
    for _ in range(3):
        CONTENDERS[contender](request)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def verdict(ratio: float, target: float) -> str:
    """A ratio in the colour of its verdict."""
    return f"[{'green' if ratio <= target else 'red'}]{ratio:.2f}[/]"


def main() -> None:
    """Print the table of all shapes, and the memory."""
    os.environ.update(ENVIRONMENT)
    if sys.argv[1:2] == ["--memory"]:
        memory_of(sys.argv[2])
        return
    console = Console()
    table = Table(title="Transform: our time as a share of another's")
    table.add_column("shape")
    table.add_column("µs a record", justify="right")
    for name, target in TARGETS.items():
        table.add_column(f"{name}\n(at most {target})", justify="right")
    with console.status("measuring") as status:
        for shape in shapes():
            status.update(shape.name)
            ours, ratios = measure(shape)
            cells = [verdict(ratios[name], target) for name, target in TARGETS.items()]
            table.add_row(shape.name, f"{ours:.1f}", *cells)
    console.print(table)
    peaks = {name: peak_memory(name) for name in CONTENDERS}
    console.print(
        "Peak memory, 5,000 records of 150 B: "
        + ", ".join(f"{name} {peak:.0f} MiB" for name, peak in peaks.items())
    )


if __name__ == "__main__":
    main()
