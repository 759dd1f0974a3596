"""The keys that were erased, as keyed hashes below `erased/` in the lake's bucket.

What an erasure removes may come again from elsewhere: an export read by a backfill, a record that
was in nobody's sight. Who puts changes into the lake by hand asks here first. The hashes say
nothing of the keys to who lacks the secret, which is an object beside them.
"""

import hmac
import secrets
from collections.abc import Callable, Collection, Mapping
from functools import cached_property

import msgspec
from botocore.exceptions import ClientError
from msgspec import Struct

from chalicelib.change import SEQUENCE_DIGITS, SNAPSHOT
from chalicelib.keys import Texts
from sluice.erasure.changes import KeyChange, change_of, records_of
from sluice.errors import OperationError
from sluice.lake import keys as object_keys
from sluice.stack import Stack

ERASED_PREFIX = "erased/"
_SECRET = f"{ERASED_PREFIX}secret"
_KEYS_PREFIX = f"{ERASED_PREFIX}keys/"
_SECRET_BYTES = 32


HELD_BACK = "it is a change of a key that was erased; `sluice erase` takes it out"


class Moment(Struct, frozen=True, order=True):
    """A place in the order of changes: those of a key up to its moment are erased."""

    changed_at: int
    """Epoch milliseconds."""
    sequence: str = "9" * SEQUENCE_DIGITS
    """Of two changes in one moment, the later has the greater one."""

    def covers(self, change: KeyChange) -> bool:
        """Whether a change is not after this moment.

        A change of the stream has its time rounded down to the second
        (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html),
        so that a snapshot from before it may have a later one.
        """
        if change.kind == SNAPSHOT:
            return change.changed_at - change.changed_at % 1000 <= self.changed_at
        return Moment(change.changed_at, change.sequence) <= self


class _Content(Struct):
    erased: dict[str, Moment]


class Memory:
    """What was erased from a stack's lake."""

    def __init__(self, stack: Stack) -> None:
        """Raise OperationError for an object that cannot be read."""
        self._stack = stack
        self._moments: dict[str, Moment] = {}
        self._secret = b""
        self._known: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Learn what others erased meanwhile. Raises OperationError as at the beginning."""
        names = {key for key, _ in object_keys(self._stack, ERASED_PREFIX)}
        if _SECRET in names and not self._secret:
            self._secret = self._get(_SECRET)
        for name in names - self._known:
            if name.startswith(_KEYS_PREFIX):
                self._learn(self._read(name).erased)
        self._known |= names

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever erased."""
        return not self._moments

    def holds_back(self, payload: bytes) -> bool:
        """Whether a record has a change, or a finished line, that is erased."""
        if self.is_empty:
            return False
        changes = map(self._change_of, records_of(payload))
        return any(change is not None and self.is_erased(change) for change in changes)

    def is_erased(self, change: KeyChange) -> bool:
        """Whether a change is of an erased key and not newer than that."""
        moment = self.moment(change.key)
        return moment is not None and moment.covers(change)

    @cached_property
    def _change_of(self) -> Callable[[bytes], KeyChange | None]:
        return change_of(self._stack.table)

    def moment(self, key: Texts) -> Moment | None:
        """Return up to when changes of a key are erased; None for a key that never was."""
        return self._moments.get(self.digest(key)) if self._moments else None

    def remember(self, moments: Mapping[Texts, Moment]) -> None:
        """Remember keys, in an object of their own."""
        erased = {self.digest(key): moment for key, moment in moments.items()}
        self._stack.s3.put_object(
            Bucket=self._stack.bucket,
            Key=f"{_KEYS_PREFIX}{secrets.token_hex(16)}.json",
            Body=msgspec.json.encode(_Content(erased)),
            ContentType="application/json",
        )
        self._learn(erased)

    def digest(self, key: Texts) -> str:
        """Return the keyed hash of a key."""
        if not self._secret:
            self._secret = self._new_secret()
        return hmac.digest(self._secret, msgspec.json.encode(key), "sha256").hex()

    def digest_of_all(self, keys: Collection[Texts]) -> str:
        """Return one keyed hash of several keys, whatever their order."""
        return self.digest(tuple(sorted(map(self.digest, keys))))

    def _learn(self, erased: Mapping[str, Moment]) -> None:
        for digest, moment in erased.items():
            self._moments[digest] = max(moment, self._moments.get(digest, moment))

    def _new_secret(self) -> bytes:
        """Make the secret, or return the one that another run made first."""
        try:
            self._stack.s3.put_object(
                Bucket=self._stack.bucket,
                Key=_SECRET,
                Body=secrets.token_bytes(_SECRET_BYTES),
                IfNoneMatch="*",
            )
        except ClientError as refused:
            if refused.response["Error"].get("Code") not in (
                "PreconditionFailed",
                "ConditionalRequestConflict",
            ):
                raise
        return self._get(_SECRET)

    def _get(self, name: str) -> bytes:
        return self._stack.s3.get_object(Bucket=self._stack.bucket, Key=name)["Body"].read()

    def _read(self, name: str) -> _Content:
        try:
            return msgspec.json.decode(self._get(name), type=_Content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise OperationError(
                f"s3://{self._stack.bucket}/{name} does not say which keys were erased; restore "
                "its former version"
            ) from None
