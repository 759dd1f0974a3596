"""Problems as answers: `application/problem+json` (RFC 9457).

Errors become answers here and nowhere else. Logs name the place and the kind, never a payload.
"""

import traceback
from collections.abc import Callable, Sequence
from functools import wraps
from http import HTTPStatus
from typing import Literal, ParamSpec

import msgspec
from chalice.app import Response
from msgspec import UNSET, UnsetType

from chalicelib.errors import ERRORS_MAX, FieldError, Problem
from chalicelib.logs import log


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """A problem in an answer's body."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    detail: str
    errors: Sequence[FieldError] | UnsetType = UNSET


Arguments = ParamSpec("Arguments")


def problem_response(problem: Problem) -> Response:
    """Return the answer to a request that has a problem."""
    details = Details(
        title=problem.status.phrase,
        status=problem.status.value,
        detail=problem.detail,
        errors=problem.errors[:ERRORS_MAX] or UNSET,
    )
    return Response(
        msgspec.json.encode(details).decode(),
        {"Content-Type": "application/problem+json", **problem.headers},
        problem.status.value,
    )


def answering_problems(view: Callable[Arguments, Response]) -> Callable[Arguments, Response]:
    """Decorate a view to answer its problems, and any other exception as an internal error.

    A decorator and no Chalice middleware: Chalice answers a view's exceptions before middleware
    sees them, and logs their messages, which may quote a payload.
    """

    @wraps(view)
    def answer(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
        try:
            return view(*args, **kwargs)
        except Problem as problem:
            if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                log("ERROR", problem.detail, status=problem.status)
            return problem_response(problem)
        except Exception as error:
            log(
                "ERROR",
                "unexpected exception",
                exception=type(error).__qualname__,
                at=[
                    f"{frame.filename}:{frame.lineno} {frame.name}"
                    for frame in traceback.extract_tb(error.__traceback__)
                ],
            )
            return problem_response(
                Problem(
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    "The request failed unexpectedly; the function's log says where.",
                )
            )

    return answer
