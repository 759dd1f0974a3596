"""The rules noted beside fields, and what a message says of a broken one."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

import pytest

from sluice.planning.proposals import command, deployment
from sluice.planning.rules import Option, annotations, field_errors, noted, number, text, whole
from sluice.planning.workload import Workload
from tests.sluice.planning.planned import planned


@dataclass(frozen=True)
class Example:
    share: Annotated[float, number(0, 1, above=True)] = 1.0
    count: (
        Annotated[int, whole(1, 1_000, "as many as there are"), Option("How many", "n")] | None
    ) = None
    name: Annotated[str, text("[a-z]+", "lower-case letters")] = "a"
    kind: Literal["one", "two"] = "one"


def test_defaults_are_right() -> None:
    assert field_errors(Example()) == []


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (Example(share=0), "share is 0, but must be above 0 and at most 1"),
        (Example(share=float("nan")), "share is nan, but must be above 0 and at most 1"),
        (Example(share=float("inf")), "share is inf, but must be above 0 and at most 1"),
        (
            Example(count=1_001),
            "count is 1001, but must be a whole number from 1 to 1,000, as many as there are",
        ),
        (Example(name="a\n"), "name is 'a\\n', but must be lower-case letters"),
        (Example(name="ab1"), "name is 'ab1', but must be lower-case letters"),
        (Example(kind="three"), "kind is 'three', but must be one of one, two"),  # type: ignore[arg-type]
    ],
)
def test_a_broken_rule_is_reported_with_the_value(example: Example, message: str) -> None:
    assert field_errors(example) == [message]


def test_every_broken_rule_is_reported() -> None:
    assert len(field_errors(Example(share=2, count=0, name="", kind="one"))) == 3


def test_an_optional_field_has_its_note() -> None:
    option = noted(annotations(Example)["count"], Option)
    assert option
    assert option.flag("count") == "--n"


def test_commands_name_the_declaration_that_does_not_ship() -> None:
    other = planned(schema="tables/a shop.py", format="parquet")
    assert command(Workload(changes_per_second=10), other) == (
        "sluice --schema 'tables/a shop.py' plan --rate 10 --format parquet"
    )
    assert deployment(other) == "cdk deploy -c 'schema=tables/a shop.py' -c format=parquet"


def test_a_command_names_every_option_that_differs() -> None:
    different = planned(buffer_seconds=900, format="parquet", shards=7, scan_gigabytes=3)
    assert command(Workload(changes_per_second=10, late_hours=2), different) == (
        "sluice plan --rate 10 --late-hours 2 --interval 900 --format parquet --shards 7"
    )


def test_every_field_of_a_workload_is_an_option() -> None:
    for field in fields(Workload):
        assert noted(annotations(Workload)[field.name], Option), field.name
