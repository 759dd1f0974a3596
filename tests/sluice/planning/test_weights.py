"""What a change weighs: by the template and the transform themselves."""

import gzip
import json
from typing import Any

import pytest

from chalicelib.schema import TABLE
from sluice.event import render
from sluice.planning.weights import PARQUET_SHARE, stream_record, weigh
from sluice.planning.workload import Workload

IMAGE = {"id": {"S": "1"}, "siteId": {"S": "2"}, "createdAtTime": {"N": "1700076551926"}}


@pytest.mark.parametrize("size", [120, 500, 3_000, 400 * 1024])
def test_the_samples_have_the_size_that_is_asked_for(size: int) -> None:
    weights = weigh(Workload(changes_per_second=1, item_bytes=size), TABLE, TABLE.layout, "json")
    assert weights.item == pytest.approx(size, rel=0.02)
    assert weights.record > size
    assert weights.answer > weights.line * 4 / 3


def test_an_update_carries_two_images_and_a_deletion_one() -> None:
    different: list[dict[str, Any]] = [{}, {"updates": 1.0}, {"deletes": 1.0}]
    inserts, updates, deletes = (
        weigh(
            Workload(changes_per_second=1, item_bytes=2_000, **shares), TABLE, TABLE.layout, "json"
        )
        for shares in different
    )
    assert updates.record - inserts.record == pytest.approx(2_000, rel=0.1)
    assert deletes.record == pytest.approx(inserts.record, rel=0.01)
    assert updates.line == pytest.approx(inserts.line, rel=0.01)


def test_the_largest_change_counts_however_rare_it_is() -> None:
    rare = weigh(
        Workload(changes_per_second=1, item_bytes=2_000, updates=0.001), TABLE, TABLE.layout, "json"
    )
    assert rare.record_max > rare.record + 1_000


def test_an_object_grows_with_its_lines_as_its_compression_does() -> None:
    weights = weigh(Workload(changes_per_second=1), TABLE, TABLE.layout, "json")
    assert weights.stored(1) == weights.measured[0][1]
    assert weights.stored(10) < 10 * weights.stored(1)
    assert weights.stored(20_000) == pytest.approx(2 * weights.stored(10_000), rel=0.01)


def test_parquet_has_a_footer_in_each_object() -> None:
    workload = Workload(changes_per_second=1)
    lines, rows = (weigh(workload, TABLE, TABLE.layout, each) for each in ("json", "parquet"))
    assert rows.stored(1) > lines.stored(1) + 3_000
    assert rows.stored(100_000) == pytest.approx(PARQUET_SHARE * lines.stored(100_000), rel=0.1)


def test_the_template_is_rendered_as_pipes_does() -> None:
    record = json.loads(render(stream_record(TABLE, "REMOVE", IMAGE)))
    assert record["dynamodb"]["OldImage"] == IMAGE
    assert "NewImage" not in record["dynamodb"]
    assert record["userIdentity"] == ""


def test_compression_is_gzips() -> None:
    weights = weigh(Workload(changes_per_second=1, item_bytes=300), TABLE, TABLE.layout, "json")
    assert len(gzip.compress(b"")) < weights.stored(1) < weights.line
