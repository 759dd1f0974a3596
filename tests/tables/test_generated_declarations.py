"""What holds for every declaration, tried with generated ones."""

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.catalog import key_columns, partition_column, partition_levels
from chalicelib.declaration import KIND
from chalicelib.keys import key_from, key_of, texts_of
from chalicelib.limits import PREFIX_LENGTH_MAX
from chalicelib.partitions import path
from chalicelib.transform import transformer
from sluice.items import Item, item_writer, read_line
from sluice.planning.lint import projection_errors
from sluice.query.emulator import Limits, answer
from sluice.query.parameters import bind
from sluice.query.part import key_values
from sluice.query.saved import saved_queries
from sluice.stack import Stack
from tests.attribute_values import comparable_item
from tests.declarations import Declared, declarations, undeclared

ANY_TABLE = declarations() | undeclared()

# To draw a declaration with its items takes its time on a busy machine.
patient = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def wire(value: Any) -> Any:
    """DynamoDB JSON as a stream has it: binary values in base64."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, dict):
        return {name: wire(each) for name, each in value.items()}
    return [wire(each) for each in value] if isinstance(value, list) else value


def answer_to(declared: Declared, item: Item, event_name: str = "INSERT") -> dict[str, Any]:
    """What the transform answers for a change that shows this item."""
    stream = {
        "SequenceNumber": "100",
        "ApproximateCreationDateTime": 1_700_076_600,
        "OldImage" if event_name == "REMOVE" else "NewImage": wire(item),
    }
    change = {"eventID": "e", "eventName": event_name, "dynamodb": stream}
    record = {"recordId": "r", "data": b64encode(json.dumps(change).encode()).decode()}
    answer: dict[str, Any]
    (answer,) = transformer(declared.table)({"records": [record]})["records"]
    return answer


@patient
@given(st.data(), ANY_TABLE, st.sampled_from(["INSERT", "REMOVE"]))
def test_an_item_comes_back_from_its_line_as_it_was(
    data: st.DataObject, declared: Declared, event_name: str
) -> None:
    kind, item = data.draw(declared.items)
    answer = answer_to(declared, item, event_name)
    assert answer["result"] == "Ok"
    line = read_line(b64decode(answer["data"]))
    assert line.get(KIND if declared.table.told_by else "", "") == kind
    assert isinstance(line[declared.table.time_line_name], int)
    assert comparable_item(item_writer(declared.table)(line)) == comparable_item(item)


@patient
@given(st.data(), ANY_TABLE)
def test_a_line_that_comes_again_stays_what_it_is(data: st.DataObject, declared: Declared) -> None:
    _, item = data.draw(declared.items)
    first = answer_to(declared, item)
    (again,) = transformer(declared.table)({"records": [{"recordId": "r", "data": first["data"]}]})[
        "records"
    ]
    assert again == first


@patient
@given(st.data(), ANY_TABLE)
def test_a_record_lies_where_its_table_looks_within_what_firehose_allows(
    data: st.DataObject, declared: Declared
) -> None:
    _, item = data.draw(declared.items)
    keys = answer_to(declared, item)["metadata"]["partitionKeys"]
    assert [*keys] == [level.name for level in declared.table.levels]
    assert len(path(keys)) <= PREFIX_LENGTH_MAX
    longest = {level.name: "x" * level.length for level in declared.table.levels}
    assert len(path(longest)) <= PREFIX_LENGTH_MAX
    assert list(projection_errors(declared.table)) == []


@patient
@given(st.data(), ANY_TABLE)
def test_a_key_is_found_again_by_its_texts(data: st.DataObject, declared: Declared) -> None:
    _, item = data.draw(declared.items)
    key = key_of(declared.table, item)
    found = key_from(declared.table, texts_of(declared.table, item))
    assert comparable_item(found) == comparable_item(key)


class Folder:
    """The reading half of an S3 client, over objects in memory."""

    exceptions = SimpleNamespace(NoSuchKey=KeyError)

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    def get_paginator(self, _operation: str) -> "Folder":
        return self

    def paginate(self, **_parameters: str) -> list[dict[str, Any]]:
        moment = datetime.now(UTC)
        return [
            {
                "Contents": [
                    {"Key": key, "Size": len(body), "LastModified": moment}
                    for key, body in self._objects.items()
                ]
            }
        ]

    def get_object(self, **parameters: str) -> dict[str, Any]:
        return {"Body": BytesIO(self._objects[parameters["Key"]]), "ETag": parameters["Key"]}


class Catalog:
    """A Glue catalog without tables, as of a lake that was never compacted."""

    exceptions = SimpleNamespace(EntityNotFoundException=KeyError)

    def get_table(self, **parameters: str) -> None:
        raise KeyError(parameters["Name"])


def lake_of(declared: Declared, item: Item) -> Stack:
    """A stack whose lake has the line of an item."""
    answer = answer_to(declared, item)
    stack = Stack("generated", {"BucketName": "lake", "DatabaseName": "lake"})
    key = path(answer["metadata"]["partitionKeys"]) + "object"
    folder = Folder({key: b64decode(answer["data"])})
    vars(stack).update(table=declared.table, s3=folder, glue=Catalog())
    return stack


@pytest.mark.slow
@settings(patient, max_examples=10)
@given(st.data(), ANY_TABLE)
def test_every_saved_query_runs_and_names_the_record_by_its_key(
    data: st.DataObject, declared: Declared
) -> None:
    table = declared.table
    _, item = data.draw(declared.items)
    stack = lake_of(declared, item)
    levels = {partition_column(level): level.name for level in partition_levels(table)}
    key = key_values(table, texts_of(table, item))
    for query in saved_queries(table).values():
        result = answer(stack, table, bind(query.sql, key), levels, Limits())
        assert result.problems == ()
        if query.name not in {"duplicates", "late"}:
            assert len(result.rows) == 1, query.name
        if query.name in {"history", "latest"}:
            row = dict(zip(result.columns, result.rows[0], strict=True))
            assert [row[name] for name in key_columns(table)] == [*key.values()]


@patient
@given(ANY_TABLE)
def test_every_saved_query_is_sql_of_athena(declared: Declared) -> None:
    for query in saved_queries(declared.table).values():
        assert sqlglot.parse_one(query.prepared, dialect="athena")
