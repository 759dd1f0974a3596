"""What `sluice probe` concludes from bytes, and what it does to the table whatever happens."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.declaration import Key, Table
from chalicelib.declared import load
from chalicelib.errors import RecordError
from chalicelib.partitions import path as path_of
from chalicelib.schema import TABLE
from chalicelib.transform import payload_reader
from sluice.errors import OperationError
from sluice.event import render
from sluice.planning.weights import stream_record
from sluice.probe.items import Probe
from sluice.probe.questions import (
    QUESTIONS,
    answers,
    appended_date,
    held,
    key_policy,
    missing_path,
    packed_failure,
    rendering,
    spelling,
    validation_letter,
)
from sluice.stack import Stack

OUTPUTS = {
    "TableName": "the-table",
    "BucketName": "the-bucket",
    "SchemaFingerprint": TABLE.fingerprint,
    "Layout": "/".join(TABLE.layout),
}
TABLES = sorted(Path(__file__).parents[3].glob("tables/*.py"))


def probe(name: str = "Sluice-dev", **known: Any) -> Probe:
    """A probe of a stack, with what is known of it already."""
    probe = Probe(Stack(name, dict(OUTPUTS)), 1)
    vars(probe).update(known)
    return probe


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b'{"eventID": "1", "userIdentity": ""}', 'as ""'),
        (b'{"eventID": "1", "userIdentity": null}', "as null"),
        (b'{"eventID": "1"}', "the field is absent"),
        (b'{"eventID": "1", "userIdentity": }', "the payload is no JSON object"),
    ],
)
def test_a_missing_path_is_reported_as_the_payload_spells_it(payload: bytes, answer: str) -> None:
    assert rendering(payload).startswith(answer)


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b'{"eventID": "1", "dynamodb": {}}', "the original change"),
        (b'{"id": "1", "changeSequence": "2"}', "the transform's line"),
        (b"[]", "neither a change nor a line"),
    ],
)
def test_quarantined_bytes_are_recognized(payload: bytes, answer: str) -> None:
    assert held(payload) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (b'{"records":[{"recordId":"1","result":"Ok"}]}', "yes"),
        (b'{"records": [{"recordId": "1", "result": "Ok"}]}', "no"),
        (b'"{\\"records\\":[]}"', "broken"),
    ],
)
def test_the_spelling_of_a_response_says_which_way_it_took(response: bytes, answer: str) -> None:
    assert spelling(response).startswith(answer)


@pytest.mark.parametrize(
    ("key", "answer"), [("object.gz", "no"), ("2026/11/26/13/object.gz", "yes: 2026/11/26/13/")]
)
def test_a_date_below_the_partition_is_noticed(key: str, answer: str) -> None:
    partition = {"siteId": "a", "year": "2026"}
    delivered = f"data/siteId=a/year=2026/{key}"
    assert appended_date(probe(arrival=(delivered, partition))).startswith(answer)


def test_a_record_that_does_not_arrive_answers_nothing() -> None:
    assert appended_date(probe(arrival=None)).startswith("unknown")
    assert key_policy(probe(arrival=None)).startswith("unknown")


def test_only_aws_shows_that_the_key_lets_firehose_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert key_policy(probe(arrival=("data/object", {}))).startswith("yes")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert key_policy(probe(arrival=("data/object", {}))).startswith("unknown")


def test_a_stack_in_production_is_probed_only_when_confirmed() -> None:
    with pytest.raises(OperationError, match="add --yes"):
        Probe(Stack("Sluice-prod", OUTPUTS), 1)
    assert Probe(Stack("Sluice-prod", OUTPUTS), 1, confirmed=True)


def test_the_records_are_deleted_even_after_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    deleted = []

    def interrupt(_probe: Probe) -> None:
        raise KeyboardInterrupt

    stopped = probe()
    table = SimpleNamespace(delete_item=lambda **request: deleted.append(request))
    vars(stopped.stack)["dynamodb"] = table
    monkeypatch.setattr(Probe, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(answers(stopped))
    assert [each["Key"]["id"]["S"] for each in deleted] == stopped.ids


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_of_any_table_one_item_is_delivered_and_one_refused_if_a_field_is_declared(
    path: Path,
) -> None:
    table = load(path)
    marked = probe()
    vars(marked.stack)["table"] = table
    read = payload_reader(table, hasher=lambda _: "")
    good, *broken = (
        render(stream_record(table, "INSERT", item, at=marked.began)) for item in marked.items
    )

    _, partition = read(good) or (None, {})
    assert path_of(partition).startswith(marked.folder)
    assert all(text.encode() in good for text in marked.keys[0])
    assert len(broken) == len(table.kinds[:1])
    for payload in broken:
        with pytest.raises(RecordError):
            read(payload)


def test_the_key_and_the_levels_are_marked_where_their_rules_allow_it() -> None:
    marked = probe()
    good, broken = marked.items

    assert good["id"] == {"S": f"{marked.mark}-0"}
    assert good["siteId"] == {"S": marked.mark}
    assert broken["id"] != good["id"]
    assert marked.folder.startswith(f"data/siteId={marked.mark}/year=")
    assert marked.folder.count("/") == 7


def test_the_folder_of_a_line_with_the_time_of_its_change_is_that_of_its_day() -> None:
    marked = probe()
    table = Table(key=(Key("id"),), layout=("year", "month", "day", "hour"))
    vars(marked.stack)["table"] = table

    assert marked.folder == f"data/{marked.began:year=%Y/month=%m/day=%d}/"
    assert missing_path(marked).startswith("unknown: the transform refuses no item")


def test_every_answer_names_a_file_that_depends_on_it(pytestconfig: pytest.Config) -> None:
    for _, depends_on, _ in QUESTIONS:
        for place in depends_on.split("; "):
            name, _, file = place.partition(" in ")
            assert name in (pytestconfig.rootpath / file).read_text(), place


def test_a_stack_that_a_function_feeds_has_no_answer_of_a_pipe() -> None:
    fed = probe(quarantined=("errors/a", b'{"eventID": "1"}\n{"eventID": "2"}'))
    assert packed_failure(fed) == "unknown: the pipe puts each change by itself"
    fed.stack.outputs["Feed"] = "function"
    assert {missing_path(fed), validation_letter(fed)} == {
        "unknown: a function feeds the stack, and no pipe"
    }
    assert packed_failure(fed) == "a record of 2 changes"
    vars(fed).update(quarantined=("errors/a", b'{"eventID": "1"}'))
    assert packed_failure(fed) == "the change"
