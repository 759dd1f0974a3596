"""Lakes of worked declarations, in the emulator's S3 and Glue."""

import random
from collections.abc import Callable

import pytest

from sluice.stack import Stack
from tests.declaring import items_of, worked
from tests.sluice.compaction.lake import COUNT, Lake, changes

StackOf = Callable[[str], Stack]


@pytest.fixture
def lake_of(stack_of: StackOf) -> Callable[[str], Lake]:
    """Makes the lake of a worked declaration."""
    chance = random.Random(7)  # noqa: S311

    def make(name: str) -> Lake:
        stack = stack_of(name)
        items = items_of(worked(name), COUNT)
        lake = Lake(stack, worked(name), items, changes(items, chance))
        lake.write(lake.payloads)
        return lake

    return make
