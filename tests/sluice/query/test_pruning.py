"""The tables and conditions that are read from a query."""

import pytest

from sluice.query.pruning import (
    NO_PARTITION,
    RawTable,
    Read,
    missing_values,
    raw_condition,
    reads,
    whole_lake,
)

PARTITIONS = ("siteid_partition", "year", "month", "day")
ASKED = {"siteid_partition"}
LAKE = {"changes": PARTITIONS, "all_changes": ()}
REQUIRED = {"changes": ASKED}
NOTHING: frozenset[str] = frozenset()
WHERE = "SELECT * FROM changes AS c WHERE "


def test_a_read_has_the_columns_held_to_a_range_and_those_held_to_a_value() -> None:
    found = reads("SELECT * FROM changes WHERE siteid_partition = '2' AND year BETWEEN 2020 AND 21")
    assert found == [
        Read("changes", frozenset({"siteid_partition", "year"}), frozenset({"siteid_partition"}))
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id AS changes, changes FROM other",
        "SELECT 'FROM changes' -- FROM changes\n FROM other /* FROM changes */",
        "WITH changes AS (SELECT 1) SELECT * FROM changes",
        "SELECT changes.id FROM other AS changes",
        "SHOW TABLES",
        "EXPLAIN SELECT * FROM changes",
        "SELEC * FROM changes",
        "SELECT 'unfinished FROM changes",
        "",
    ],
)
def test_a_name_that_is_not_a_table_is_not_taken_for_one(sql: str) -> None:
    assert reads(sql) == [] or [each.table for each in reads(sql)] == ["other"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM changes",
        'SELECT * FROM "db"."CHANGES"',
        "SELECT * FROM other, changes",
        "SELECT * FROM other JOIN changes USING (id)",
        "SELECT (SELECT count(*) FROM changes) FROM other",
        "SELECT * FROM other WHERE id IN (SELECT id FROM changes)",
        "WITH changes AS (SELECT * FROM changes) SELECT * FROM changes",
        "SELECT 1 FROM other UNION ALL SELECT 2 FROM changes",
    ],
)
def test_a_table_is_found_wherever_it_is_read(sql: str) -> None:
    assert Read("changes", NOTHING, NOTHING) in reads(sql)


def test_a_condition_on_one_of_two_reads_is_not_one_on_the_other() -> None:
    sql = "SELECT 1 FROM changes a JOIN changes b ON a.id = b.id WHERE a.siteid_partition = '2'"
    one, other = reads(sql)
    assert one == Read("changes", frozenset(PARTITIONS[:1]), frozenset(PARTITIONS[:1]))
    assert other == Read("changes", NOTHING, NOTHING)


def test_only_the_tables_of_the_lake_count() -> None:
    assert whole_lake(reads("SELECT * FROM other"), LAKE) is None


def test_all_changes_are_read_whole() -> None:
    sql = "SELECT * FROM all_changes WHERE siteid_partition = '2'"
    assert whole_lake(reads(sql), LAKE) == "all_changes has no partitions"


@pytest.mark.parametrize(
    "condition",
    [
        "siteid_partition = '2'",
        "'2' = siteid_partition",
        "name = 'x' AND (year\nIN (2023))",
        "day BETWEEN 1 AND 2",
        "2023 <= year",
        "c.siteid_partition LIKE '2%'",
        "year * 100 + month = 202311",
        "(siteid_partition = '1' AND name = 'a') OR siteid_partition = '2'",
    ],
)
def test_a_condition_that_prunes_is_seen(condition: str) -> None:
    assert whole_lake(reads(WHERE + condition), LAKE) is None


@pytest.mark.parametrize(
    "condition",
    [
        "siteid_partition <> '2'",
        "year != 2023",
        "NOT year = 2023",
        "siteid_partition NOT IN ('2')",
        "siteid_partition = '2' OR 1 = 1",
        "year = 2023 OR name = 'x'",
        "siteid_partition = siteid",
        "year = year",
        "name = 'year = 2023'",
        "siteid_partition IN (SELECT id FROM other)",
        "siteid_partition = (SELECT max(id) FROM other)",
    ],
)
def test_a_condition_that_prunes_nothing_is_not_taken_for_one(condition: str) -> None:
    reason = whole_lake(reads(WHERE + condition), LAKE)
    assert reason is not None
    assert "it compares none of siteid_partition, year, month, day" in reason


@pytest.mark.parametrize(
    ("sql", "prunes"),
    [
        ("SELECT year = 2023 FROM changes", False),
        ("SELECT * FROM changes JOIN other ON year = 2023", True),
        ("SELECT * FROM other LEFT JOIN changes ON year = 2023", False),
        ("SELECT * FROM (SELECT * FROM changes) AS c WHERE year = 2023", True),
        ("WITH c AS (SELECT * FROM changes) SELECT * FROM c WHERE year = 2023", True),
        ("SELECT * FROM other WHERE year = 1 AND id IN (SELECT id FROM changes)", False),
        ("SELECT 1 FROM changes WHERE year = 1 UNION SELECT 2 FROM changes", False),
        (
            "SELECT * FROM (SELECT 1 FROM changes UNION SELECT 2 FROM changes) AS c WHERE year = 1",
            True,
        ),
        ("SELECT * FROM (SELECT * FROM changes LIMIT 9) AS c WHERE year = 1", False),
        (
            "SELECT * FROM (SELECT *, rank() OVER (PARTITION BY id) FROM changes) AS c "
            "WHERE year = 1",
            False,
        ),
        ("SELECT 1", True),
    ],
)
def test_conditions_count_where_they_reach_the_table(sql: str, prunes: bool) -> None:
    assert (whole_lake(reads(sql), LAKE) is None) == prunes


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ("siteid_partition = '2'", True),
        ("'2' = siteid_partition", True),
        ("siteid_partition IN ('2', '3')", True),
        ("siteid_partition = '2' OR siteid_partition = '3'", True),
        ("siteid_partition > '2'", False),
        ("siteid_partition LIKE '2'", False),
        ("lower(siteid_partition) = '2'", False),
        ("siteid_partition = siteid", False),
        ("siteid_partition IN (SELECT id FROM other)", False),
        ("siteid_partition = '2' OR year = 2023", False),
    ],
)
def test_only_equality_gives_an_injected_column_its_value(condition: str, named: bool) -> None:
    found = missing_values(reads(WHERE + condition), REQUIRED)
    assert found == (set() if named else ASKED)


def test_every_read_of_changes_must_name_a_value_of_what_is_required() -> None:
    one, every, part = (
        WHERE + "siteid_partition = '2' UNION ",
        "SELECT * FROM all_changes",
        "SELECT * FROM changes",
    )
    assert missing_values(reads(one + every), REQUIRED) == set()
    assert missing_values(reads(one + part), REQUIRED) == ASKED


RAW = {
    "changes": RawTable(PARTITIONS),
    "raw_changes": RawTable(PARTITIONS),
    "all_changes": RawTable(),
    "changes_order": RawTable(("year",), "kind_partition = 'order'"),
}


@pytest.mark.parametrize(
    ("sql", "condition"),
    [
        ("SELECT * FROM changes WHERE year = 2023 AND name = 'x'", '("year" = 2023)'),
        ("SELECT * FROM CHANGES c WHERE 2023 <= c.YEAR", '(2023 <= "year")'),
        ("SELECT * FROM raw_changes WHERE (year IN (1, -2))", '("year" IN (1, -2))'),
        (
            "SELECT 1 FROM changes WHERE (siteid_partition = '1' AND name = 'a' AND day = 2) "
            "OR siteid_partition LIKE '2%'",
            '(("siteid_partition" = \'1\' AND "day" = 2 OR "siteid_partition" LIKE \'2%\'))',
        ),
        (
            "WITH all_changes AS (SELECT * FROM changes WHERE year * 100 + month BETWEEN 1 AND 2) "
            "SELECT count(*) FROM all_changes",
            '("year" * 100 + "month" BETWEEN 1 AND 2)',
        ),
        (
            "SELECT 1 FROM changes WHERE year = 1 UNION SELECT 2 FROM changes WHERE year = 2",
            '("year" = 1) OR ("year" = 2)',
        ),
        (
            "SELECT * FROM changes_order WHERE year = 1",
            "(kind_partition = 'order' AND \"year\" = 1)",
        ),
        ("SELECT * FROM changes_order", "(kind_partition = 'order')"),
        ("SELECT * FROM history", NO_PARTITION),
        ("SELECT 1", NO_PARTITION),
    ],
)
def test_only_the_partitions_that_a_query_needs_are_read(sql: str, condition: str) -> None:
    assert raw_condition(sql, RAW) == condition


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM changes",
        "SELECT * FROM all_changes WHERE year = 2023",
        "SELECT * FROM changes WHERE year <> 2023",
        "SELECT * FROM changes WHERE NOT year = 2023",
        "SELECT * FROM changes WHERE year = 2023 OR name = 'x'",
        "SELECT * FROM changes WHERE year = createdattime",
        "SELECT * FROM changes WHERE year = floor(random() * 2)",
        "SELECT * FROM changes WHERE year IN (SELECT 2023)",
        "SELECT * FROM changes WHERE year IS NULL",
        "SELECT * FROM changes AS c(year, id) WHERE year = 2023",
        "SELECT * FROM changes TABLESAMPLE 3 ROWS WHERE year = 2023",
        "SELECT * FROM changes PIVOT (count(*) FOR year IN (1, 2)) WHERE year = 2023",
        "SELECT * FROM changes a ANTI JOIN changes b ON a.id = b.id WHERE year = 2023",
        "SELECT * FROM changes a JOIN changes b ON a.id = b.id WHERE a.year = 2023",
        "SELECT * FROM other a ASOF JOIN changes b ON a.at >= b.changedat WHERE b.year = 2023",
        "SELECT * FROM other POSITIONAL JOIN changes WHERE changes.year = 2023",
        "SELECT * FROM (SELECT * FROM changes) WHERE year = 2023",
        "WITH c AS (SELECT * FROM changes) SELECT 1 FROM other WHERE year = 2023 AND id IN "
        "(SELECT id FROM c)",
        "SELECT * FROM changes WHERE year = 1 UNION SELECT * FROM changes",
        "SELECT * FROM changes WHERE year = 1 UNION SELECT * FROM query_table('changes')",
        "SELECT year = 2023 FROM changes",
        "SUMMARIZE changes",
        "FROM changes WHERE",
        "SELECT * FROM changes WHERE year = 'unfinished",
    ],
)
def test_all_is_read_where_it_is_not_certain_what_a_query_needs(sql: str) -> None:
    assert raw_condition(sql, RAW) is None
