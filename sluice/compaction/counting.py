"""A file system that counts what is read of its files."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

WHOLE_BYTES = 64 * 1024
"""A file up to this size is read once and whole, as Arrow reads as much for its last part alone."""

if TYPE_CHECKING:
    import pyarrow.fs as fs
    from pyiceberg.io import FileIO


def counted_files(
    io: "FileIO", address: SplitResult, count: Callable[[int], None]
) -> "fs.FileSystem":
    """Return the file system of an Iceberg table's files; `count` hears of the bytes read."""
    import pyarrow as pa
    import pyarrow.fs as fs

    inner = io.fs_by_scheme(address.scheme, address.netloc)  # type: ignore[attr-defined]

    class File:
        """A file that is read in ranges."""

        def __init__(self, path: str) -> None:
            self._file = inner.open_input_file(path)
            self.closed = False

        def read(self, size: int = -1) -> bytes:
            content: bytes = self._file.read(None if size < 0 else size)
            count(len(content))
            return content

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
