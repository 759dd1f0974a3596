"""The files of a table as an engine reads them, also when it wants no more of them."""

import io
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluice.compaction.counting import Reading
from sluice.stack import Stack

FILES = 10

ONE_ROW = """
import sys
from contextlib import closing
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from pyiceberg.io.pyarrow import PyArrowFileIO

from sluice.compaction.counting import Reading, counted_files

endpoint, bucket, count = sys.argv[1:]
io = PyArrowFileIO({"s3.endpoint": endpoint, "s3.region": "us-east-1"})
with Reading() as reading, duckdb.connect(":memory:") as engine, closing(reading):
    files = counted_files(io, urlsplit(f"s3://{bucket}"), reading)
    parquet = ds.ParquetFileFormat()
    fragments = [parquet.make_fragment(f"{bucket}/{n}.parquet", files) for n in range(int(count))]
    schema = pa.schema([("value", pa.int64())])
    engine.register("rows", ds.FileSystemDataset(fragments, schema, parquet, files))
    print(len(engine.execute("SELECT * FROM rows LIMIT 1").fetchall()))
"""


def test_a_process_ends_well_that_wanted_one_row_of_many_files(stack: Stack, emulator: str) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"value": range(200_000)}), file, row_group_size=20_000)
    for number in range(FILES):
        stack.s3.put_object(Bucket=stack.bucket, Key=f"{number}.parquet", Body=file.getvalue())
    process = subprocess.run(
        [sys.executable, "-c", ONE_ROW, emulator, stack.bucket, str(FILES)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "1\n", "")


def test_a_file_is_not_opened_for_a_question_that_has_its_answer() -> None:
    with Reading() as reading:
        pass
    with pytest.raises(OSError, match="nobody reads on"):
        reading.open(object())
