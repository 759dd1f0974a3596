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
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from chalicelib.catalog import CHANGES
from chalicelib.declaration import TIME_FORMATS
from chalicelib.declared import declared
from chalicelib.partitions import ERROR_PREFIX, partitioner, path
from chalicelib.schema import EVENT_TIME, KEY, SITE, Record
from sluice.api import Api
from sluice.errors import DamagedError, OperationError
from sluice.lake import lines, objects, read_body
from sluice.query.athena import Workgroup
from sluice.query.parameters import literal
from sluice.query.part import LakePart, level_values
from sluice.recovery.dead_letters import read_message
from sluice.recovery.error_lines import read_object
from sluice.stack import Stack
from sluice.transform import deployed_settings
from sluice.wording import counted

MARK = "sluice-probe-"
"""How the id and the site of every record of a probe begin."""

POLL_SECONDS = 1.0

CLOCKS_APART = timedelta(minutes=5)
"""How far this machine's clock and that of S3 may differ."""

_EXCERPT_CHARACTERS = 80
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
    """Two records on their way through a stack: one that is delivered, one that is quarantined."""

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
    def ids(self) -> tuple[str, str]:
        """The ids of the record that is delivered and of the one that is quarantined."""
        return f"{self.mark}-good", f"{self.mark}-broken"

    def answers(self) -> Generator[Answer, None, None]:
        """Write the records, yield every answer, and delete the records, however this ends."""
        try:
            self._write()
            for question, depends_on, answer in QUESTIONS:
                yield Answer(question, answer(self), depends_on)
        finally:
            for name in self.ids:
                self.stack.dynamodb.delete_item(
                    TableName=self.stack.output("TableName"), Key={KEY: {"S": name}}
                )

    def _write(self) -> None:
        good, broken = self.ids
        Api(self.stack.api_url).request("POST", "/records", {**self._record, KEY: good})
        # The API refuses what the transform cannot read.
        texts = {**self._record, KEY: broken, EVENT_TIME: "not a time"}
        self.stack.dynamodb.put_item(
            TableName=self.stack.output("TableName"),
            Item={name: {"S": str(value)} for name, value in texts.items()},
        )

    @cached_property
    def workgroup(self) -> Workgroup:
        """The stack's workgroup."""
        return Workgroup(self.stack)

    @cached_property
    def layout(self) -> list[str]:
        """The levels of the lake."""
        return list(deployed_settings(self.stack)["table"].layout)

    @cached_property
    def _record(self) -> dict[str, str | int]:
        """The fields of the record that is delivered."""
        texts = {name: self.mark for name in self.layout if name not in TIME_FORMATS}
        now = round(self.began.timestamp() * 1000)
        return {**texts, SITE: self.mark, EVENT_TIME: now, KEY: self.ids[0]}

    @cached_property
    def partition(self) -> dict[str, str]:
        """The partition keys of the record that is delivered."""
        return partitioner(declared().with_layout(self.layout))(
            msgspec.convert(self._record, Record)
        )

    @property
    def folder(self) -> str:
        """The prefix that the record is delivered to."""
        return path(self.partition)

    @property
    def remains(self) -> list[str]:
        """The places that keep lines of the records when the table does not."""
        return [f"s3://{self.stack.bucket}/{place}" for place in (self.folder, ERROR_PREFIX)]

    @cached_property
    def delivered(self) -> str | None:
        """The key of the object with the line of the record; None if it does not arrive in time."""
        good = self.ids[0].encode()

        def has_line(key: str) -> str | None:
            return key if any(good in line for line in lines(self.stack, key)) else None

        return self._first(self.folder, has_line)

    @cached_property
    def quarantined(self) -> tuple[str, bytes] | None:
        """The error object with the broken record, and the bytes it holds of it; None if late."""
        broken = self.ids[1].encode()

        def payload(key: str) -> tuple[str, bytes] | None:
            for each in read_object(read_body(self.stack, key)):
                if each.payload and broken in each.payload:
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


def missing_path(probe: Probe) -> str:
    """Answer how the pipe renders a path that a change lacks."""
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
    if probe.delivered is None:
        return probe.late
    added, _, name = probe.delivered.removeprefix(probe.folder).rpartition("/")
    return f"yes: {added}/ before {name}" if added else f"no: {probe.delivered}"


def projected_folders(probe: Probe) -> str:
    """Answer whether a query of `changes` reads folders below the last projected level."""
    if probe.delivered is None:
        return probe.late
    workgroup = probe.workgroup
    table, partitioning = workgroup.table, workgroup.partitioning()
    values = level_values(table, (), probe.mark)
    hidden = LakePart(table, values, probe.began).beyond(partitioning)
    if hidden:
        return f"unknown: `{CHANGES}` shows {hidden}"
    conditions = [f"{KEY.lower()} = {literal(probe.ids[0])}"] + [
        f"{column} = {literal(probe.partition[level])}"
        for column, level in partitioning.levels.items()
        if level not in TIME_FORMATS
    ]
    sql = f"SELECT count(*) FROM {CHANGES} WHERE {' AND '.join(conditions)}"  # noqa: S608
    ((count,),) = workgroup.run(sql).rows
    below = [level for level in probe.layout if level not in partitioning.levels.values()]
    where = f"below the projected levels ({', '.join(below) or 'there are none'})"
    return f"{'yes' if count else 'no'}: {counted(int(count), 'line')} of the record {where}"


def validation_letter(probe: Probe) -> str:
    """Answer whether the dead-letter queue holds a message that points at no change."""
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
    if probe.delivered is None:
        return f"{probe.late}; look for KMS in `sluice logs --part firehose`"
    if probe.stack.emulated:
        return "unknown: the record was delivered, and an emulator checks no policy of a key"
    return f"yes: {probe.delivered} was delivered"


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
        "refusing_foreign_accounts in infrastructure/encryption.py",
        key_policy,
    ),
)
"""Every question, the code that depends on its answer, and the function that answers it."""
