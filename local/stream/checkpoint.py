"""How far a pipe or mapping is in each shard, in a file from which a restart goes on."""

from collections.abc import Collection
from pathlib import Path

from msgspec import Struct

from sluice.state import StateFile

CHECKPOINT_FILE = "checkpoint.json"


class ShardPosition(Struct, frozen=True, omit_defaults=True):
    """A place in a shard: behind `sequence_number`, or at its end when `finished`."""

    sequence_number: str | None = None
    finished: bool = False


class _Content(Struct):
    stream_arn: str
    shards: dict[str, ShardPosition]


class StreamCheckpoint:
    """The positions of one stream's shards."""

    def __init__(self, directory: Path, stream_arn: str) -> None:
        """Read the file. Raises OperationError. Positions in another stream are forgotten."""
        self._file = StateFile(
            directory / CHECKPOINT_FILE,
            _Content,
            "a checkpoint of a pipe or mapping",
            "delete it to begin at the starting position",
        )
        content = self._file.read()
        if content is None or content.stream_arn != stream_arn:
            content = _Content(stream_arn, {})
        self._content = content

    @property
    def positions(self) -> dict[str, ShardPosition]:
        """The position of each shard that has one."""
        return dict(self._content.shards)

    def save(self, shard_id: str, position: ShardPosition) -> None:
        """Set a shard's position."""
        self._content.shards[shard_id] = position
        self._file.write(self._content)

    def keep_only(self, shard_ids: Collection[str]) -> None:
        """Forget the shards that the stream has dropped."""
        if dropped := self._content.shards.keys() - set(shard_ids):
            for shard_id in dropped:
                del self._content.shards[shard_id]
            self._file.write(self._content)
