"""Takes a record apart into its JSON objects, before the function sees them.

https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-multirecord-deaggergation.html:
objects stand on one line each, with a newline or nothing between two of them; an array is not valid
input. A record of more than 500 objects goes to the function whole
(https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html). What cannot be
parsed goes to the error prefix
(https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-error-handling.html).

AWS does not document whether it still passes on the objects before a damaged one, nor what it does
with other space between objects, with an empty line or with an empty record. Here such a record is
not taken apart: it is damaged as a whole.
"""

from json import JSONDecoder

import msgspec

OBJECTS_MAX = 500
"""Objects that one record is taken apart into."""

_check_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _no_number(_: str) -> None:
    """Stand in for a number: Python refuses to read one of thousands of digits."""


_scan = JSONDecoder(parse_int=_no_number, parse_float=_no_number).raw_decode


def deaggregated(data: bytes) -> list[bytes] | None:
    """Return the objects of a record; None when it is damaged.

    A record of too many objects is returned as it is.
    """
    objects: list[bytes] = []
    # A newline may end the last line, too.
    for line in data.removesuffix(b"\n").split(b"\n"):
        parts = _objects(line)
        if parts is None:
            return None
        objects += parts
    return objects if len(objects) <= OBJECTS_MAX else [data]


def _objects(line: bytes) -> list[bytes] | None:
    if not line.startswith(b"{") or not line.endswith(b"}"):
        return None
    try:
        _check_object(line)
        return [line]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # There may be several.
    try:
        text = line.decode()
        start, objects = 0, []
        while start < len(text):
            if text[start] != "{":
                return None
            _, end = _scan(text, start)
            objects.append(text[start:end].encode())
            start = end
    except (ValueError, RecursionError):
        return None
    return objects
