from decimal import Decimal
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from chalicelib.declaration import EPOCH_MS_MAX
from chalicelib.errors import PartitionError
from chalicelib.limits import PREFIX_LENGTH_MAX
from chalicelib.mistakes import layout_errors
from chalicelib.partitions import (
    encode_value,
    firehose_error_prefix,
    firehose_prefix,
    partitioner,
    path,
)
from chalicelib.schema import TABLE, Record

SAMPLE = Record(siteId="2", createdAtTime=1700076551926)


def record(**fields: object) -> SimpleNamespace:
    """What a change may hold, which need not be a valid record."""
    return SimpleNamespace(**{"siteId": UNSET, "createdAtTime": UNSET, **fields})


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def test_the_sample_record_lies_in_its_minute_in_utc() -> None:
    keys = partitioner(TABLE)(SAMPLE)
    assert path(keys) == "data/siteId=2/year=2023/month=11/day=15/hour=19/minute=29/"


def test_time_levels_are_zero_padded() -> None:
    keys = partitioner(TABLE)(record(siteId="2", createdAtTime=0))
    assert path(keys) == "data/siteId=2/year=1970/month=01/day=01/hour=00/minute=00/"


def test_a_record_has_exactly_the_keys_of_the_layout_in_its_order() -> None:
    assert list(partitioner(TABLE.with_layout(["year", "siteId"]))(SAMPLE)) == ["year", "siteId"]
    assert list(partitioner(TABLE.with_layout(["siteId"]))(record(siteId="2"))) == ["siteId"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (record(siteId="", createdAtTime=0), "siteId must not be empty"),
        (record(createdAtTime=0), "siteId is missing"),
        (record(siteId=None, createdAtTime=0), "siteId is missing"),
        (record(siteId="x" * 257, createdAtTime=0), "siteId must have at most 256 characters"),
        (record(siteId="\N{BAR CHART}" * 22, createdAtTime=0), "and has 264"),
        (record(siteId="2"), "createdAtTime is missing"),
        (record(siteId="2", createdAtTime=-1), "createdAtTime must lie in the years 1970-9999"),
        (record(siteId="2", createdAtTime=EPOCH_MS_MAX + 1), "must lie in the years 1970-9999"),
    ],
)
def test_a_value_that_names_no_partition_is_refused(broken: SimpleNamespace, reason: str) -> None:
    with pytest.raises(PartitionError, match=reason):
        partitioner(TABLE)(broken)


@given(texts, st.integers(0, EPOCH_MS_MAX))
def test_any_site_either_is_refused_or_stays_one_level_that_reads_back(site: str, ms: int) -> None:
    try:
        folder = path(partitioner(TABLE)(record(siteId=site, createdAtTime=ms)))
    except PartitionError:
        return
    assert len(folder) <= PREFIX_LENGTH_MAX
    levels = folder.removeprefix("data/").removesuffix("/").split("/")
    assert [level.split("=")[0] for level in levels] == list(TABLE.layout)
    assert unquote(levels[0].split("=")[1]) == site
    assert folder.isascii()


@given(st.lists(st.integers(0, EPOCH_MS_MAX), min_size=2, max_size=2))
def test_text_order_of_the_paths_is_the_order_of_time(times: list[int]) -> None:
    first, second = sorted(times)
    keys = partitioner(TABLE)
    assert path(keys(record(siteId="2", createdAtTime=first))) <= path(
        keys(record(siteId="2", createdAtTime=second))
    )


def test_the_stream_prefix_names_every_level_of_the_layout() -> None:
    assert firehose_prefix(TABLE.with_layout(["siteId", "year"])) == (
        "data/siteId=!{partitionKeyFromLambda:siteId}/year=!{partitionKeyFromLambda:year}/"
    )


def test_the_error_prefix_names_the_kind_of_error_and_the_day() -> None:
    assert firehose_error_prefix() == (
        "errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/"
    )


def test_the_default_layout_can_be_used() -> None:
    assert layout_errors(TABLE) == []


def test_several_text_levels_share_what_firehose_allows_for_a_prefix() -> None:
    table = TABLE.with_layout(["id", "siteId", "year"])
    lengths = [level.length for level in table.levels]
    longest = path({level.name: "x" * level.length for level in table.levels})
    assert len(longest) == PREFIX_LENGTH_MAX
    assert lengths[0] - lengths[1] in (-1, 0, 1)
    keys = partitioner(table)
    site = "s" * lengths[1]
    assert keys(record(id="a", siteId=site, createdAtTime=0))["siteId"] == site
    with pytest.raises(PartitionError, match=f"at most {lengths[1]} characters"):
        keys(record(id="a", siteId=site + "s", createdAtTime=0))


def test_levels_may_be_numbers_and_truths() -> None:
    keys = partitioner(TABLE.with_layout(["valueOne"]))
    assert keys(record(siteId="2", valueOne=-7)) == {"valueOne": "-7"}
    assert encode_value("flag", True) == "true"
    assert encode_value("exact", Decimal("1.50")) == encode_value("exact", Decimal("1.5"))


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        ([], "names no level"),
        (["siteId", "siteId"], "names a level twice"),
        (["elsewhere"], "'elsewhere' is neither a part of the time"),
        (["siteId", "month"], "in this order, from the first on"),
        (["siteId", "year", "day"], "in this order"),
    ],
)
def test_a_layout_that_cannot_be_used_says_why(layout: list[str], reason: str) -> None:
    assert any(reason in error for error in layout_errors(TABLE.with_layout(layout)))
