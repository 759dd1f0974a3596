"""Invokes the function with a batch, and reads what it reports of it.

The rules are those of
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html and
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html. What AWS leaves open is
taken as a failure of the whole batch: an identifier that is not in the batch, and an answer that is
not an object. If the first change of a batch is reported, AWS names no place to bisect it at; it is
retried as it is.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.limits import INVOCATION_BYTES_MAX
from chalicelib.retry import REQUEST_ERRORS
from local.clock import Clock
from local.mapping.definition import MappingDefinition
from local.stream.change import StreamChange
from local.stream.delivery import Backoff, BatchDelivery, Destination, Failure, halves
from local.stream.status import Status
from sluice.event import encode

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

_START, _END = b'{"Records":[', b"]}"


def spell(event: Mapping[str, Any], _ingested_at: float) -> bytes:
    """Return a record of the function's event. Half of a surrogate pair is escaped."""
    try:
        return encode(event)
    except UnicodeEncodeError:
        return json.dumps(event, separators=(",", ":")).encode()


def event_length(sizes: Iterable[int], records_max: int) -> int:
    """Return how many records of these sizes one event takes: at least one."""
    total, length = len(_START) + len(_END), 0
    for size in sizes:
        total += size + 1
        if length == records_max or (length and total > INVOCATION_BYTES_MAX):
            break
        length += 1
    return length


def event_of(changes: Iterable[StreamChange]) -> bytes:
    """Return the function's event with changes."""
    return _START + b",".join(change.payload for change in changes) + _END


class MappingDelivery(BatchDelivery):
    """Delivers batches of one mapping to its function. Its client must not retry by itself."""

    def __init__(
        self,
        definition: MappingDefinition,
        client: "LambdaClient",
        failures: Destination | None,
        status: Status,
        clock: Clock,
        backoff: Backoff,
    ) -> None:
        super().__init__(definition, failures, status, clock, backoff)
        self._definition = definition
        self._client = client

    def attempt(self, part: Sequence[StreamChange]) -> Failure | None:
        """Invoke the function with a part.

        While Lambda cannot invoke it, that is no try, and the changes wait.
        """
        try:
            answer = self._client.invoke(
                FunctionName=self._definition.function_arn, Payload=event_of(part)
            )
            payload = answer["Payload"].read()
        except REQUEST_ERRORS as error:
            return Failure(part, f"the function cannot be invoked: {error}", counts=False)
        context = _context(answer)
        if error_kind := answer.get("FunctionError"):
            reason = f"the function ended in an error: {error_kind}"
            return Failure(part, reason, halves(part), context=context)
        if not self._definition.reports_item_failures:
            return None
        try:
            reported = _reported(payload)
            index = _lowest(part, reported) if reported else None
        except (msgspec.DecodeError, UnicodeDecodeError, AttributeError, LookupError, TypeError):
            reason = "the function's answer is not a report of failed items"
            return Failure(part, reason, halves(part), context=context)
        if index is None:
            return None
        rest = part[index:]
        return Failure(
            rest,
            f"the function reported {len(reported)} of its changes",
            (rest,) if index else (),
            context=context,
        )


def _reported(payload: bytes) -> Sequence[str]:
    """Return the identifiers in an answer. Raises what an answer of another form leads to."""
    answer = msgspec.json.decode(payload) if payload else None
    failures = (answer or {}).get("batchItemFailures")
    return [failure["itemIdentifier"] for failure in failures or ()]


def _lowest(part: Sequence[StreamChange], identifiers: Sequence[str]) -> int:
    """Return the index of the first reported change. Raises LookupError for one not in the part."""
    indexes = {change.sequence_number: index for index, change in enumerate(part)}
    return min(indexes[identifier] for identifier in identifiers)


def _context(answer: "InvocationResponseTypeDef") -> dict[str, Any]:
    return {
        "requestId": answer["ResponseMetadata"]["RequestId"],
        "responseContext": {
            "statusCode": answer["StatusCode"],
            "executedVersion": answer.get("ExecutedVersion", "$LATEST"),
            "functionError": answer.get("FunctionError"),
        },
    }
