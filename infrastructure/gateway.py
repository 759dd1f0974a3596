"""What API Gateway answers by itself, before or in place of the API's function: problems too."""

import json
from http import HTTPStatus
from typing import Any

PROBLEM = {"Headers": {"Content-Type": "'application/problem+json'"}}

_REFUSALS = {
    HTTPStatus.FORBIDDEN: (
        "ACCESS_DENIED",
        "EXPIRED_TOKEN",
        "INVALID_SIGNATURE",
        "MISSING_AUTHENTICATION_TOKEN",
        "WAF_FILTERED",
    ),
    HTTPStatus.NOT_FOUND: ("RESOURCE_NOT_FOUND",),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("REQUEST_TOO_LARGE",),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("UNSUPPORTED_MEDIA_TYPE",),
    HTTPStatus.TOO_MANY_REQUESTS: ("QUOTA_EXCEEDED", "THROTTLED"),
    HTTPStatus.GATEWAY_TIMEOUT: ("INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"),
}
"""The types of gateway responses, by the status that AWS gives them
(https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html).
All others take the two defaults, which serve several statuses and so name none."""

_DETAILS = {
    "MISSING_AUTHENTICATION_TOKEN": "There is no such route, or the request is not signed: sign it "
    "with Signature Version 4 for the service execute-api.",
}
"""Details that say more than API Gateway's own."""

_OWN_DETAIL = "$context.error.messageString"
"""API Gateway's message, as JSON with its quotes
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html)."""


def gateway_responses() -> dict[str, Any]:
    """Return the `GatewayResponses` of the API in its SAM template, by their types.

    API Gateway picks a template by the request's `Accept`, and without a match the one for
    `application/json`: so that one is declared, and the content type is set by a header.
    """
    bodies = {
        "DEFAULT_4XX": {"type": "about:blank"},
        "DEFAULT_5XX": {"type": "about:blank"},
    } | {
        kind: {"type": "about:blank", "title": status.phrase, "status": status.value}
        for status, kinds in _REFUSALS.items()
        for kind in kinds
    }
    return {
        kind: {
            "ResponseParameters": PROBLEM,
            "ResponseTemplates": {"application/json": _template(body, _DETAILS.get(kind))},
        }
        for kind, body in bodies.items()
    }


def _template(body: dict[str, Any], detail: str | None) -> str:
    own = _OWN_DETAIL if detail is None else json.dumps(detail)
    return f'{json.dumps(body)[:-1]}, "detail": {own}}}'
