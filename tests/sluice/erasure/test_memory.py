"""What is remembered of erased keys, and what it holds back."""

import json

from chalicelib.keys import texts_of
from sluice.erasure.memory import ERASED_PREFIX, Memory, Moment
from tests.declaring import change, delivered, items_of
from tests.sluice.erasure.bucket import Bucket

AT = 1_700_000_000_000
"""When the changes of tests happen, epoch milliseconds."""


def sequence(number: int) -> str:
    return str(number).zfill(40)


def test_changes_up_to_the_moment_are_held_back_in_whatever_form(bucket: Bucket) -> None:
    item, other = items_of(bucket.table, 2)
    Memory(bucket.stack).remember({texts_of(bucket.table, item): Moment(AT, sequence(5))})
    memory = Memory(bucket.stack)
    for number, is_held in ((4, True), (5, True), (6, False)):
        ((_, line),) = delivered(bucket.table, [change(item, number)])
        assert memory.holds_back(change(item, number)) is is_held
        assert memory.holds_back(line) is is_held
    assert not memory.holds_back(change(other, 1))
    assert not memory.holds_back(b"not a change")


def test_an_item_of_an_export_is_held_back_by_its_time(bucket: Bucket) -> None:
    (item,) = items_of(bucket.table, 1)
    memory = Memory(bucket.stack)
    memory.remember({texts_of(bucket.table, item): Moment(AT, sequence(5))})
    # Times of the stream, such as AT, are rounded down to the second.
    for moment, is_held in ((AT - 1, True), (AT + 999, True), (AT + 1000, False)):
        payload = json.loads(change(item, moment, "SNAPSHOT"))
        payload["dynamodb"]["ApproximateCreationDateTime"] = moment / 1000
        assert memory.holds_back(json.dumps(payload).encode()) is is_held


def test_a_record_that_the_feed_packed_is_held_back_for_one_of_its_changes(bucket: Bucket) -> None:
    item, other = items_of(bucket.table, 2)
    memory = Memory(bucket.stack)
    memory.remember({texts_of(bucket.table, item): Moment(AT, sequence(5))})
    assert memory.holds_back(change(other, 1) + b"\n" + change(item, 2) + b"\n")
    assert not memory.holds_back(change(other, 1) + b"\n" + change(item, 6) + b"\n")


def test_the_later_of_two_erasures_counts(bucket: Bucket) -> None:
    (item,) = items_of(bucket.table, 1)
    key = texts_of(bucket.table, item)
    for number in (7, 3):
        Memory(bucket.stack).remember({key: Moment(AT, sequence(number))})
    assert Memory(bucket.stack).moment(key) == Moment(AT, sequence(7))


def test_no_object_has_the_key_and_hashes_of_two_stacks_differ(bucket: Bucket) -> None:
    (item,) = items_of(bucket.table, 1)
    key = texts_of(bucket.table, item)
    memory = Memory(bucket.stack)
    memory.remember({key: Moment(AT)})
    names = [name for name, _ in bucket.versions()]
    assert all(name.startswith(ERASED_PREFIX) for name in names)
    bodies = [
        bucket.stack.s3.get_object(Bucket=bucket.stack.bucket, Key=name)["Body"].read()
        for name in names
    ]
    assert not [body for body in bodies if key[0].encode() in body]
    former = memory.digest(key)
    bucket.delete(f"{ERASED_PREFIX}secret")
    assert Memory(bucket.stack).digest(key) != former


def test_of_two_first_erasures_at_once_both_have_the_secret_of_one(bucket: Bucket) -> None:
    one, other = Memory(bucket.stack), Memory(bucket.stack)
    assert one.digest(("a",)) == other.digest(("a",))
