"""A file system that counts what is read of its files, and whose reads come to an end.

Arrow reads ahead in threads of its own, and goes on when an engine wants no more of a table. Such a
thread would call into an interpreter that ends, which aborts the process.
"""

import time
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import SplitResult
from weakref import WeakSet

WHOLE_BYTES = 64 * 1024
"""A file up to this size is read once and whole, as Arrow reads as much for its last part alone."""

END_SECONDS = 10.0
"""How long a read that is under way may take to end."""

if TYPE_CHECKING:
    import pyarrow.fs as fs
    from pyiceberg.io import FileIO


class Reading:
    """What is read for a question. As a context, it ends when nothing is read any more."""

    def __init__(self) -> None:
        self.bytes = 0
        self.is_over = False
        self.files: WeakSet[Any] = WeakSet()
        """Those that are open."""

    def close(self) -> None:
        """Have whatever is still to be read fail."""
        self.is_over = True

    def open(self, file: Any) -> None:
        """Take in a file that is being read. Raises OSError when the reading is over."""
        if self.is_over:
            raise OSError("nobody reads on")
        self.files.add(file)

    def count(self, content: bytes) -> bytes:
        """Count bytes that were read, and return them."""
        self.bytes += len(content)
        return content

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        deadline = time.monotonic() + END_SECONDS
        while len(self.files) and time.monotonic() < deadline:
            time.sleep(0.005)


def counted_files(io: "FileIO", address: SplitResult, reading: Reading) -> "fs.FileSystem":
    """Return the file system of an Iceberg table's files, for this reading."""
    import pyarrow as pa
    import pyarrow.fs as fs

    inner = io.fs_by_scheme(address.scheme, address.netloc)  # type: ignore[attr-defined]

    class File:
        """A file that is read in ranges."""

        def __init__(self, path: str) -> None:
            reading.open(self)
            self._file = inner.open_input_file(path)
            self.closed = False

        def read(self, size: int = -1) -> bytes:
            reading.open(self)
            return reading.count(self._file.read(None if size < 0 else size))

        def seek(self, position: int, whence: int = 0) -> int:
            return int(self._file.seek(position, whence))

        def tell(self) -> int:
            return int(self._file.tell())

        def size(self) -> int:
            return int(self._file.size())

        def close(self) -> None:
            self.closed = True
            self._file.close()

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def writable(self) -> bool:
            return False

    class Files(fs.FileSystemHandler):  # type: ignore[misc]
        """The file system, for reading alone."""

        def get_type_name(self) -> str:
            return "counted"

        def normalize_path(self, path: str) -> str:
            return path

        def get_file_info(self, paths: list[str]) -> Any:
            return inner.get_file_info(paths)

        def get_file_info_selector(self, selector: Any) -> Any:
            return inner.get_file_info(selector)

        def open_input_file(self, path: str) -> Any:
            file = File(path)
            if file.size() > WHOLE_BYTES:
                return pa.PythonFile(file, mode="r")
            content = file.read()
            file.close()
            return pa.BufferReader(content)

        open_input_stream = open_input_file

        def _refuse(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError("the files are only read")

        copy_file = create_dir = delete_dir = delete_dir_contents = delete_file = _refuse
        delete_root_dir_contents = move = open_append_stream = open_output_stream = _refuse

    return fs.PyFileSystem(Files())
