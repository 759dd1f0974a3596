"""The answer to CloudFormation about a resource that a function makes
(https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-responses.html)."""

from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

import msgspec

from chalicelib.logs import log

REASON_LENGTH_MAX = 1_000


def deployed(event: dict[str, Any], work: Callable[[], None]) -> None:
    """Do the work of a creation or an update, and report how it went; a deletion has none.

    CloudFormation waits for the report, so whatever the work raises is one.
    """
    reason = ""
    if event["RequestType"] != "Delete":
        try:
            work()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:REASON_LENGTH_MAX]
            log("ERROR", "deployment failed", reason=reason)
    body = {
        "Status": "FAILED" if reason else "SUCCESS",
        "Reason": reason or "done",
        "PhysicalResourceId": event.get("PhysicalResourceId", event["LogicalResourceId"]),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    # The URL is signed without a content type.
    request = Request(  # noqa: S310 - CloudFormation's own
        event["ResponseURL"],
        msgspec.json.encode(body),
        {"Content-Type": ""},
        method="PUT",
    )
    with urlopen(request, timeout=10):  # noqa: S310
        pass
