"""Lakes of worked declarations, in the emulator's S3 and Glue."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from sluice.items import Item
from sluice.stack import Stack
from tests.declaring import items_of, worked
from tests.sluice.compaction.lake import COUNT, Lake, changes

StackOf = Callable[[str], Stack]

UNDECLARED: dict[str, Any] = {
    "a note's": {"L": [{"S": "é\n"}, {"N": "-0.10"}, {"M": {"none": {"NULL": True}}}]}
}
"""Attributes for records whose kind keeps those that are not declared."""


@pytest.fixture
def lake_of(stack_of: StackOf) -> Callable[..., Lake]:
    """Makes the lake of a worked declaration, where some lines are there twice.

    Without, every second record has undeclared attributes.
    """
    chance = random.Random(7)  # noqa: S311

    def make(name: str, *, repeated: bool = True) -> Lake:
        stack, table = stack_of(name), worked(name)
        items: list[Item] = [
            {**item, **UNDECLARED}
            if not repeated
            and number % 2 == 0
            and table.shape(table.kind_of(item)).undeclared == "keep"
            else item
            for number, item in enumerate(items_of(table, COUNT))
        ]
        lake = Lake(stack, table, items, changes(items, chance, repeated=repeated))
        lake.write(lake.payloads)
        return lake

    return make
