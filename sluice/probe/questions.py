"""Questions that only a deployed stack answers, each with the code that depends on the answer.

AWS does not document these. A probe writes two marked records, looks at what becomes of them, and
deletes them from the table.
"""

from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import suppress
from urllib.parse import unquote

import msgspec
from msgspec import Raw, Struct

from chalicelib.catalog import CHANGES, key_columns, quoted
from chalicelib.partitions import ERROR_PREFIX, path
from sluice.errors import DamagedError
from sluice.lake import objects, read_body
from sluice.probe.items import Probe
from sluice.query.parameters import literal
from sluice.query.part import LakePart, key_values, level_values
from sluice.recovery.dead_letters import read_message
from sluice.recovery.error_lines import read_object
from sluice.wording import counted

_EXCERPT_CHARACTERS = 80
_NO_PIPE = "unknown: a function feeds the stack, and no pipe"
_PARTITION_FAILURE = "DynamicPartitioning."

_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode


class ProbeAnswer(Struct, frozen=True):
    """A question with what the stack answers."""

    question: str
    answer: str
    depends_on: str
    """The setting or code that depends on it: module and name."""


def answers(probe: Probe) -> Generator[ProbeAnswer, None, None]:
    """Write the items, yield every answer, and delete the items, however this ends."""
    try:
        probe.write()
        for question, depends_on, answer in QUESTIONS:
            yield ProbeAnswer(question, answer(probe), depends_on)
    finally:
        probe.delete()


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
