"""An erasure from its search to its proof, over a bucket with everything."""

import gzip
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chalicelib.keys import texts_of
from sluice.erasure.memory import Memory
from sluice.erasure.search import Findings
from sluice.items import Item
from sluice.query.part import level_values
from sluice.recovery.error_lines import read_object
from tests.declaring import WORKED, change, delivered, items_of
from tests.sluice.erasure.bucket import (
    Bucket,
    error_line,
    feed_failure,
    history,
    quoted,
)
from tests.sluice.erasure.conftest import BucketOf

AT = 1_700_000_000_000
"""When the changes of tests happen, epoch milliseconds."""

LATE = 10**20
"""A sequence number of the stream, which is greater than that of any snapshot."""

DECLARATIONS = sorted(file.stem for file in WORKED.glob("*.py"))


@pytest.mark.parametrize("name", DECLARATIONS)
def test_no_byte_of_a_version_has_an_erased_key_and_all_others_are_there(
    bucket_of: BucketOf, name: str
) -> None:
    bucket = bucket_of(name)
    items = items_of(bucket.table, 9)
    payloads = [each for number, item in enumerate(items) for each in history(item, 10 * number)]
    bucket.deliver(payloads)
    for key in bucket.deliver(payloads[:12]):
        bucket.delete(key)
    bucket.put("errors/processing-failed/2026/a.gz", b"".join(map(error_line, payloads)))
    bucket.put("errors-replayed/processing-failed/2026/b.gz", b"".join(map(error_line, payloads)))
    bucket.put("aws/lambda/uuid/shard/a", feed_failure(payloads, as_text=True))
    bucket.put("aws/lambda/feed/b", feed_failure(payloads, as_text=False))
    result = "\n".join(json.dumps(each) for each in texts_of(bucket.table, items[0]))
    bucket.put("query-results/one.csv", result.encode())
    before = bucket.bytes()
    keys = [texts_of(bucket.table, item) for item in items]
    assert quoted(bucket.table, keys, before) == set(keys)

    erased = bucket.erase(items[:3])

    assert quoted(bucket.table, keys, bucket.bytes()) == set(keys[3:])
    assert (erased.absent, erased.left) == (0, 0)
    assert erased.places.keys() == {
        "data/", "errors/", "errors-replayed/", "aws/lambda/", "query-results/",
    }  # fmt: skip
    assert erased.places["data/"].changes == 9
    assert erased.places["data/"].old_versions > 0
    verification = bucket.erasure(items[:3])
    verification.verify(lambda _: None)
    assert verification.findings.holding == 0


def test_versions_of_deleted_objects_and_their_markers_go_and_others_stay(bucket: Bucket) -> None:
    gone, other = items_of(bucket.table, 2)
    lone = bucket.deliver(history(gone, 10))
    mixed = bucket.deliver([*history(gone, 0)[:2], change(other, 20)])
    unconcerned = bucket.deliver([change(other, 30)])
    for key in (*lone, *mixed, *unconcerned):
        bucket.delete(key)
    before = {each for each in bucket.versions() if each[0] in unconcerned}

    bucket.erase([gone])

    assert {each for each in bucket.versions() if not each[0].startswith("erased/")} >= before
    assert not [key for key, _ in bucket.versions() if key in lone]
    assert quoted(bucket.table, [texts_of(bucket.table, gone)], bucket.bytes()) == set()


def test_what_stays_of_an_object_is_what_it_was(bucket: Bucket) -> None:
    gone, other = items_of(bucket.table, 2)
    other = {**other, "siteId": gone["siteId"], "createdAtTime": gone["createdAtTime"]}
    payloads = [change(other, 1), *history(gone, 10), change(other, 2, "MODIFY")]
    lines = [line for _, line in delivered(bucket.table, payloads)]
    bucket.stack.s3.put_object(
        Bucket=bucket.stack.bucket,
        Key="data/a.gz",
        Body=gzip.compress(b"".join(lines)),
        ContentType="application/octet-stream",
        Metadata={"kept": "yes"},
    )

    bucket.erase([gone])

    answer = bucket.stack.s3.get_object(Bucket=bucket.stack.bucket, Key="data/a.gz")
    assert gzip.decompress(answer["Body"].read()) == lines[0] + lines[-1]
    assert (answer["ContentType"], answer["Metadata"]) == (
        "application/octet-stream",
        {"kept": "yes"},
    )


def test_a_parquet_object_loses_the_rows_and_their_statistics(bucket: Bucket) -> None:
    gone, other = items_of(bucket.table, 2)
    rows = [
        {"id": item["id"]["S"], "changetype": kind, "changesequence": sequence, "changedat": 1}
        for item, kind, sequence in (
            (gone, "INSERT", "1"),
            (other, "INSERT", "2"),
            (gone, "REMOVE", "3"),
        )
    ]
    table = pa.Table.from_pylist(rows)
    dictionary = table["id"].dictionary_encode()
    for name, each in (("plain", table), ("coded", table.set_column(0, "id", dictionary))):
        body = BytesIO()
        pq.write_table(each, body)
        bucket.put(f"data/{name}.parquet", body.getvalue())

    bucket.erase([gone])

    for name in ("plain", "coded"):
        answer = bucket.stack.s3.get_object(Bucket=bucket.stack.bucket, Key=f"data/{name}.parquet")
        body = BytesIO(answer["Body"].read())
        assert pq.read_table(body).to_pylist() == [rows[1]]
        assert gone["id"]["S"].encode() not in body.getvalue()


def test_lines_of_an_error_object_keep_their_numbers(bucket: Bucket) -> None:
    gone, other = items_of(bucket.table, 2)
    packed = b"\n".join([*history(gone, 20), change(other, 30)])
    unreadable = f'{{"cut off": {json.dumps(gone["id"]["S"])}, '.encode()
    lines = [
        error_line(change(gone, 1)),
        error_line(change(other, 2)),
        error_line(packed),
        error_line(unreadable),
        b'{"rawData": "not base64", "errorCode": "x"}\n',
        error_line(change(gone, 3, "REMOVE")),
    ]
    key = bucket.put("errors/processing-failed/2026/a.gz", gzip.compress(b"".join(lines)))

    bucket.erase([gone])

    left = read_object(
        bucket.stack.s3.get_object(Bucket=bucket.stack.bucket, Key=key)["Body"].read()
    )
    assert [(each.line, each.payload) for each in left] == [
        (2, change(other, 2)),
        (3, change(other, 30)),
        (5, None),
    ]


def test_the_table_refuses_keys_that_it_still_has(bucket: Bucket) -> None:
    kept, gone = items_of(bucket.table, 2)
    bucket.put_item(kept)
    reason = bucket.erasure([kept, gone]).refusal()
    assert reason is not None
    assert reason.startswith("the table still has 1 of the 2 keys;")
    assert bucket.erasure([gone]).refusal() is None
    reason = bucket.erasure([kept, gone], keep_latest=True).refusal()
    assert reason is not None
    assert reason.startswith("the table does not have 1 of the 2 keys,")


def test_it_waits_for_the_deletion_to_come(bucket: Bucket) -> None:
    (gone,) = items_of(bucket.table, 1)
    insert, modify, remove = history(gone, 1)
    bucket.deliver([insert, modify])
    erasure = bucket.erasure([gone])
    erasure.search(lambda _: None)
    reason = erasure.delay(lambda: 150.0, lambda _: None)
    assert reason is not None
    assert "does not have the deletion of the key yet; a change takes up to 150 s" in reason
    assert erasure.delay(lambda: None, lambda _: None) is None, "deletions never come"
    bucket.deliver([remove])
    assert erasure.delay(lambda: 150.0, lambda _: None) is None

    lost = bucket.erasure([gone], remove_lost=True)
    lost.search(lambda _: None)
    assert lost.delay(lambda: 150.0, lambda _: None) is None


def test_an_erasure_that_ended_after_the_deletion_went_need_not_wait_for_it(
    bucket: Bucket,
) -> None:
    (gone,) = items_of(bucket.table, 1)
    insert, _, remove = history(gone, 1)
    bucket.deliver([insert])
    (last,) = bucket.deliver([remove])
    first = bucket.erasure([gone])
    first.search(lambda _: None)
    first.findings.objects = [each for each in first.findings.objects if each == last]
    first._search.remaining = lambda *_: first.findings.new()  # type: ignore[method-assign]
    first.erase(lambda _: None)
    assert quoted(bucket.table, [texts_of(bucket.table, gone)], bucket.bytes())

    bucket.erase([gone])

    assert not quoted(bucket.table, [texts_of(bucket.table, gone)], bucket.bytes())


def test_of_a_correction_the_latest_state_stays_and_nothing_older(bucket: Bucket) -> None:
    (item,) = items_of(bucket.table, 1)
    wrong = {**item, "name": {"S": "a name that must go"}}
    right = {**item, "name": {"S": "the right name"}}
    bucket.deliver([change(wrong, 1), change(wrong, 2, "MODIFY")])
    bucket.put("errors/processing-failed/a", error_line(change(wrong, 2, "MODIFY")))
    bucket.put_item(right)

    early = bucket.erasure([item], keep_latest=True)
    early.search(lambda _: None)
    reason = early.delay(lambda: 150.0, lambda _: None)
    assert reason is not None
    assert "does not have the latest state of the key yet" in reason
    assert "--remove-lost" not in reason

    bucket.deliver([change(right, 3, "MODIFY"), change(right, 3, "MODIFY")])
    bucket.erase([item], keep_latest=True)
    everything = bucket.bytes()
    assert b"a name that must go" not in everything
    assert everything.count(b"the right name") == 2


def snapshot_at(item: Item, moment: int) -> bytes:
    """A change of a backfill that read the item at this moment."""
    payload = json.loads(change(item, moment, "SNAPSHOT"))
    payload["dynamodb"]["ApproximateCreationDateTime"] = moment / 1000
    return json.dumps(payload).encode()


@pytest.mark.parametrize("later", [700, 60_000], ids=["in its second", "by a clock that is ahead"])
def test_a_snapshot_whose_time_is_after_the_deletions_goes_too(bucket: Bucket, later: int) -> None:
    (item,) = items_of(bucket.table, 1)
    first, *rest = history(item, LATE)
    bucket.deliver([first, snapshot_at(item, AT + later), *rest])
    bucket.erase([item])
    assert not quoted(bucket.table, [texts_of(bucket.table, item)], bucket.bytes())


def test_of_a_correction_a_snapshot_whose_time_is_after_it_goes_too(bucket: Bucket) -> None:
    (item,) = items_of(bucket.table, 1)
    wrong = {**item, "name": {"S": "a name that must go"}}
    bucket.put_item(item)
    bucket.deliver([snapshot_at(wrong, AT + 700), change(item, LATE, "MODIFY")])
    bucket.erase([item], keep_latest=True)
    everything = bucket.bytes()
    assert b"a name that must go" not in everything
    assert quoted(bucket.table, [texts_of(bucket.table, item)], everything)


def test_a_key_that_is_nowhere_is_nothing_to_erase_and_is_remembered(bucket: Bucket) -> None:
    known, unknown = items_of(bucket.table, 2)
    bucket.deliver([change(known, 1)])
    before = bucket.contents()
    erased = bucket.erase([unknown])
    assert (erased.absent, erased.places) == (1, {})
    assert bucket.contents() == before
    assert Memory(bucket.stack).moment(texts_of(bucket.table, unknown)) is not None


def test_a_change_that_is_newer_than_the_deletion_stays(bucket: Bucket) -> None:
    (item,) = items_of(bucket.table, 1)
    erasure = bucket.erasure([item])
    bucket.deliver(history(item, 1))
    erasure.search(lambda _: None)
    again = {**item, "name": {"S": "used again"}}
    bucket.deliver([change(again, 4)])
    erasure.erase(lambda _: None)
    ((_, line),) = delivered(bucket.table, [change(again, 4)])
    assert [each.splitlines()[0] for each in bucket.contents().values()] == [line.strip()]
    verification = bucket.erasure([item])
    verification.verify(lambda _: None)
    assert verification.findings.holding == 0


@pytest.mark.parametrize("minutes", [0, 45], ids=["", "and says that it is older"])
def test_what_comes_while_it_runs_goes_too(bucket: Bucket, minutes: int) -> None:
    (item,) = items_of(bucket.table, 1)
    bucket.deliver(history(item, 1))
    erasure = bucket.erasure([item])
    erasure.search(lambda _: None)
    # As of an object that came in parts, whose time is that of the first.
    erasure.findings.began += minutes * 60
    bucket.deliver([change(item, 2, "MODIFY")])
    erased = erasure.erase(lambda _: None)
    assert (erased.left, erased.places["data/"].changes) == (0, 4)
    assert not quoted(bucket.table, [texts_of(bucket.table, item)], bucket.bytes())


def test_a_writer_between_reading_and_rewriting_is_not_overwritten(bucket: Bucket) -> None:
    gone, other = items_of(bucket.table, 2)
    payloads = [*history(gone, 1), change(other, 9)]
    lines = [line for _, line in delivered(bucket.table, payloads)]
    key = bucket.put("data/a", b"".join(lines))
    erasure = bucket.erasure([gone])
    erasure.search(lambda _: None)
    writer = delivered(bucket.table, [change(other, 10)])[0][1]
    s3 = bucket.stack.s3
    attempts: list[str] = []

    def write_first(**_request: Any) -> None:
        if not attempts:
            attempts.append(key)
            bucket.put(key, b"".join([*lines, writer]))

    # Before the erasure's own request is built, so that its ETag is of what was there before.
    s3.meta.events.register("provide-client-params.s3.PutObject", _once_for(key, write_first))
    erasure.erase(lambda _: None)
    left = s3.get_object(Bucket=bucket.stack.bucket, Key=key)["Body"].read()
    assert attempts
    assert left == lines[-1] + writer
    assert not quoted(bucket.table, [texts_of(bucket.table, gone)], bucket.bytes())


def _once_for(key: str, action: Callable[..., None]) -> Callable[..., None]:
    def handle(params: dict[str, Any], **_rest: Any) -> None:
        if params.get("Key") == key and "IfMatch" in params:
            action()

    return handle


@pytest.mark.parametrize("name", ["sensors", "shop"])
@pytest.mark.parametrize("former", ["data/year=2020/former.gz", "data/former.gz"])
def test_a_part_is_searched_alone_with_folders_that_do_not_name_the_level(
    bucket_of: BucketOf, name: str, former: str
) -> None:
    bucket = bucket_of(name)
    item, *_ = items_of(bucket.table, 3)
    keys = bucket.deliver(history(item, 1))
    level, _, value = keys[0].split("/")[1].partition("=")
    elsewhere = bucket.deliver(history(item, 4))[0].replace(f"{level}={value}", f"{level}=other")
    body = bucket.stack.s3.get_object(Bucket=bucket.stack.bucket, Key=keys[0])["Body"].read()
    bucket.put(elsewhere, body)
    bucket.put(former, body)

    bucket.erase([item], part={level: value})

    left = {key for key, _ in bucket.versions() if not key.startswith("erased/")}
    assert former not in left
    assert left == {elsewhere}


def test_values_that_a_path_must_encode_are_named_as_records_have_them(bucket: Bucket) -> None:
    (item,) = items_of(bucket.table, 1)
    item = {**item, "siteId": {"S": "A/B +%"}}
    bucket.deliver(history(item, 1))
    (value,) = level_values(bucket.table, ["siteId=A/B +%"])
    erased = bucket.erase([item], part={value.level.name: value.in_path})
    assert erased.places["data/"].changes == 3
    assert not quoted(bucket.table, [texts_of(bucket.table, item)], bucket.bytes())


def test_a_search_that_ended_goes_on_after_the_last_object_that_was_noted(bucket: Bucket) -> None:
    items = items_of(bucket.table, 3)
    bucket.deliver([each for n, item in enumerate(items) for each in history(item, 9 * n)], 1)
    whole = bucket.erasure(items)
    whole.search(lambda _: None)
    names = sorted(key for key, _ in bucket.versions())
    later = bucket.erasure(items)
    later.findings.after = names[3]
    later.search(lambda _: None)
    assert later.findings.objects == names[4:]
    assert len(whole.findings.objects) == len(names)
    read = msgspec.json.decode(msgspec.json.encode(later.findings), type=Findings)
    assert read == later.findings


def test_an_object_that_cannot_be_read_is_named_and_the_others_are_erased(bucket: Bucket) -> None:
    (item,) = items_of(bucket.table, 1)
    damaged = bucket.put("data/damaged.gz", b"\x1f\x8bnot gzip")
    bucket.deliver(history(item, 1))
    erasure = bucket.erasure([item])
    erasure.search(lambda _: None)
    erasure.erase(lambda _: None)
    (problem,) = erasure.findings.problems
    assert f"/{damaged} cannot be read: it is damaged: it is not a complete gzip" in problem
    assert [key for key, _ in bucket.versions() if not key.startswith("erased/")] == [damaged]


def test_verify_finds_what_is_left_and_what_came_again(bucket: Bucket) -> None:
    (item,) = items_of(bucket.table, 1)
    bucket.deliver(history(item, 1))
    bucket.erase([item])
    bucket.put("errors-replayed/a", error_line(change(item, 2, "MODIFY")))
    verification = bucket.erasure([item])
    verification.verify(lambda _: None)
    assert verification.findings.tallies.keys() == {"errors-replayed/"}
