"""What a synthesis refuses, and that each rule sees its fault."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from chalicelib.catalog import location, projection
from chalicelib.declared import load
from chalicelib.partitions import firehose_prefix
from chalicelib.schema import TABLE
from sluice.planning.lint import (
    folder_errors,
    projection_errors,
    template_errors,
    workload_errors,
)
from sluice.planning.workload import Workload
from tests.declarations import FILES
from tests.sluice.planning.planned import planned

LAYOUTS = [
    TABLE.layout,
    TABLE.layout[:3],
    ("year", "siteId"),
    ("siteId",),
    ("siteId", "name", "year"),
]


def test_a_workload_that_overflows_is_refused_with_what_passes() -> None:
    (error,) = workload_errors(Workload(changes_per_second=1_000, sites=2_000), planned())
    assert "partitions are active at the peak" in error
    assert "a stream holds 500" in error
    assert "cdk deploy -c layout=year/month/day/hour/minute" in error


def test_a_workload_that_fits_is_not() -> None:
    assert not list(workload_errors(Workload(changes_per_second=10), planned()))


def test_a_workload_past_this_design_names_the_page_that_goes_on() -> None:
    errors = list(
        workload_errors(Workload(changes_per_second=1_000_000, sites=1_000_000), planned())
    )
    assert len(errors) == 2
    assert all("docs/scale.md" in error for error in errors)


def test_a_transform_buffer_that_its_response_cannot_hold_is_refused() -> None:
    settings = planned(transform_megabytes=6)
    (error,) = workload_errors(Workload(changes_per_second=10, item_bytes=100), settings)
    assert "Lambda lets 6 MB through" in error


def test_the_template_names_only_what_each_change_has() -> None:
    assert not list(template_errors())


@pytest.mark.parametrize(
    "path", ["dynamodb.NewImage", "dynamodb.NewImage.siteId.S", "userIdentity.type", "siteId"]
)
def test_a_path_that_may_be_missing_is_refused(path: str) -> None:
    (error,) = template_errors(f'{{"eventID": <$.eventID>, "new": <$.{path}>}}')
    assert f"<$.{path}>" in error


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sites", [(), ("2", "a/b=c %")])
def test_athena_looks_where_firehose_writes(layout: Sequence[str], sites: tuple[str, ...]) -> None:
    assert not list(projection_errors(TABLE.with_layout(layout), sites))


def test_a_projection_without_its_zeros_is_refused() -> None:
    properties = {
        name: "1" if "month.digits" in name else each
        for name, each in projection(TABLE, (), (2020, 2039)).items()
    }
    errors = list(folder_errors(TABLE, firehose_prefix(TABLE), location(TABLE), properties))
    assert any("month=1/" in error and "month=01/" in error for error in errors)


def test_a_location_of_other_levels_is_refused() -> None:
    properties, elsewhere = (
        projection(TABLE, (), (2020, 2039)),
        location(TABLE.with_layout(("year", "siteId"))),
    )
    assert list(folder_errors(TABLE, firehose_prefix(TABLE), elsewhere, properties))


def test_a_prefix_without_a_level_is_refused() -> None:
    properties = projection(TABLE, (), (2020, 2039))
    errors = list(
        folder_errors(
            TABLE,
            firehose_prefix(TABLE.with_layout(TABLE.layout[:-1])),
            location(TABLE),
            properties,
        )
    )
    assert "Firehose's prefix makes" in errors[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_athena_looks_where_firehose_writes_for_every_worked_declaration(file: Path) -> None:
    assert not list(projection_errors(load(file)))
