"""How the suite runs the properties that the fuzzer drives, and proves that they find faults."""

from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

SUITE = settings(max_examples=100, deadline=None)
LARGE = settings(SUITE, max_examples=5)
"""For a property that takes long over each example."""

_PROOF = settings(
    SUITE,
    max_examples=300,
    phases=[Phase.generate],
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def search(properties: Iterable[Any]) -> None:
    """Raise what the first of the properties to fail says of the code that it was made for."""
    for test in properties:
        _PROOF(test)()
