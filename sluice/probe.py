"""Questions that only a deployed stack answers, each with the code that depends on the answer.

AWS does not document these. A probe writes two marked records, looks at what becomes of them, and
deletes them from the table.
"""

import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import TypeVar
from urllib.parse import unquote

import msgspec
from msgspec import Raw, Struct

from chalicelib.catalog import CHANGES, key_columns, quoted
from chalicelib.declaration import Table
from chalicelib.keys import key_of, texts_of
from chalicelib.partitions import ERROR_PREFIX, path
from chalicelib.transform import payload_reader
from sluice.errors import DamagedError, OperationError
from sluice.event import render
from sluice.lake import lines, objects, read_body
from sluice.planning.weights import stream_record
from sluice.query.athena import Workgroup
from sluice.query.parameters import literal
from sluice.query.part import LakePart, key_values, level_values
from sluice.recovery.dead_letters import read_message
from sluice.recovery.error_lines import read_object
from sluice.stack import Stack
from sluice.synthesis import Item, Synthesis, item_of, takes_text
from sluice.wording import counted

MARK = "sluice-probe-"
"""How the key and the levels of every record of a probe begin, where their rules allow it."""

_WITHIN_A_DAY = ("hour", "minute")

POLL_SECONDS = 1.0

CLOCKS_APART = timedelta(minutes=5)
"""How far this machine's clock and that of S3 may differ."""

_EXCERPT_CHARACTERS = 80
_NO_PIPE = "unknown: a function feeds the stack, and no pipe"
_PARTITION_FAILURE = "DynamicPartitioning."

T = TypeVar("T")

_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode


class Answer(Struct, frozen=True):
    """A question with what the stack answers."""

    question: str
    answer: str
    depends_on: str
    """The setting or code that depends on it: module and name."""


@dataclass(frozen=True)
class Probe:
    """Two items on their way through a stack: one that is delivered, one that is quarantined."""

    stack: Stack
    wait_seconds: float
    """How long a record may take to arrive."""
    confirmed: bool = False
    """Whether a stack in production may be probed."""
    mark: str = field(default_factory=lambda: f"{MARK}{uuid.uuid4().hex[:12]}")
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        """Raise OperationError for a stack in production, unless it is confirmed."""
        if self.stack.name.endswith("-prod") and not self.confirmed:
            raise OperationError(
                f"{self.stack.name} is in production, and a probe writes to its table, lake and "
                "quarantine; add --yes to do so"
            )

    @property
    def table(self) -> Table:
        """The declared table."""
        return self.stack.table

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The item whose line is delivered and, if there can be one, an item that is quarantined.

        Their texts begin with the mark where the rules of their fields allow it.
        """
        chance = Random()  # noqa: S311
        synthesis = Synthesis(self.table, chance, 1, 1, self.began.timestamp(), self.mark)
        ((kind, good), *_, (_, other)) = synthesis.records(1 + len(synthesis.kinds))
        shape = self.table.shape(kind)
        unmarked = {*self.table.key_names, *synthesis.told_by}
        marked = {
            name: self.mark
            for _, name, length in self.table.levels
            if name is not None
            and name not in unmarked
            and takes_text(shape, name, len(self.mark))
            and len(self.mark) <= length
        }
        broken = refused_item(self.table, item_of(self.table, other | marked))
        return (item_of(self.table, good | marked), *([broken] if broken else ()))

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """The keys of the items, as texts."""
        return [texts_of(self.table, item) for item in self.items]

    @property
    def ids(self) -> list[str]:
        """The keys of the items, each as one text."""
        return ["/".join(key) for key in self.keys]

    def answers(self) -> Generator[Answer, None, None]:
        """Write the items, yield every answer, and delete the items, however this ends."""
        try:
            self._write()
            for question, depends_on, answer in QUESTIONS:
                yield Answer(question, answer(self), depends_on)
        finally:
            for item in self.items:
                self.stack.dynamodb.delete_item(
                    TableName=self.stack.output("TableName"), Key=key_of(self.table, item)
                )

    def _write(self) -> None:
        # Not through the API, which refuses what the transform refuses.
        for item in self.items:
            self.stack.dynamodb.put_item(TableName=self.stack.output("TableName"), Item=item)

    @cached_property
    def workgroup(self) -> Workgroup:
        """The stack's workgroup."""
        return Workgroup(self.stack)

    @cached_property
    def _partition_of(self) -> Callable[[bytes], dict[str, str]]:
        # No level is a field that is hashed.
        read = payload_reader(self.table, hasher=lambda _: "")

        def partition(payload: bytes) -> dict[str, str]:
            content = read(payload)
            return content[1] if content else {}

        return partition

    @cached_property
    def folder(self) -> str:
        """The prefix of the line; of its day only, where it has the time of the change."""
        item = self.items[0]
        now, later = (
            self._partition_of(render(stream_record(self.table, "INSERT", item, at=moment)))
            for moment in (self.began, self.began + timedelta(hours=1))
        )
        known = now if now == later else {k: v for k, v in now.items() if k not in _WITHIN_A_DAY}
        return path(known)

    @property
    def remains(self) -> list[str]:
        """The places that keep lines of the items when the table does not."""
        return [f"s3://{self.stack.bucket}/{place}" for place in (self.folder, ERROR_PREFIX)]

    @cached_property
    def arrival(self) -> tuple[str, dict[str, str]] | None:
        """The key of the object with the line, and the line's partition; None if it is late."""
        good = [text.encode() for text in self.keys[0]]

        def has_line(key: str) -> tuple[str, dict[str, str]] | None:
            for line in lines(self.stack, key):
                if all(text in line for text in good):
                    return key, self._partition_of(line)
            return None

        return self._first(self.folder, has_line)

    @cached_property
    def quarantined(self) -> tuple[str, bytes] | None:
        """The error object with the refused item, and the bytes it holds of it; None if late."""
        broken = [text.encode() for text in self.keys[-1]]

        def payload(key: str) -> tuple[str, bytes] | None:
            for each in read_object(read_body(self.stack, key)):
                if each.payload and all(text in each.payload for text in broken):
                    return key, each.payload
            return None

        return self._first(ERROR_PREFIX, payload)

    def _first(self, prefix: str, choose: Callable[[str], T | None]) -> T | None:
        """Return what is chosen of the first object since the beginning that has it, or None."""
        seen: set[str] = set()
        deadline = self.began.timestamp() + self.wait_seconds
        while True:
            for each in objects(self.stack, prefix):
                if each.key in seen or each.modified < self.began - CLOCKS_APART:
                    continue
                seen.add(each.key)
                with suppress(DamagedError):
                    if (choice := choose(each.key)) is not None:
                        return choice
            if time.time() >= deadline:
                return None
            time.sleep(POLL_SECONDS)

    @property
    def late(self) -> str:
        """The answer where a record did not arrive."""
        return f"unknown: the record did not arrive within {self.wait_seconds:g} s"


def refused_item(table: Table, item: Item) -> Item | None:
    """Return an item with a field of another type than declared, None without such a field."""
    fixed = {*table.key_names, *table.protect, table.told_by and table.told_by.name}
    for name, declared in table.shape(table.kind_of(item)).fields.items():
        for wrong in ({"S": "not of the declared type"}, {"BOOL": True}):
            if name not in fixed and wrong.keys().isdisjoint(declared.type.kinds):
                return item | {name: wrong}
    return None


def missing_path(probe: Probe) -> str:
    """Answer how the pipe renders a path that a change lacks."""
    if probe.stack.feed != "pipe":
        return _NO_PIPE
    if len(probe.items) == 1:
        return "unknown: the transform refuses no item of this table, since no field is declared"
    return rendering(probe.quarantined[1]) if probe.quarantined else probe.late


def rendering(payload: bytes) -> str:
    """Return how a payload spells the missing `userIdentity`."""
    try:
        fields = _read_fields(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = payload.decode(errors="replace")[:_EXCERPT_CHARACTERS]
        return f"the payload is no JSON object: {text}"
    identity = fields.get("userIdentity")
    return "the field is absent" if identity is None else f"as {bytes(identity).decode()}"


def packed_failure(probe: Probe) -> str:
    """Answer which bytes the failure of one change of a packed record quarantines."""
    if probe.stack.feed == "pipe":
        return "unknown: the pipe puts each change by itself"
    if probe.quarantined is None:
        return probe.late
    packed = len(probe.quarantined[1].splitlines())
    return f"a record of {packed} changes" if packed > 1 else "the change"


def partition_failure(probe: Probe) -> str:
    """Answer which bytes a partition failure quarantines, from one that is there."""
    for each in objects(probe.stack, ERROR_PREFIX):
        with suppress(DamagedError):
            for record in read_object(read_body(probe.stack, each.key)):
                if record.code.startswith(_PARTITION_FAILURE):
                    return f"{held(record.payload or b'')}, in {each.key}"
    return (
        "unknown: quarantine has none, and to provoke one takes more active partitions than the "
        "stream holds, which would quarantine the changes of others"
    )


def held(payload: bytes) -> str:
    """Return which bytes of a change a payload is."""
    try:
        fields = _read_fields(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "neither a change nor a line"
    if "dynamodb" in fields:
        return "the original change"
    return "the transform's line" if "changeSequence" in fields else "neither a change nor a line"


def appended_date(probe: Probe) -> str:
    """Answer whether Firehose adds a date to the prefix."""
    if probe.arrival is None:
        return probe.late
    key, partition = probe.arrival
    added, _, name = key.removeprefix(path(partition)).rpartition("/")
    return f"yes: {added}/ before {name}" if added else f"no: {key}"


def projected_folders(probe: Probe) -> str:
    """Answer whether a query of `changes` reads folders below the last projected level."""
    if probe.arrival is None:
        return probe.late
    _, partition = probe.arrival
    table, partitioning = probe.table, probe.workgroup.partitioning()
    held_to = [level.name for level in table.levels if not level.is_time]
    where = (f"{name}={unquote(partition[name])}" for name in held_to)
    hidden = LakePart(table, level_values(table, where), probe.began).beyond(partitioning)
    if hidden:
        return f"unknown: `{CHANGES}` shows {hidden}"
    columns = dict(zip(key_columns(table), key_values(table, probe.keys[0]).values(), strict=True))
    for column, level in partitioning.levels.items():
        if level in held_to:
            columns[column] = partition[level]
    conditions = " AND ".join(f"{quoted(name)} = {literal(columns[name])}" for name in columns)
    sql = f"SELECT count(*) FROM {CHANGES} WHERE {conditions}"  # noqa: S608
    ((count,),) = probe.workgroup.run(sql).rows
    below = [name for name in partition if name not in partitioning.levels.values()]
    place = f"below the projected levels ({', '.join(below) or 'there are none'})"
    return f"{'yes' if count else 'no'}: {counted(int(count), 'line')} of the record {place}"


def validation_letter(probe: Probe) -> str:
    """Answer whether the dead-letter queue holds a message that points at no change."""
    if probe.stack.feed != "pipe":
        return _NO_PIPE
    answer = probe.stack.sqs.receive_message(
        QueueUrl=probe.stack.output("DeadLetterQueueUrl"),
        MaxNumberOfMessages=10,
        VisibilityTimeout=0,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["SentTimestamp"],
    )
    letters = [read_message(each) for each in answer.get("Messages", [])]
    strange = {each.id: each.excerpt for each in letters if each.pointer is None}
    if not strange:
        return f"no: {counted(len(letters), 'message')} of up to 10 seen, none without a change"
    return f"yes: {'; '.join(strange.values())}"


def ready_json(probe: Probe) -> str:
    """Answer whether the runtime's encoder passes the transform's ready JSON."""
    record = {"recordId": probe.mark, "data": b64encode(b"{}").decode()}
    answer = probe.stack.functions.invoke(
        FunctionName=probe.stack.output("TransformName"),
        Payload=msgspec.json.encode({"records": [record]}),
    )
    return spelling(answer["Payload"].read())


def spelling(response: bytes) -> str:
    """Return which way a response of the transform took: msgspec writes no space, simplejson does.

    See `fastest_response` in chalicelib/answers.py.
    """
    try:
        _read_fields(response)
    except (msgspec.DecodeError, UnicodeDecodeError):
        excerpt = response.decode(errors="replace")[:_EXCERPT_CHARACTERS]
        return f"broken: the response is no JSON object: {excerpt}"
    if response.startswith(b'{"records":[{"recordId":'):
        return "yes: the response is an object without spaces, as msgspec writes it"
    return "no: the response is an object as the runtime encodes a dictionary"


def key_policy(probe: Probe) -> str:
    """Answer whether the key's refusal of foreign accounts lets Firehose work."""
    if probe.arrival is None:
        return f"{probe.late}; look for KMS in `sluice logs --part firehose`"
    if probe.stack.emulated:
        return "unknown: the record was delivered, and an emulator checks no policy of a key"
    return f"yes: {probe.arrival[0]} was delivered"


QUESTIONS: tuple[tuple[str, str, Callable[[Probe], str]], ...] = (
    (
        "How does the pipe render a missing path?",
        "INPUT_TEMPLATE in chalicelib/change.py; unquoted in sluice/event.py",
        missing_path,
    ),
    (
        "Which bytes does a partition failure quarantine?",
        "replayable_reader in chalicelib/finished.py",
        partition_failure,
    ),
    (
        "Which bytes does the failure of a change of a packed record quarantine?",
        "read_object in sluice/recovery/error_lines.py",
        packed_failure,
    ),
    (
        "Is a date appended to the prefix?",
        "firehose_prefix in chalicelib/partitions.py",
        appended_date,
    ),
    (
        "Does a query read folders below the projected levels?",
        "storage.location.template in infrastructure/catalog.py",
        projected_folders,
    ),
    (
        "Does a message of the pipe's validation lie in the dead-letter queue?",
        "read_message in sluice/recovery/dead_letters.py",
        validation_letter,
    ),
    (
        "Does the runtime's encoder pass ready JSON?",
        "fastest_response in chalicelib/answers.py",
        ready_json,
    ),
    (
        "Does the key's refusal of foreign accounts let Firehose work?",
        "_refuse_foreign in infrastructure/rights/resources.py",
        key_policy,
    ),
)
"""Every question, the code that depends on its answer, and the function that answers it."""
