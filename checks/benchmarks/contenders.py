"""The transforms to compare, as the Lambda runtime calls them: event bytes to response bytes.

A contender is imported when it is used, so that a process that measures one holds no other.
"""

import io
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any

from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

Contender = Callable[[bytes], str]

SLUICE = "Sluice"
POWERTOOLS = "Powertools"
STANDARD_LIBRARY = "standard library"
PEERS = (POWERTOOLS, STANDARD_LIBRARY)

_PEERS = {
    POWERTOOLS: "checks.benchmarks.powertools",
    STANDARD_LIBRARY: "checks.benchmarks.standard_library",
}

codec = LambdaMarshaller()


def environment() -> dict[str, str]:
    """Return the variables of the functions: ours, and what the peers must know of the record."""
    # Not at import: a process that measures a peer holds nothing of ours.
    from chalicelib.schema import TABLE

    group = TABLE.group
    assert group is not None  # noqa: S101
    return {
        "LAYOUT": "/".join(TABLE.layout),
        "CHANGE_TYPES": "INSERT,MODIFY,REMOVE",
        "AWS_LAMBDA_FUNCTION_NAME": "transform",
        "GROUP": group.name,
        "EVENT_TIME": TABLE.time_line_name,
    }


def contender(name: str) -> Contender:
    """Return the contender of this name, ready to be called in `environment`."""
    if name == SLUICE:
        return through_codec(_deployed())
    handler = import_module(_PEERS[name]).handler
    return through_codec(
        handler if name == STANDARD_LIBRARY else lambda event: handler(event, None)
    )


def _deployed() -> Callable[[Any], Any]:
    from chalicelib.transform import deployed_transformer

    deployed_transformer.cache_clear()
    return deployed_transformer()


def through_codec(handler: Callable[[Any], Any]) -> Contender:
    """Put a handler between the runtime's decoding and encoding."""

    def run(request: bytes) -> str:
        body, _ = codec.marshal_response(handler(codec.unmarshal_request(request)))
        return str(body)

    return run


def floor(requests: list[bytes]) -> Contender:
    """Return the least work of a transform that answers with a dictionary.

    That is the codec and base64, both ways. It encodes the answers of our own transform.
    """
    transform = contender(SLUICE)
    with redirect_stdout(io.StringIO()):
        ready = {request: json.loads(transform(request)) for request in requests}
    lines = {
        request: [b64decode(answer["data"]) for answer in response["records"]]
        for request, response in ready.items()
    }

    def run(request: bytes) -> str:
        for record in codec.unmarshal_request(request)["records"]:
            b64decode(record["data"])
        for line in lines[request]:
            b64encode(line).decode("ascii")
        return str(codec.marshal_response(ready[request])[0])

    return run


def meaning(response: str) -> list[tuple[Any, ...]]:
    """Return the content of a response; of a failed record only that it failed."""
    return [
        (answer["recordId"], answer["result"])
        if answer["result"] != "Ok"
        else (
            answer["recordId"],
            json.loads(b64decode(answer["data"])),
            answer["metadata"]["partitionKeys"],
        )
        for answer in json.loads(response)["records"]
    ]
