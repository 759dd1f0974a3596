"""Problems: what a request can meet, and the `application/problem+json` (RFC 9457) that tells it.

Errors become answers here and nowhere else. Logs name where and what kind, never a payload.
"""

import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from http import HTTPStatus
from typing import Literal, ParamSpec

import msgspec
from chalice.app import Response
from msgspec import UNSET, UnsetType

from chalicelib.logs import log

ERRORS_MAX = 5_000
"""Errors one answer lists, so that it stays within Lambda's 6 MB
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong at one place of a body: a JSON pointer (as a URI fragment) and a sentence."""

    pointer: str
    detail: str


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """A problem as an answer's body tells it."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    detail: str
    errors: Sequence[FieldError] | UnsetType = UNSET


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A reason not to do what a request asks, told to its sender with this status."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> Response:
        """The problem as an answer."""
        details = Details(
            title=self.status.phrase,
            status=self.status.value,
            detail=self.detail,
            errors=self.errors[:ERRORS_MAX] or UNSET,
        )
        return Response(
            msgspec.json.encode(details).decode(),
            {"Content-Type": "application/problem+json", **self.headers},
            self.status.value,
        )


class Invalid(Problem):
    """A body or parameter that breaks a rule."""

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, detail, errors)


class TooLarge(Problem):
    """A body or a record above its limit."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


class NotFound(Problem):
    """A record that is not there."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, detail)


class Unavailable(Problem):
    """A table that cannot serve now. `retry_after` is in seconds, where trying again may help."""

    def __init__(
        self, detail: str, retry_after: int | None = None, errors: Sequence[FieldError] = ()
    ) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, detail, errors, headers)
        self.retry_after = retry_after


Arguments = ParamSpec("Arguments")


def answering_problems(view: Callable[Arguments, Response]) -> Callable[Arguments, Response]:
    """A view that answers its problems, and any other exception as an internal error.

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
            return problem.response()
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
            return Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "The request failed unexpectedly; the function's log says where.",
            ).response()

    return answer
