"""No payload, key or secret in any log of the stack."""

import json
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
import urllib3

from local.processes import free_port
from sluice.api import Api
from sluice.errors import OperationError
from tests.end_to_end.deployment import Deployed

MARK = "mark" + uuid.uuid4().hex
"""Part of everything that no log may hold."""

ACCESS = re.compile(r'127\.0\.0\.1 - - \[[^]]*\] "[A-Z]+ [^"]*" [0-9]{3} -')
"""A line of the access log of `chalice local`, which cannot be switched off: it has the path, so an
id. It stays on the developer's machine."""


def good(name: str) -> dict[str, str]:
    return {"id": f"{MARK}-{name}", "siteId": f"{MARK}-site", "name": f"{MARK}-name"}


REFUSED: tuple[bytes, ...] = (
    json.dumps({**good("bad"), f"{MARK}-field": MARK}).encode(),
    json.dumps({**good("bad"), "createdAtTime": MARK}).encode(),
    json.dumps({**good("large"), "name": MARK * 20_000}).encode(),
    f'{{"id": "{MARK}"'.encode(),
    MARK.encode(),
)


def through_the_deployed_api(stack: Deployed) -> None:
    api = Api(stack.stack.api_url)
    api.request("POST", "/records", good("a"))
    api.request("POST", "/records/batch", [good("b"), good("c")])
    api.request("GET", f"/records/{MARK}-a")
    api.request("DELETE", f"/records/{MARK}-b")
    for document in ({**good("bad"), MARK: 1}, {**good("bad"), "createdAtTime": MARK}, [MARK]):
        with pytest.raises(OperationError, match="answered 400"):
            api.request("POST", "/records", document)
    with pytest.raises(OperationError, match="answered 404"):
        api.request("GET", f"/records/{MARK}-none")


def through_chalice_local(url: str) -> None:
    headers = {"Content-Type": "application/json", "Authorization": MARK}
    for path in ("/records", "/records/batch"):
        for body in REFUSED:
            answer = urllib3.request("POST", url + path, body=body, headers=headers)
            assert answer.status in (400, 413)
    written = json.dumps(good("d"))
    assert urllib3.request("POST", f"{url}/records", body=written, headers=headers).status == 201
    assert urllib3.request("GET", f"{url}/records?token={MARK}").status == 400
    assert urllib3.request("GET", f"{url}/records/{MARK}-d").status == 200


def past_the_api(stack: Deployed) -> None:
    """Items with undeclared attributes and broken ones, and bytes that are no change."""
    item = {name: {"S": value} for name, value in good("e").items()}
    item |= {"createdAtTime": {"N": "1700076551926"}, f"{MARK}-extra": {"S": f"{MARK}-extra"}}
    broken = {**item, "id": {"S": f"{MARK}-broken"}, "createdAtTime": {"S": f"{MARK}-time"}}
    table = boto3.client("dynamodb")
    for each in (item, broken):
        table.put_item(TableName=stack.stack.output("TableName"), Item=each)
    stack.firehose.put_record(
        DeliveryStreamName=stack.stack.output("StreamName"),
        Record={"Data": f'{{"{MARK}": "{MARK}"}}'.encode()},
    )


def log_events(since_ms: int) -> list[str]:
    logs = boto3.client("logs")
    groups = [
        group["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
    ]
    return [
        event["message"]
        for group in groups
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=since_ms
        )
        for event in page["events"]
    ]


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_no_payload_key_or_secret_is_in_any_log(
    deployed_stack: Deployed,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    began = int(time.time() * 1000) - 1000
    files: list[Path] = []
    if session := deployed_stack.local:
        # The emulator takes any secret; on AWS the real one would have to be known here.
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", MARK)
        session.start_api(port := free_port())
        through_chalice_local(f"http://127.0.0.1:{port}")
        session.processes.pop("api").stop()
        files = sorted(tmp_path_factory.getbasetemp().rglob("*.log"))
        assert {"api.log", "emulator.log", "firehose.log", f"{session.feed_part}.log"} <= {
            file.name for file in files
        }
    through_the_deployed_api(deployed_stack)
    past_the_api(deployed_stack)
    deployed_stack.wait_for(6, lambda line: line["id"].startswith(MARK))
    wait_for(
        lambda: sum('"recordId"' in message for message in log_events(began)) >= 2,
        deployed_stack.wait_seconds,
    )

    assert [message for message in log_events(began) if MARK in message] == []
    for file in files:
        lines = file.read_text(errors="replace").splitlines()
        found = [line for line in lines if MARK in line and not ACCESS.fullmatch(line)]
        assert found == [], file.name
