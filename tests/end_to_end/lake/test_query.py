"""Every saved query through the deployed stack, against what was done to the table."""

import csv
import io
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from chalicelib.attributes import attribute
from sluice.cli import sluice
from sluice.items import read_line
from sluice.lake import lines
from tests.end_to_end.lake.conftest import Deployed
from tests.end_to_end.lake.history import FIRST_MINUTE_MS, MINUTES, SITES, Record

LOWER = {"siteid": "siteId", "createdattime": "createdAtTime"} | {
    name.lower(): name for name in ("valueOne", "valueTwo")
}


def record_of(row: dict[str, Any]) -> Record:
    """The record that a row shows."""
    names = ("id", "siteid", "createdattime", "name", "valueone", "valuetwo")
    return {LOWER.get(name, name): row[name] for name in names if row[name] is not None}


def minute_of(record: Record) -> str:
    return datetime.fromtimestamp(record["createdAtTime"] / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def test_latest_is_the_table_through_deletes_duplicates_and_moves(deployed: Deployed) -> None:
    rows = deployed.rows("latest")
    assert {row["id"]: record_of(row) for row in rows} == deployed.history.state
    assert len(rows) == len(deployed.history.state)


@pytest.mark.parametrize("site", SITES)
def test_latest_of_a_site_has_its_records_and_none_that_moved_away(
    deployed: Deployed, site: str
) -> None:
    state = deployed.history.state
    rows = deployed.rows("latest", "--site", site)
    assert {row["id"]: record_of(row) for row in rows} == {
        key: record for key, record in state.items() if record["siteId"] == site
    }
    assert rows


def test_history_has_every_version_of_one_record_in_order(deployed: Deployed) -> None:
    versions = deployed.history.versions
    key = max(versions, key=lambda each: len(versions[each]))
    assert len(versions[key]) > 2
    found = {row["changesequence"]: row for row in deployed.rows("history", "--key", key)}
    assert list(found) == sorted(found)
    assert [(row["changetype"], record_of(row)) for row in found.values()] == versions[key]
    assert all(row["changed"].startswith("20") for row in found.values())


@pytest.mark.parametrize("last", ["INSERT", "MODIFY", "REMOVE"])
def test_history_ends_with_what_the_table_holds(deployed: Deployed, last: str) -> None:
    key = next(key for key, found in deployed.history.versions.items() if found[-1][0] == last)
    found = boto3.client("dynamodb").get_item(
        TableName=deployed.stack.output("TableName"), Key={"id": {"S": key}}, ConsistentRead=True
    )
    newest = deployed.rows("history", "--key", key)[-1]
    assert newest["changetype"] == last
    if last == "REMOVE":
        assert "Item" not in found
    else:
        item = {name: attribute(value) for name, value in record_of(newest).items()}
        assert item == found["Item"]


def test_hours_counts_changes_and_records_by_site_and_hour(deployed: Deployed) -> None:
    changes: Counter[tuple[str, str]] = Counter()
    records = defaultdict(set)
    for _, record in deployed.history.changes():
        place = record["siteId"], minute_of(record)[:13]
        changes[place] += 1
        records[place].add(record["id"])
    found = {(row["siteid"], row["hour"][:13]): row for row in deployed.rows("hours")}
    assert {place: row["changes"] for place, row in found.items()} == changes
    assert {place: row["records"] for place, row in found.items()} == {
        place: len(ids) for place, ids in records.items()
    }


@pytest.mark.parametrize("site", SITES)
def test_a_site_reads_its_own_partition_whatever_it_is_called(
    deployed: Deployed, site: str
) -> None:
    result = deployed.run("query", "hours", "--site", site, "--json")
    assert result.exit_code == 0, result.output
    assert "whole lake" not in result.stderr
    (row,) = deployed.rows("hours", "--site", site)
    own = [record for _, record in deployed.history.changes() if record["siteId"] == site]
    assert (row["siteid"], row["changes"]) == (site, len(own))


def test_a_time_narrows_to_the_millisecond(deployed: Deployed) -> None:
    start = FIRST_MINUTE_MS + MINUTES * 30_000
    moment = datetime.fromtimestamp(start / 1000, UTC).isoformat()
    rows = deployed.rows("hours", "--site", "2", "--from", moment, "--to", "2023-11-16")
    own = [record for _, record in deployed.history.changes() if record["siteId"] == "2"]
    assert sum(row["changes"] for row in rows) == sum(
        record["createdAtTime"] >= start for record in own
    )
    assert deployed.rows("hours", "--site", "2", "--to", "2023-11-15") == []


def test_late_shows_the_first_arrivals_of_old_events(deployed: Deployed) -> None:
    inserts = [record for change, record in deployed.history.changes() if change == "INSERT"]
    rows = deployed.rows("late")
    hours = [row["hours_late"] for row in rows]
    assert hours == sorted(hours, reverse=True)
    assert min(hours) > 1
    found = {(row["siteid"], row["id"], row["happened"][:16]) for row in rows}
    expected = {(record["siteId"], record["id"], minute_of(record)) for record in inserts}
    assert found <= expected
    assert found == expected or len(rows) == 1000


def test_duplicates_are_the_lines_that_are_there_twice(deployed: Deployed) -> None:
    twice = {
        read_line(line)["eventId"]
        for key in deployed.duplicated
        for line in lines(deployed.stack, key)
    }
    found = {row["eventid"]: row["copies"] for row in deployed.rows("duplicates")}
    assert found == dict.fromkeys(twice, 2)


def test_largest_counts_the_lines_of_each_site_and_minute(deployed: Deployed) -> None:
    expected = Counter(
        (record["siteId"], minute_of(record)) for _, record in deployed.history.changes()
    )
    for key in deployed.duplicated:
        for line in lines(deployed.stack, key):
            record = read_line(line)
            expected[record["siteId"], minute_of(record)] += 1
    rows = deployed.rows("largest")
    assert {(row["siteid"], row["minute"][:16]): row["lines"] for row in rows} == expected
    assert [row["lines"] for row in rows] == sorted(expected.values(), reverse=True)


def test_own_sql_has_the_types_of_the_catalog_and_takes_the_options(deployed: Deployed) -> None:
    (row,) = deployed.rows(
        "SELECT min(valueone) AS low, count(*) AS lines, bool_or(expired) AS expired "
        "FROM changes WHERE siteid_partition = :site_partition AND siteid = :site AND year = 2023",
        *("--site", "../../x"),
    )
    own = [r for _, r in deployed.history.changes() if r["siteId"] == "../../x"]
    assert row["low"] == min(record["valueOne"] for record in own)
    assert row["lines"] >= len(own)
    assert row["expired"] is None


def test_a_question_is_read_from_standard_input(deployed: Deployed) -> None:
    arguments = ["--stack-name", deployed.stack.name, "query", "-", "--json", "--key", "it's"]
    result = CliRunner().invoke(
        sluice, arguments, input="-- a comment\nSELECT :key AS k, 2 AS k;\n"
    )
    assert result.stdout == '[{"k":"it\'s","k_2":2}]\n', result.output


def test_json_without_rows_has_the_columns_beside_it(deployed: Deployed) -> None:
    result = deployed.run("query", "SELECT id, siteid FROM changes WHERE 1 = 0", "--json")
    assert result.stdout == "[]\n"
    assert "no rows; the columns are id, siteid" in result.stderr


def test_the_local_engine_leaves_this_machines_files_alone(
    deployed: Deployed, tmp_path: Path
) -> None:
    (tmp_path / "private.txt").write_text("hush")
    for sql in (
        f"SELECT * FROM read_text('{tmp_path}/private.txt')",  # noqa: S608
        f"COPY all_changes TO '{tmp_path}/copy.csv'",
        f"SELECT 1; ATTACH '{tmp_path}/database'",
    ):
        result = deployed.run("query", sql)
        assert result.exit_code == 1, result.output
        assert "hush" not in result.output
    assert [each.name for each in tmp_path.iterdir()] == ["private.txt"]


def test_csv_has_a_header_and_says_what_was_scanned_elsewhere(deployed: Deployed) -> None:
    result = deployed.run("query", "hours", "--csv")
    header, *rows = csv.reader(io.StringIO(result.stdout))
    assert header == ["siteid", "hour", "changes", "records"]
    assert {row[0] for row in rows} == set(SITES)
    assert "scanned in" in result.stderr


def test_a_table_is_printed_for_people(deployed: Deployed) -> None:
    result = deployed.run("query", "hours", "--site", "2")
    assert result.stdout.split() == [
        *("siteid", "hour", "changes", "records", "2", "2023-11-15", "19:00:00"),
        *result.stdout.split()[-2:],
    ]


def test_a_query_that_prunes_nothing_is_warned_of(deployed: Deployed) -> None:
    result = deployed.run("query", "duplicates")
    assert "this reads the whole lake: all_changes has no partitions" in result.stderr
    result = deployed.run("query", "SELECT count(*) FROM changes")
    assert "this reads the whole lake: it compares none of siteid_partition" in result.stderr
    assert "AWS refuses this: changes needs a value of siteid_partition" in result.stderr


def test_years_that_are_not_projected_are_warned_of(deployed: Deployed) -> None:
    result = deployed.run("query", "hours", "--site", "2", "--from", "1990-01-01")
    assert "changes shows only the years 2020 to 2039" in result.stderr
    key = "data/siteId=2/year=1999/month=01/day=01/hour=00/minute=00/empty"
    deployed.stack.s3.put_object(Bucket=deployed.stack.bucket, Key=key, Body=b"")
    hidden = "changes shows only the years 2020 to 2039, and the lake has 1999;"
    try:
        for arguments, is_warned in (
            (["hours", "--site", "2"], True),
            (["hours", "--site", "2", "--to", "2021-01-01"], True),
            (["hours", "--site", "2", "--from", "2023-01-01"], False),
            (["hours"], False),
        ):
            result = deployed.run("query", *arguments)
            assert (hidden in result.stderr) == is_warned, arguments
    finally:
        deployed.stack.s3.delete_object(Bucket=deployed.stack.bucket, Key=key)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["SELECT nope FROM changes WHERE year = 2023"], 1, ["the query failed", "nope"]),
        (["SELEC 1"], 1, ["the query failed", "SELEC"]),
        (["SELECT 1 FROM nowhere"], 1, ["the query failed", "nowhere"]),
        (["nope"], 2, ["there is no saved query nope"]),
        (["history"], 2, ["history needs --key"]),
        (["latest", "--key", "a"], 2, ["latest takes no --key"]),
        (["latest", "--where", "x"], 2, ["--where takes LEVEL=VALUE, not x"]),
        (["SELECT :key"], 2, ["the query has :key, which no option gives a value"]),
        (["SELECT 1", "--site", "2"], 2, ["does not say where --site applies"]),
        (["hours", "--site", ""], 2, ["siteId must not be empty"]),
    ],
)
def test_a_mistake_is_one_clear_line(
    deployed: Deployed, arguments: list[str], status: int, words: list[str]
) -> None:
    result = deployed.run("query", *arguments)
    assert result.exit_code == status
    *_, line = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert all(word in line for word in words)
    assert "LINE 1" not in result.stderr


def test_saved_queries_are_listed_by_name(deployed: Deployed) -> None:
    result = deployed.run("query")
    assert "latest" in result.stdout
    assert "Latest state: the table as the lake has it." in result.stdout
