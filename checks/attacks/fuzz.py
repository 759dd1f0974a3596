"""One attack in a process of its own: `python -m checks.attacks.fuzz NAME SECONDS SEED FOLDER`.

Coverage is that of the attacked packages only, which are instrumented as they are imported.
"""

import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

TARGETS = ("transform", "template", "filter", "quarantine", "wire")
"""Modules of `tests.checks.attacks`, less their `test_`, with a function `properties`."""

API = "api"
"""The target that has a driver of its own."""

ATTACKED = ("app", "chalicelib", "local", "sluice")

FINDING = "finding"
"""In the folder: the least input that breaks the promise, in Hypothesis' words."""

INPUT_SECONDS_MAX = 20
"""An input that takes longer is a finding."""

_OPTIONS = {"max_len": 8192, "timeout": INPUT_SECONDS_MAX, "rss_limit_mb": 2048}
_SEEDS, _SEED_BYTES = 32, 1024
_PADDING = bytes(4096)
"""What follows an input's bytes, because Hypothesis gives up an input that is too short."""

SETTINGS = settings(
    deadline=None,
    derandomize=False,
    database=DirectoryBasedExampleDatabase(".hypothesis/examples"),
    print_blob=True,
)
"""The database is the suite's, which tries a finding again until it is fixed."""


def properties(targets: Sequence[str] = TARGETS) -> dict[str, Any]:
    """Return the properties of targets, by target and name."""
    return {
        f"{target}.{test.__name__}": SETTINGS(test)
        for target in targets
        for test in import_module(f"tests.checks.attacks.test_{target}").properties()
    }


def attack(test: Any, data: bytes) -> None:
    """Try one input on a property. Raise what fails, with the least input that makes it fail."""
    try:
        test.hypothesis.fuzz_one_input(data + _PADDING)
    except Exception:
        # Not the input is slow now, but the search for a smaller one: stop the fuzzer's alarm.
        signal.setitimer(signal.ITIMER_REAL, 0)
        test()
        raise


def fuzz(name: str, seconds: float, seed: int, folder: Path) -> None:
    """Let coverage lead the fuzzer through a property. The process ends with it."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=list(ATTACKED)):
        test = properties([name.partition(".")[0]])[name]

    def attack_with(data: bytes) -> None:
        with findings_kept(folder):
            attack(test, data)

    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number in range(_SEEDS):
        (corpus / f"seed-{number}").write_bytes(Random(number).randbytes(_SEED_BYTES))  # noqa: S311
    options = {
        **_OPTIONS,
        "seed": seed,
        "max_total_time": max(1, round(seconds)),
        "artifact_prefix": f"{folder}/",
        "print_final_stats": 1,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], attack_with)
    atheris.Fuzz()


@contextmanager
def findings_kept(folder: Path) -> Iterator[None]:
    """Write the exception that ends an attack to its folder."""
    try:
        yield
    except Exception:
        (folder / FINDING).write_text(traceback.format_exc(limit=-1))
        raise


if __name__ == "__main__":
    name, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    folder = Path(sys.argv[4])
    if name == API:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with findings_kept(folder):
            inputs = import_module("checks.attacks.api").run(seconds, seed)
        print(f"stat::number_of_executed_units: {inputs}")
    else:
        fuzz(name, seconds, seed, folder)
