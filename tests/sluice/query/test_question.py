"""The SQL of a question, and what is warned of before it is run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from chalicelib.catalog import lake_tables, location, partition_columns, projection
from chalicelib.declaration import ByAttribute, Int64, Key, Kind, Table
from chalicelib.declared import load
from chalicelib.schema import TABLE
from sluice.errors import OperationError
from sluice.query.part import LakePart, level_values
from sluice.query.partitioning import Partitioning
from sluice.query.question import Question, warnings
from tests.declarations import FILES

SHOP, METERS, BLOBS = (
    load(next(file for file in FILES if file.stem == name)) for name in ("shop", "meters", "blobs")
)


@dataclass
class Lake:
    """A deployed lake: its tables, and the folders that it has."""

    table: Table
    sites: tuple[str, ...] = ()
    stored: Mapping[str, list[str]] = field(default_factory=dict)
    emulated: bool = False
    has_last_changes: bool = False
    is_compacted: bool = False
    has_raw: bool = True

    def partitioning(self, name: str = "changes") -> Partitioning:
        (kind,) = (each.kind for each in lake_tables(self.table) if each.name == name)
        return Partitioning(
            tuple(column.name for column in partition_columns(self.table, kind)),
            {
                **projection(self.table, self.sites, (2020, 2039), kind),
                "storage.location.template": f"s3://b/{location(self.table, kind)}",
            },
        )

    def folders(self, prefix: str, _level: str) -> list[str]:
        return self.stored.get(prefix, [])


def asked(lake: Any, text: str, *where: str, key: tuple[str, ...] = (), **more: Any) -> str:
    part = LakePart(lake.table, level_values(lake.table, where, more.pop("site", None)))
    return Question(text, part, key, **more).sql(lake)


def warned(lake: Any, text: str, *where: str, site: str | None = None) -> list[str]:
    question = Question(text, LakePart(lake.table, level_values(lake.table, where, site)))
    return warnings(question.sql(lake), question, lake)


def test_the_old_spelling_of_the_first_level_and_the_new_one_are_the_same() -> None:
    lake = Lake(TABLE)
    assert asked(lake, "hours", site="2") == asked(lake, "hours", "siteId=2")
    own = "SELECT 1 FROM changes WHERE siteid_partition = :site_partition AND siteid = :siteid"
    assert asked(lake, own, site="a/b").endswith("= 'a%2Fb' AND siteid = 'a/b'")
    assert asked(lake, own, site="a/b") == asked(lake, own, "siteId=a/b")


def test_a_number_is_a_number_in_a_line_and_a_text_in_the_path() -> None:
    sql = asked(Lake(METERS), "hours", "grid=0017", "region=NL-UT")
    assert '"grid" = 17' in sql
    assert "\"grid_partition\" = '17'" in sql
    assert "\"region_partition\" = 'NL-UT'" in sql
    assert " FROM changes " in sql


def test_a_part_that_lacks_a_value_that_is_required_reads_all_changes() -> None:
    assert " FROM changes " not in asked(Lake(METERS), "hours", "grid=17")


def test_a_kind_is_a_level_like_any_other() -> None:
    sql = asked(Lake(SHOP), "hours", "kind=order")
    assert "FROM changes WHERE \"kind_partition\" = 'order' AND \"kind\" = 'order'" in sql
    assert asked(Lake(SHOP), "SELECT :kind", "kind=order") == "SELECT 'order'"


@pytest.mark.parametrize(
    ("table", "where", "refusal"),
    [
        (TABLE, ("siteId",), "--where takes LEVEL=VALUE, not siteId"),
        (TABLE, ("site=2",), "site is not a level of a field; --where takes siteId, and --from"),
        (
            TABLE,
            ("year=2023",),
            "not a level of a field; .* and --from and --to take times",
        ),
        (TABLE, ("siteId=1", "siteId=2"), "siteId has two values"),
        (SHOP, ("kind=parcel",), "there is no kind parcel; there are customer, order, item, other"),
        (METERS, ("grid=all",), "grid is a whole number, not all"),
        (BLOBS, ("hash=x",), "there is no level for --where"),
    ],
)
def test_a_level_that_is_not_there_is_refused(
    table: Table, where: tuple[str, ...], refusal: str
) -> None:
    with pytest.raises(OperationError, match=refusal):
        asked(Lake(table), "hours", *where)


def test_the_old_spelling_needs_a_level_of_a_field() -> None:
    with pytest.raises(OperationError, match="--site means the first level of a field"):
        asked(Lake(SHOP), "hours", site="2")


@pytest.mark.parametrize(
    ("table", "key", "condition"),
    [
        (TABLE, ("it's",), "\"id\" = 'it''s'"),
        (SHOP, ("A", "B"), "\"pk\" = 'A' AND \"sk\" = 'B'"),
        (SHOP, ("A",), "\"pk\" = 'A'"),
        (METERS, ("E1", "17"), '"meter" = \'E1\' AND "ts" = 17'),
        (BLOBS, ("AAE=",), "\"hash\" = 'AAE='"),
    ],
)
def test_a_key_is_given_by_its_parts(table: Table, key: tuple[str, ...], condition: str) -> None:
    assert f"WHERE {condition}\nORDER" in asked(Lake(table), "history", key=key)


@pytest.mark.parametrize(
    ("table", "text", "key", "refusal"),
    [
        (SHOP, "history", (), "history needs --key"),
        (SHOP, "latest", ("a",), "latest takes no --key"),
        (TABLE, "history", ("a", "b"), "a key is 1 values"),
        (METERS, "history", ("E1", "noon"), "--key: ts must be a number"),
        (BLOBS, "history", ("?",), "--key: hash must be .* in base64"),
        (BLOBS, "SELECT 1", ("AAE=",), 'where --key applies; .* WHERE "changedat" >= :from_ms'),
    ],
)
def test_a_key_that_does_not_fit_is_refused(
    table: Table, text: str, key: tuple[str, ...], refusal: str
) -> None:
    with pytest.raises(OperationError, match=refusal):
        asked(Lake(table), text, key=key)


def test_years_that_are_hidden_are_named_in_every_kind_and_site() -> None:
    hidden = "changes shows only the years 2020 to 2039, and the lake has 1999;"
    kinds = {"data/": ["order", "item"], "data/kind=item/": ["1999", "2023"]}
    assert any(hidden in each for each in warned(Lake(SHOP, stored=kinds), "SELECT * FROM changes"))
    of_item = warned(Lake(SHOP, stored=kinds), "hours", "kind=item")
    assert any(hidden in each for each in of_item)
    assert warned(Lake(SHOP, stored=kinds), "hours", "kind=order") == []
    own = warned(Lake(SHOP, stored=kinds), "SELECT * FROM changes_item")
    assert any(each.startswith("changes_item shows only") for each in own)
    sites = {"data/": ["1", "2"], "data/siteId=2/": ["1999"]}
    found = warned(Lake(TABLE, ("1", "2"), sites), "SELECT * FROM changes")
    assert any(hidden in each for each in found)


def test_values_that_are_hidden_are_named() -> None:
    lake = Lake(TABLE, ("1", "2"), {"data/": ["1", "3"]})
    hidden = "changes shows not the siteId 3; deploy with them in -c sites=..."
    assert any(hidden in each for each in warned(lake, "SELECT * FROM changes"))
    former = Lake(SHOP, stored={"data/": ["order", "parcel"]})
    found = warned(former, "SELECT * FROM changes")
    assert any("not the kind parcel; declare them and deploy" in each for each in found)


@pytest.mark.parametrize(
    ("sql", "has_raw", "whole", "emulated_whole"),
    [
        ("SELECT * FROM all_changes", True, "the whole lake: all_changes has no", None),
        ("SELECT * FROM all_changes", False, "all that is compacted: it compares none of", None),
        (
            "SELECT * FROM all_changes WHERE createdattime > 5",
            True,
            "all that is not compacted yet: all_changes has no partitions",
            None,
        ),
        ("SELECT * FROM all_changes WHERE siteid = '2'", False, "", None),
        (
            "SELECT * FROM changes WHERE siteid_partition = '2'",
            True,
            "all that is compacted: it compares none of siteid, createdattime with a value",
            "",
        ),
        ("SELECT * FROM changes WHERE siteid_partition = '2' AND siteid = '2'", True, "", None),
        ("SELECT * FROM raw_all_changes", True, "all that is not compacted yet: raw_all_ch", None),
        ("SELECT * FROM raw_all_changes", False, "", None),
        ("SELECT * FROM raw_changes WHERE siteid_partition = '2'", True, "", None),
        ("SELECT * FROM history", True, "", None),
    ],
)
def test_what_a_question_reads_all_of_is_named_where_the_lake_is_compacted(
    sql: str, has_raw: bool, whole: str, emulated_whole: str | None
) -> None:
    for emulated in (False, True):
        lake = Lake(
            TABLE,
            emulated=emulated,
            has_last_changes=True,
            is_compacted=True,
            has_raw=has_raw,
        )
        sentences = [each for each in warned(lake, sql) if each.startswith("this reads")]
        expected = whole if emulated_whole is None or not emulated else emulated_whole
        assert len(sentences) == bool(expected)
        assert all(each.startswith(f"this reads {expected}") for each in sentences)


class Visit(Struct):
    id: str
    ward: Annotated[str, Meta(max_length=20)]
    hour: Int64


def test_a_value_of_a_kinds_own_table_is_required_by_its_partitions() -> None:
    table = Table(
        key=(Key("id"),),
        kinds=(Kind("visit", Visit, when="visit"),),
        told_by=ByAttribute("type"),
        layout=("ward", "year"),
    )
    lake = Lake(table, emulated=True)
    (_, needs) = warned(lake, "SELECT * FROM changes_visit")
    assert needs == "AWS refuses this: changes_visit needs a value of ward_partition"
    assert not any("needs" in each for each in warned(lake, "SELECT * FROM changes_other"))
    assert 'AS "hour_2"' in asked(lake, "hours")


def test_the_last_changes_are_the_whole_lake_as_long_as_nothing_is_compacted() -> None:
    lake = Lake(TABLE, has_last_changes=True)
    assert warned(lake, "latest") == [
        "this reads the whole lake: last_changes has no partitions; narrow it with "
        "--where siteId=..., and --pruned where records keep their site and time"
    ]
    lake.is_compacted = True
    assert warned(lake, "latest") == []


@pytest.mark.parametrize(
    ("lake", "text", "where", "remedy"),
    [
        (Lake(TABLE), "hours", (), "; narrow it with --where siteId=..."),
        (Lake(TABLE, ("1",)), "late", (), "; narrow it with --where siteId=... or --from/--to"),
        (Lake(METERS), "hours", ("grid=17",), "; narrow it with --where region=..."),
        (Lake(BLOBS), "hours", (), "; narrow it with --from/--to"),
        (
            Lake(TABLE),
            "latest",
            ("siteId=1",),
            "; narrow it with --pruned where records keep their site and time",
        ),
        (Lake(TABLE), "SELECT * FROM all_changes", (), ""),
    ],
)
def test_the_options_that_narrow_a_saved_query_are_named_and_no_others(
    lake: Lake, text: str, where: tuple[str, ...], remedy: str
) -> None:
    reads, *_ = warned(lake, text, *where)
    assert reads == f"this reads the whole lake: all_changes has no partitions{remedy}"
