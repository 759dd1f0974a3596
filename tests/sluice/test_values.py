"""Values made up by types and rules."""

import os
import re
import subprocess
import sys
from decimal import Decimal
from random import Random
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, inspect

from sluice.errors import OperationError
from sluice.values import Values
from tests.record_types import Everything

ROUNDS = 200


def chance() -> Random:
    return Random(7)  # noqa: S311


def values_of(kind: Any) -> list[Any]:
    values = Values(chance())
    info = inspect.type_info(kind)
    return [values.value(info) for _ in range(ROUNDS)]


@pytest.mark.parametrize(
    "kind",
    [
        str,
        bytes,
        bool,
        int,
        Decimal,
        Literal["a", "b"],
        str | int | None,
        set[str],
        frozenset[Decimal],
        list[set[int]],
        dict[Annotated[str, Meta(max_length=2)], bytes],
        Annotated[str, Meta(min_length=30)],
        Annotated[str, Meta(max_length=4)],
        Annotated[str, Meta(min_length=3, max_length=3)],
        Annotated[str, Meta(pattern="^(open|paid|sent)$")],
        Annotated[str, Meta(pattern=r"^[A-Z]{2}-\d{3,}[^a-z ]\w+$", max_length=12)],
        Annotated[str, Meta(pattern=r"^\S+@[a-z.]+\.(nl|de)$")],
        Annotated[str, Meta(pattern=r"^(\w)[^#\s]{9,}\1.?$")],
        Annotated[str, Meta(pattern=r"^x{120,}$")],
        Annotated[int, Meta(ge=5, le=9, multiple_of=4)],
        Annotated[int, Meta(gt=0, lt=2)],
        Annotated[int, Meta(le=-5)],
        Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
        Annotated[bytes, Meta(min_length=3, max_length=3)],
        Annotated[set[int], Meta(min_length=2, max_length=2)],
        Annotated[list[str], Meta(max_length=1)],
        Everything,
    ],
)
def test_a_value_keeps_the_rules_of_its_type(kind: Any) -> None:
    for value in values_of(kind):
        msgspec.convert(value, kind)


def test_whole_numbers_are_of_all_magnitudes() -> None:
    lengths = {len(str(value)) for value in values_of(int)}

    assert {1, 6, 12} <= lengths


def test_a_set_is_never_empty_and_what_may_be_null_sometimes_is() -> None:
    assert all(values_of(set[str]))
    assert None in values_of(str | None)


def test_examples_stand_for_a_rule() -> None:
    assert {*values_of(Annotated[str, Meta(examples=["one", "two"])])} == {"one", "two"}


def test_any_value_is_of_several_types() -> None:
    assert {str, int, bool, list, dict, Decimal} == {type(value) for value in values_of(Any)}


def test_a_text_begins_as_it_must() -> None:
    info = inspect.StrType(min_length=2, max_length=9, pattern="^ORDER#[0-9]+$")
    values = Values(chance())

    for _ in range(ROUNDS):
        assert re.fullmatch("ORDER#[0-9]{1,3}", values.text(info, "ORDER#"))


def test_the_same_chance_gives_the_same_values_in_every_process() -> None:
    program = (
        "from random import Random; from msgspec.inspect import StrType;"
        "from sluice.values import Values;"
        "values = Values(Random(7)); info = StrType(pattern='^[^#]{6}.\\\\W(a|b)+$');"
        "print([values.text(info) for _ in range(20)])"
    )
    first, second = (
        subprocess.check_output(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}
        )
        for seed in "12"
    )
    assert first == second


@pytest.mark.parametrize(
    ("info", "start"),
    [
        (inspect.StrType(max_length=3), "ORDER#"),
        (inspect.StrType(pattern="^ITEM#"), "ORDER#"),
        (inspect.StrType(pattern="^(?>a|b)$"), ""),
        (inspect.StrType(pattern="^[^ -~\\s]$"), ""),
        (inspect.StrType(pattern="^[a-z]+$", min_length=50, max_length=50), ""),
    ],
)
def test_rules_that_no_text_is_found_for_are_named_with_the_way_out(
    info: inspect.StrType, start: str
) -> None:
    with pytest.raises(OperationError, match=r"no text was found .*; give the field Meta"):
        Values(chance()).text(info, start)
