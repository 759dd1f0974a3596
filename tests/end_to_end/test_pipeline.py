"""From the API to the lake, through the deployed stack."""

import json
import time
import uuid
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.schema import TABLE
from local.session import Session
from tests.end_to_end.deployment import TEMPLATES, Deployed


def with_id(record_id: str) -> Any:
    return lambda line: line["id"] == record_id


def test_the_two_samples_land_typed_in_their_partitions(deployed_stack: Deployed) -> None:
    run = uuid.uuid4().hex
    folders = {
        "2": "data/siteId=2/year=2023/month=11/day=15/hour=19/minute=29/",
        "1": "data/siteId=1/year=2023/month=11/day=15/hour=19/minute=29/",
    }
    for sample in TABLE.examples:
        record = {**sample, "id": f"{run}-{sample['id']}"}
        status, stored = deployed_stack.api.request("POST", "/records", record)
        assert (status, stored) == (201, record)
        ((key, line),) = deployed_stack.wait_for(1, with_id(record["id"]))
        assert key.startswith(folders[record["siteId"]])
        assert key.endswith(".gz")
        assert {name: line[name] for name in record} == record
        assert deployed_stack.raw(key).endswith(b"}\n")


def test_insert_change_and_delete_arrive_in_order_as_three_lines(deployed_stack: Deployed) -> None:
    record: dict[str, Any] = {
        "id": f"{uuid.uuid4().hex}/%41",
        "siteId": "7",
        "createdAtTime": 1700076551926,
        "valueOne": 1,
    }
    assert deployed_stack.api.request("POST", "/records", record)[0] == 201
    assert deployed_stack.api.request("POST", "/records", {**record, "valueOne": 2})[0] == 200
    deployed_stack.api.request("DELETE", f"/records/{quote(record['id'], safe='')}")
    found = deployed_stack.wait_for(3, with_id(record["id"]))
    assert [(line["changeType"], line["valueOne"]) for _, line in found] == [
        ("INSERT", 1),
        ("MODIFY", 2),
        ("REMOVE", 2),
    ]
    assert {key.rsplit("/", 1)[0] for key, _ in found} == {
        "data/siteId=7/year=2023/month=11/day=15/hour=19/minute=29"
    }
    assert len({line["eventId"] for _, line in found}) == 3


@pytest.mark.parametrize("missing_path", TEMPLATES)
def test_a_missing_path_decides_nothing_whatever_the_pipe_makes_of_it(
    deployed_stack: Deployed, missing_path: str
) -> None:
    if deployed_stack.local is None:
        pytest.skip("AWS renders its templates itself")
    if deployed_stack.stack.feed != "pipe":
        pytest.skip("the feed function has no template that AWS renders")
    with other_template(deployed_stack.local, TEMPLATES[missing_path]):
        test_insert_change_and_delete_arrive_in_order_as_three_lines(deployed_stack)


@contextmanager
def other_template(session: Session, template: str) -> Iterator[None]:
    """The pipe with another template, until the end."""
    session.processes["pipe"].stop()
    replace(session, input_template=template).start_feed()
    try:
        yield
    finally:
        session.processes["pipe"].stop()
        session.start_feed()


@pytest.mark.parametrize(
    ("site", "name"),
    [
        ("2", '", "siteId": "99'),
        ("2", '\\", \\"siteId\\": \\"99'),
        ("../../x", "a site that climbs"),
        ("99/year=1999", "a site that adds levels"),
        ("!{timestamp:yyyy}", "a site that is an expression"),
        ("<$.dynamodb>", "<aws.pipes.event.json>"),
        ("ö ü=?#%2F+&\n\t", "line\nbreak \N{SNOWMAN} \x00 \\ / \u2028"),
    ],
)
def test_hostile_text_lands_whole_where_it_belongs(
    deployed_stack: Deployed, site: str, name: str
) -> None:
    record: dict[str, Any] = {
        "id": uuid.uuid4().hex,
        "siteId": site,
        "name": name,
        "createdAtTime": 0,
    }
    deployed_stack.api.request("POST", "/records", record)
    ((key, line),) = deployed_stack.wait_for(1, with_id(record["id"]))
    folder = f"data/siteId={quote(site, safe='')}/year=1970/month=01/day=01/hour=00/minute=00/"
    assert key.startswith(folder)
    assert "/" not in key.removeprefix(folder)
    assert {field: line[field] for field in record} == record


def test_poison_is_quarantined_with_its_bytes_and_its_neighbours_arrive(
    deployed_stack: Deployed,
) -> None:
    run = uuid.uuid4().hex
    poison = b'{"not": "a change", "run": "' + run.encode() + b'"}'
    damaged = poison + b"\x00\xff"

    def neighbour(suffix: str) -> bytes:
        image = {
            "id": {"S": f"{run}-{suffix}"},
            "siteId": {"S": "7"},
            "createdAtTime": {"N": "1700076551926"},
        }
        stream = {
            "SequenceNumber": "1",
            "ApproximateCreationDateTime": 1700076552,
            "NewImage": image,
        }
        change = {"eventID": run, "eventName": "INSERT", "dynamodb": stream, "userIdentity": ""}
        return json.dumps(change).encode()

    answer = deployed_stack.firehose.put_record_batch(
        DeliveryStreamName=deployed_stack.stack.output("StreamName"),
        Records=[
            {"Data": data}
            for data in (neighbour("a"), poison, damaged, neighbour("b") + b"\n" + neighbour("c"))
        ],
    )
    assert answer["FailedPutCount"] == 0
    arrived = deployed_stack.wait_for(3, lambda line: line["id"].startswith(run))
    assert sorted(line["id"] for _, line in arrived) == [f"{run}-a", f"{run}-b", f"{run}-c"]

    error = quarantined(deployed_stack, poison)
    assert error["errorCode"] == "Lambda.ProcessingFailedStatus"
    assert error["attemptsMade"] == 1
    assert isinstance(error["arrivalTimestamp"], int)
    assert error["attemptEndingTimestamp"] >= error["arrivalTimestamp"]
    assert deployed_stack.stack.output("TransformName") in error["lambdaARN"]
    assert error["errorMessage"]
    assert quarantined(deployed_stack, damaged)["errorMessage"]


def quarantined(deployed_stack: Deployed, data: bytes) -> dict[str, Any]:
    """The error line of a record, once it is there."""
    deadline = time.monotonic() + deployed_stack.wait_seconds
    errors: list[dict[str, Any]] = []
    while not errors:
        assert time.monotonic() < deadline, "no error object"
        errors = [
            line
            for lines in deployed_stack.objects("errors/processing-failed/").values()
            for line in lines
            if b64decode(line["rawData"]) == data
        ]
        time.sleep(0.1)
    (error,) = errors
    return error


def test_a_thousand_records_over_twenty_sites_arrive_once_each_in_their_partitions(
    deployed_stack: Deployed,
) -> None:
    run = uuid.uuid4().hex
    records = [
        {
            "id": f"{run}-{index}",
            "siteId": f"s{index % 20}",
            "createdAtTime": 1700076551926 + index * 600,
            "valueOne": index,
        }
        for index in range(1000)
    ]
    for start in (0, 500):
        deployed_stack.api.request("POST", "/records/batch", records[start : start + 500])
    found = deployed_stack.wait_for(1000, lambda line: line["id"].startswith(run))
    assert sorted(line["valueOne"] for _, line in found) == list(range(1000))
    for key, line in found:
        moment = time.gmtime(line["createdAtTime"] / 1000)
        assert key.startswith(
            f"data/siteId={line['siteId']}/"
            + time.strftime("year=%Y/month=%m/day=%d/hour=%H/minute=%M/", moment)
        )


def test_the_feed_goes_on_where_it_was_after_a_restart_in_mid_stream(
    deployed_stack: Deployed,
) -> None:
    if deployed_stack.local is None:
        pytest.skip("AWS runs its own pipe and mapping")
    run = uuid.uuid4().hex
    records = [{"id": f"{run}-{index}", "siteId": "7", "valueOne": index} for index in range(1500)]
    deployed_stack.api.request("POST", "/records/batch", records[:500])
    deployed_stack.local.processes[deployed_stack.local.feed_part].stop()
    deployed_stack.api.request("POST", "/records/batch", records[500:1000])
    deployed_stack.local.start_feed()
    deployed_stack.api.request("POST", "/records/batch", records[1000:])
    found = deployed_stack.wait_for(1500, lambda line: line["id"].startswith(run))
    assert sorted(line["valueOne"] for _, line in found) == list(range(1500))
