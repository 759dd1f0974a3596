"""The client of the API: which answers are asked again, and what it raises."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sluice.api import Api
from sluice.errors import OperationError
from tests.chalicelib.test_exact import BEYOND

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.fixture
def server(script_server: HTTPServer) -> Iterator[HTTPServer]:
    yield script_server
    script_server.clear()


@pytest.fixture
def api(server: HTTPServer) -> Api:
    return Api(server.url_for("/api/"))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_answer_that_passes_is_asked_again_with_the_same_body(
    api: Api, server: HTTPServer, status: int
) -> None:
    statuses = iter([status, status, 201])
    bodies: list[object] = []

    def answer(request: Request) -> Response:
        bodies.append(request.get_json())
        return Response('{"id": "1"}', next(statuses))

    server.expect_request("/api/records", method="POST").respond_with_handler(answer)
    assert api.request("POST", "/records", {"id": "1"}) == (201, {"id": "1"})
    assert bodies == [{"id": "1"}] * 3


def test_numbers_go_out_and_come_in_to_the_last_digit(api: Api, server: HTTPServer) -> None:
    number = "1234567890123456789.0123456789012345678"

    def answer(request: Request) -> Response:
        assert request.get_data() == f'{{"price":{number}}}'.encode()
        return Response(request.get_data())

    server.expect_request("/api/records").respond_with_handler(answer)
    record = {"price": Decimal(number)}
    assert api.request("POST", "/records", record) == (200, record)


def test_a_refusal_is_raised_at_once_with_its_reason(api: Api, server: HTTPServer) -> None:
    server.expect_ordered_request("/api/records").respond_with_json({"detail": "no"}, status=400)
    with pytest.raises(OperationError, match="GET /records was answered 400: no"):
        api.request("GET", "/records")


@pytest.mark.parametrize("body", ["<html>", "\xff", *BEYOND])
def test_an_answer_that_cannot_be_read_is_reported(api: Api, server: HTTPServer, body: str) -> None:
    server.expect_request("/api/records").respond_with_data(body.encode("latin-1"), status=500)
    with pytest.raises(OperationError, match="answered 500: an answer that is not JSON"):
        api.request("GET", "/records")


def test_an_api_that_does_not_answer_is_named(closed_endpoint: str) -> None:
    with pytest.raises(OperationError, match=f"the API at {closed_endpoint} cannot be reached"):
        Api(closed_endpoint).request("GET", "/records")
