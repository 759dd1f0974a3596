"""How far the pipe is in each shard, kept in a file so that a restart goes on from there."""

from collections.abc import Collection
from pathlib import Path

import msgspec

from sluice.errors import OperationError

CHECKPOINT_FILE = "checkpoint.json"


class CheckpointError(OperationError):
    """A checkpoint file that cannot be read or written; the message says what to do."""


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place in a shard: behind `sequence_number`, or at its end when `finished`."""

    sequence_number: str | None = None
    finished: bool = False


class _File(msgspec.Struct):
    stream_arn: str
    shards: dict[str, Position]


class Checkpoint:
    """The positions of one stream's shards. Each save is whole or does not happen."""

    def __init__(self, directory: Path, stream_arn: str) -> None:
        """Raises CheckpointError. Positions in another stream are forgotten."""
        self._path = directory / CHECKPOINT_FILE
        self._file = _File(stream_arn, {})
        try:
            directory.mkdir(parents=True, exist_ok=True)
            found = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            return
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CheckpointError(
                f"{self._path} is no checkpoint of the pipe ({error}); delete it to start from the "
                "pipe's starting position"
            ) from None
        except OSError as error:
            raise CheckpointError(f"{self._path} cannot be read: {error.strerror}") from None
        if found.stream_arn == stream_arn:
            self._file = found

    @property
    def positions(self) -> dict[str, Position]:
        """The position of each shard that has one."""
        return dict(self._file.shards)

    def save(self, shard_id: str, position: Position) -> None:
        """Set a shard's position."""
        self._file.shards[shard_id] = position
        self._write()

    def keep_only(self, shard_ids: Collection[str]) -> None:
        """Forget the shards that the stream has dropped."""
        if dropped := self._file.shards.keys() - set(shard_ids):
            for shard_id in dropped:
                del self._file.shards[shard_id]
            self._write()

    def _write(self) -> None:
        replace_file(self._path, msgspec.json.encode(self._file))


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old content or the new, never a part."""
    draft = path.with_suffix(".new")
    draft.write_bytes(content)
    draft.replace(path)
