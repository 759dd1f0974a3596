import pytest
from chalice.app import MultiDict, Request
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import web
from chalicelib.errors import Invalid, NotFound, Problem
from chalicelib.schema import TABLE


def request(
    body: str | bytes | None = "{}",
    content_type: str | None = "application/json",
    path: str = "/records",
    base64: bool = False,
) -> Request:
    return Request(
        {
            "multiValueQueryStringParameters": None,
            "headers": {} if content_type is None else {"Content-Type": content_type},
            "pathParameters": None,
            "requestContext": {"httpMethod": "POST", "resourcePath": "/records", "path": path},
            "stageVariables": None,
            "isBase64Encoded": base64,
            "body": body,
        }
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", None],
)
def test_json_is_taken(content_type: str | None) -> None:
    assert web.json_body(request(content_type=content_type)) == b"{}"


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/jsonl", "application/x-www-form-urlencoded", "json"],
)
def test_another_content_type_is_a_415_with_the_remedy(content_type: str) -> None:
    with pytest.raises(Problem, match="Content-Type: application/json") as raised:
        web.json_body(request(content_type=content_type))
    assert raised.value.status == 415


def test_a_body_in_base64_is_decoded() -> None:
    assert web.json_body(request("eyJhIjoxfQ==", base64=True)) == b'{"a":1}'


def test_a_missing_body_is_empty() -> None:
    assert web.json_body(request(None)) == b""


@pytest.mark.parametrize(("body", "base64"), [("\ud800", False), ("é", True), ("abc", True)])
def test_a_body_that_no_bytes_can_be_had_of_is_refused(body: str, base64: bool) -> None:
    with pytest.raises(Invalid, match="base64"):
        web.json_body(request(body, base64=base64))


@given(st.text(min_size=1, max_size=512))
def test_an_id_survives_its_location(key: str) -> None:
    where = web.location(TABLE, request(path="/stage/records/"), {"id": key})
    assert where.startswith("/stage/records/")
    segment = where.removeprefix("/stage/records/")
    assert segment.isascii()
    assert not set(segment) & set("/?#; ")
    assert web.record_key(TABLE, [segment]) == {"id": {"S": key}}


@pytest.mark.parametrize("segment", ["%ff", "x" * 2049, "%C3%A9" * 1025, ""])
def test_an_id_that_no_record_can_have_is_not_found(segment: str) -> None:
    with pytest.raises(NotFound):
        web.record_key(TABLE, [segment])


@given(st.text(min_size=1, max_size=512))
def test_a_token_leads_back_to_its_id(key: str) -> None:
    after = {"id": {"S": key}}
    assert web.page(TABLE, MultiDict({"token": [web.token([key])], "limit": ["7"]})) == (7, after)


def test_without_parameters_a_page_is_the_first() -> None:
    assert web.page(TABLE, None) == (web.LIMIT_DEFAULT, None)


def test_other_parameters_are_refused() -> None:
    with pytest.raises(Invalid, match="only parameters are limit and token"):
        web.page(TABLE, MultiDict({"colour": ["red"]}))


def test_a_parameter_that_stands_twice_is_refused() -> None:
    with pytest.raises(Invalid, match="limit occurs twice"):
        web.page(TABLE, MultiDict({"limit": ["1", "2"]}))


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "+1", "1.0", "", " 1", "ten", "٣", "9" * 99])
def test_a_bad_limit_is_named_with_its_rule(limit: str) -> None:
    with pytest.raises(Invalid, match="limit must be an integer from 1 to 1000"):
        web.page(TABLE, MultiDict({"limit": [limit]}))


@pytest.mark.parametrize(
    "token",
    ["", "x", "abc", "é", "WyJhIl0=", "WyJh\nIl0", "Wy Il0", "WzFd", "WyJhIiwiYiJd", "WyIiXQ"],
)
def test_a_bad_token_is_named_with_its_remedy(token: str) -> None:
    with pytest.raises(Invalid, match="token must be the nextToken"):
        web.page(TABLE, MultiDict({"token": [token]}))


def test_a_token_of_an_over_long_id_is_refused() -> None:
    with pytest.raises(Invalid, match="token"):
        web.page(TABLE, MultiDict({"token": [web.token(["x" * 2049])]}))


def test_bad_parameters_are_named_together() -> None:
    with pytest.raises(Invalid, match=r"limit .* token"):
        web.page(TABLE, MultiDict({"limit": ["0"], "token": ["x"]}))
