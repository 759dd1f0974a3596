"""What API Gateway answers by itself."""

import json
from http import HTTPStatus
from typing import Any

import msgspec
import pytest

from chalicelib.problems import Details

KINDS = [
    "ACCESS_DENIED",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
]


def answer(dev: Any, kind: str, message: str = 'a "quoted" message') -> dict[str, Any]:
    """The body of an answer, with API Gateway's message put in its place."""
    (template,) = dev["RestAPI"]["GatewayResponses"][kind]["ResponseTemplates"].values()
    body: dict[str, Any] = json.loads(
        template.replace("$context.error.messageString", json.dumps(message))
    )
    return body


def test_every_kind_of_answer_is_declared(dev: Any) -> None:
    assert sorted(dev["RestAPI"]["GatewayResponses"]) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_a_problem(dev: Any, kind: str) -> None:
    response = dev["RestAPI"]["GatewayResponses"][kind]
    headers = response["ResponseParameters"]["Headers"]
    assert headers == {"Content-Type": "'application/problem+json'"}
    assert response["ResponseTemplates"].keys() == {"application/json"}
    assert "StatusCode" not in response, "AWS's own statuses stay"
    body = answer(dev, kind)
    assert body["type"] == "about:blank"
    assert body["detail"]
    if not kind.startswith("DEFAULT"):
        details = msgspec.convert(body, Details)
        assert details.title == HTTPStatus(details.status).phrase


def test_an_unknown_route_and_a_missing_signature_are_named(dev: Any) -> None:
    body = answer(dev, "MISSING_AUTHENTICATION_TOKEN")
    assert body["status"] == HTTPStatus.FORBIDDEN
    assert "no such route" in body["detail"]
    assert "sign it" in body["detail"]


def test_other_answers_give_the_reason_of_api_gateway(dev: Any) -> None:
    assert answer(dev, "DEFAULT_5XX")["detail"] == 'a "quoted" message'
    assert answer(dev, "ACCESS_DENIED")["detail"] == 'a "quoted" message'
