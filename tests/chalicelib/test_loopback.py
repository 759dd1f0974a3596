from collections.abc import Mapping

import pytest
from chalice.app import Request

from chalicelib.errors import Problem
from chalicelib.loopback import refuse_foreign

LOCAL = "AWS_CHALICE_CLI_MODE"


def request(headers: Mapping[str, str]) -> Request:
    return Request(
        {
            "headers": dict(headers),
            "multiValueQueryStringParameters": None,
            "pathParameters": {},
            "stageVariables": None,
            "body": None,
            "isBase64Encoded": False,
            "requestContext": {"httpMethod": "GET", "resourcePath": "/"},
        }
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "evil.example"},
        {"host": "127.0.0.1:1.evil.example"},
        {"host": "localhost.evil.example:8000"},
        {"host": "localhost:8000", "origin": "http://evil.example"},
        {"host": "localhost:8000", "origin": "null"},
        {"host": "localhost:8000", "origin": "http://localhost:3000"},
        {"host": "localhost:8000", "origin": "https://localhost:8000"},
        {"host": "localhost:8000", "sec-fetch-site": "cross-site"},
        {"host": "localhost:8000", "sec-fetch-site": "same-site"},
        {"host": "bucket.localhost:8000"},
    ],
)
def test_chalice_local_refuses_other_hosts_and_origins(
    headers: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LOCAL, "true")
    with pytest.raises(Problem) as refused:
        refuse_foreign(request(headers))
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:8000"},
        {"host": "localhost"},
        {"host": "LocalHost:8000"},
        {"host": "localhost:8000", "origin": "http://localhost:8000"},
        {"host": "localhost:8000", "sec-fetch-site": "same-origin"},
        {"host": "localhost:8000", "sec-fetch-site": "none"},
        {"host": "localhost:8000", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
)
def test_chalice_local_serves_this_machine(
    headers: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LOCAL, "true")
    refuse_foreign(request(headers))


def test_on_aws_any_host_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LOCAL, raising=False)
    refuse_foreign(request({"host": "abc.execute-api.eu-west-1.amazonaws.com"}))
