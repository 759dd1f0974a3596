import json
from http import HTTPStatus
from typing import Any

import pytest
from chalice.app import Response

from chalicelib.errors import (
    ERRORS_MAX,
    FieldError,
    Invalid,
    NotFound,
    Problem,
    TooLarge,
    Unavailable,
)
from chalicelib.problems import answering_problems


def answered(error: Exception) -> Response:
    @answering_problems
    def view() -> Response:
        raise error

    return view()


def body_of(response: Response) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(response.body)
    return body


def test_a_problem_is_answered_as_rfc_9457_has_it() -> None:
    response = answered(Invalid("Two rules are broken.", [FieldError("#/name", "is too odd")]))
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert body_of(response) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "Two rules are broken.",
        "errors": [{"pointer": "#/name", "detail": "is too odd"}],
    }


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (Invalid("x"), 400),
        (NotFound("x"), 404),
        (TooLarge("x"), 413),
        (Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "x"), 415),
        (Unavailable("x"), 503),
    ],
)
def test_each_problem_has_its_status_and_no_empty_list_of_errors(
    problem: Problem, status: int
) -> None:
    response = answered(problem)
    assert response.status_code == body_of(response)["status"] == status
    assert "errors" not in body_of(response)


def test_a_problem_says_when_to_try_again_only_where_that_may_help() -> None:
    assert answered(Unavailable("x", retry_after=3)).headers["Retry-After"] == "3"
    assert "Retry-After" not in answered(Unavailable("x")).headers


def test_an_answer_lists_no_more_errors_than_lambda_can_return() -> None:
    response = answered(Invalid("x", [FieldError("#/a", "b")] * (ERRORS_MAX + 1)))
    assert len(body_of(response)["errors"]) == ERRORS_MAX


def test_an_unexpected_exception_is_a_500_whose_log_says_where_and_never_what(
    capsys: pytest.CaptureFixture[str],
) -> None:
    response = answered(KeyError("a payload's secret"))
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    logged = json.loads(capsys.readouterr().out)
    assert logged["exception"] == "KeyError"
    assert any(__file__ in place for place in logged["at"])
    assert "secret" not in json.dumps(logged) + response.body


def test_what_is_the_services_own_fault_is_logged_and_what_is_the_senders_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answered(Invalid("the sender's"))
    assert capsys.readouterr().out == ""
    answered(Unavailable("the service's"))
    assert json.loads(capsys.readouterr().out)["message"] == "the service's"


def test_an_answer_passes_through() -> None:
    @answering_problems
    def view(name: str) -> Response:
        return Response(name)

    assert view("as it is").body == "as it is"
    assert view.__name__ == "view"
