"""The contents, the events and the actions of the page, over HTTP."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response

from chalicelib.declaration import ByAttribute, Key, Kind, Table
from chalicelib.declared import load
from local.page.server import BODY_BYTES_MAX, first_query, narrowing, while_connected
from local.page.snapshot import (
    Buffer,
    FirehoseStatus,
    Journey,
    LakeObject,
    LakeState,
    Quarantine,
    Snapshot,
    TableChange,
    TableState,
)
from sluice.recovery.error_lines import FailedRecord
from sluice.recovery.quarantine import QuarantinedRecord

HOSTILE = "\"'><img src=x onerror=alert(1)>"
SHOP = Path(__file__).parents[3] / "tables" / "shop.py"
STATIC = Path(__file__).parents[3] / "local" / "page"


def hostile_snapshot() -> Snapshot:
    folder = f"data/siteId={HOSTILE}/year=2026/month=01/day=02/hour=03/minute=04/"
    record = FailedRecord(1, HOSTILE, HOSTILE, 0, HOSTILE.encode(), HOSTILE)
    return Snapshot(
        table=TableState(1, 0, 0, (TableChange("INSERT", (HOSTILE,), HOSTILE, 0.0),)),
        firehose=FirehoseStatus(buffers=(Buffer(folder, 1, 2, 3),)),
        lake=LakeState(1, 0, 9, {folder: 1}, (LakeObject(f"{folder}x.gz", 0.0, 1, HOSTILE),)),
        error_objects=1,
        quarantine=Quarantine({HOSTILE: 1}, (QuarantinedRecord(record, HOSTILE, 0, HOSTILE),)),
        catalog=(HOSTILE,),
        journeys=(Journey((HOSTILE,), HOSTILE, 0.0),),
        problems=(HOSTILE,),
    )


def messages(stream: Iterator[bytes]) -> Iterator[str]:
    """Server-sent events as they come."""
    text = ""
    for chunk in stream:
        text += chunk.decode()
        while "\n\n" in text:
            message, text = text.split("\n\n", 1)
            yield message


def test_hostile_text_is_escaped_wherever_it_appears(site: Any, http: Any) -> None:
    site.publish(hostile_snapshot())
    page = http.request("GET", site.origin).data.decode()
    assert "<img src=x" not in page
    assert page.count("&lt;img src=x") > 12


def test_the_page_asks_no_other_host_and_has_no_inline_code(site: Any, http: Any) -> None:
    page = http.request("GET", site.origin).data.decode()
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\son\w+=|\sstyle=|<style", page)
    for file in ("page.css", "page.js", "vendor/uPlot.min.css"):
        assert "//" not in re.sub(r"^//.*$", "", (STATIC / "static" / file).read_text(), flags=re.M)


def test_a_listener_gets_a_snapshot_at_once_and_then_only_what_changed(
    site: Any, http: Any
) -> None:
    site.publish(Snapshot(table=TableState(inserts=5)))
    answer = http.request("GET", f"{site.origin}/events", preload_content=False)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    stream = messages(answer.stream(64))
    first = next(stream)
    assert 'hx-target="#flow"' in first
    assert 'hx-target="#quarantine"' in first
    assert next(stream).startswith("event: rates\ndata: {")
    site.publish(Snapshot(table=TableState(inserts=6)))
    second = next(stream)
    assert 'hx-target="#flow"' in second
    assert ">6<" in second
    assert 'hx-target="#quarantine"' not in second
    answer.close()


@pytest.mark.parametrize("declaration", [load(SHOP)])
def test_each_kind_of_record_has_a_form_of_its_own(site: Any, http: Any, post: Any) -> None:
    page = http.request("GET", site.origin).data.decode()
    assert re.findall(r'<option value="(customer|order|item)"', page) == [
        "customer",
        "order",
        "item",
    ]
    assert 'hx-post="/records/customer"' in page
    order = http.request("GET", f"{site.origin}/form?kind=order").data.decode()
    names = re.findall(r'name="([^"]*)"', order)
    assert names == ["pk", "sk", "createdAt", "updatedAt", "status", "total", "group"]
    assert 'hx-post="/records/order"' in order
    assert http.request("GET", f"{site.origin}/form?kind=none").status == 404
    assert post("/records/none", {}).status == 404


@pytest.mark.parametrize("path", ["", "form", "records", "broken", "seed", "replay", "queries"])
def test_no_path_with_a_newline_at_its_end_is_taken_for_another(
    site: Any, http: Any, post: Any, path: str
) -> None:
    assert http.request("GET", f"{site.origin}/{path}%0A").status == 404
    assert post(f"/{path}%0A", {}).status == 404


@pytest.mark.parametrize("declaration", [Table(key=(Key("hash", "B"),))])
def test_what_is_no_object_beside_a_key_is_refused_at_once(post: Any) -> None:
    answer = post("/records", {"hash": "aGk=", "beside hash": "[1]"})
    assert answer.status == 400
    assert "must be a JSON object" in answer.data.decode()


@pytest.mark.parametrize(
    ("catalog", "more"),
    [
        (("all_changes", "changes"), ">changes<"),
        (("all_changes", "all_changes_order", "changes"), ">and 2 more<"),
    ],
)
def test_the_tables_of_many_kinds_are_counted(
    site: Any, http: Any, catalog: tuple[str, ...], more: str
) -> None:
    site.publish(Snapshot(catalog=catalog))
    page = http.request("GET", site.origin).data.decode()
    assert ">all_changes<" in page
    assert more in page


def test_a_stop_ends_open_streams_at_once(site: Any, http: Any) -> None:
    answer = http.request("GET", f"{site.origin}/events", preload_content=False)
    stream = messages(answer.stream(64))
    next(stream)
    started = time.monotonic()
    site.stop()
    list(stream)
    assert time.monotonic() - started < 3
    assert not site.thread.is_alive()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "form", "message"),
    [
        ("/records", {"siteId": "2"}, "cannot be reached"),
        ("/broken", {}, "Firehose did not accept it"),
        ("/replay", {}, "AWS cannot be reached"),
        ("/query", {"sql": "SELECT '<b>'"}, "AWS cannot be reached"),
    ],
)
def test_a_part_that_cannot_be_reached_is_named_without_a_traceback(
    post: Any, path: Any, form: Any, message: Any
) -> None:
    answer = post(path, form)
    text = answer.data.decode()
    assert answer.status in (400, 502)
    assert message in text
    assert "Traceback" not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "form", "message"),
    [
        ("/query", {"sql": "SELECT '\0'"}, "holds a NUL character"),
        ("/query", {"sql": "SELECT 1", "group": "a\0b"}, "holds a NUL character"),
        ("/query", {"sql": "SELECT 1", "key": "k" * 200_000}, "200,006 bytes"),
        ("/query", {"sql": f"SELECT '{'x' * 262_144}'"}, "Athena takes 262144 at most"),
        ("/query", {"sql": " \n"}, "no SQL"),
        ("/replay", {"error_code": "a\0b"}, "holds a NUL character"),
        ("/replay", {"error_code": "k" * 200_000}, "200,000 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 99 else "",
)
def test_a_value_that_no_command_takes_is_refused_by_its_rule(
    post: Any, path: Any, form: Any, message: Any
) -> None:
    answer = post(path, form)
    assert answer.status == 400
    assert message in answer.data.decode()


@pytest.mark.slow
@pytest.mark.parametrize("sql", [f"SELECT '{'x' * 200_000}'", "-- a comment\nSELECT 1"])
def test_sql_reaches_the_command_whatever_its_length_and_its_opening(post: Any, sql: Any) -> None:
    assert "AWS cannot be reached" in post("/query", {"sql": sql}).data.decode()


def test_a_saved_query_fills_the_box_by_its_name_alone(site: Any, http: Any) -> None:
    page = http.request("GET", site.origin).data.decode()
    assert "All &lt;of&gt; it." in page
    filled = http.request("GET", f"{site.origin}/queries?name=all").data.decode()
    assert "-- All &lt;of&gt; it.\nSELECT 1" in filled
    for name in ("absent", "../queries/all", ""):
        empty = http.request("GET", f"{site.origin}/queries?{urlencode({'name': name})}")
        assert "SELECT" not in empty.data.decode()


class Note(msgspec.Struct):
    pk: str
    sk: str
    type: str
    group: str


NOTES = Table(
    key=(Key("pk"), Key("sk")),
    told_by=ByAttribute("type"),
    kinds=(Kind("note", Note, when="note"),),
    layout=("year",),
)


def test_a_question_is_narrowed_by_the_group_and_the_parts_of_the_key() -> None:
    by_group = NOTES.with_layout(("group", "year"))
    assert narrowing(by_group, {"group": "a=b", "key": "1"}) == ["--where=group=a=b", "--key=1"]
    assert narrowing(NOTES, {"group": "note"}) == ["--where=kind=note"]
    assert narrowing(NOTES, {"key": "1", "sort_key": "2"}) == ["--key=1", "--key=2"]
    assert narrowing(NOTES, {"key": "", "sort_key": "2"}) == ["--key=", "--key=2"]
    assert narrowing(NOTES, {}) == []


def test_the_first_query_counts_by_group_with_its_name_quoted() -> None:
    assert 'SELECT "kind", count(*)' in first_query(NOTES)
    assert 'SELECT "group", count(*)' in first_query(NOTES.with_layout(("group", "year")))
    alone = Table(key=(Key("pk"),), layout=("year",))
    assert first_query(alone) == "SELECT count(*) AS changes\nFROM all_changes"


def test_a_body_that_is_too_large_is_refused_with_the_limit(post: Any) -> None:
    answer = post("/query", {"sql": "x" * (BODY_BYTES_MAX + 1)})
    assert answer.status == 413
    assert f"{BODY_BYTES_MAX:,} bytes" in answer.data.decode()


@pytest.mark.parametrize("leaves", [True, False])
def test_a_query_ends_when_the_browser_waits_no_more(leaves: bool) -> None:
    events: list[str] = []

    async def work() -> Response:
        try:
            await (asyncio.Event().wait() if leaves else asyncio.sleep(0))
        except asyncio.CancelledError:
            events.append("stopped")
            raise
        return Response("answer")

    async def receive() -> dict[str, Any]:
        if not leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    request = Request({"type": "http", "headers": []}, receive)
    answer = asyncio.run(while_connected(request, work()))
    assert events == (["stopped"] if leaves else [])
    assert answer.status_code == (408 if leaves else 200)
