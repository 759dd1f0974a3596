"""The paths that the emulator's REST APIs get."""

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from local.gateway import EncodedPaths


def path_of(scope: Scope) -> str:
    """The path that an application behind the middleware sees."""
    paths: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        paths.append(scope["path"])

    async def unused(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(EncodedPaths(app)(scope, unused, unused))
    return paths[0]


@pytest.mark.parametrize(
    ("path", "raw_path", "expected"),
    [
        (
            "/restapis/a1/api/_user_request_/records/a/b/50%",
            b"/restapis/a1/api/_user_request_/records/a%2Fb/50%25",
            "/restapis/a1/api/_user_request_/records/a%2Fb/50%25",
        ),
        ("/bucket/a b", b"/bucket/a%20b", "/bucket/a b"),
    ],
)
def test_paths_of_rest_apis_alone_stay_percent_encoded(
    path: str, raw_path: bytes, expected: str
) -> None:
    assert path_of({"type": "http", "path": path, "raw_path": raw_path}) == expected
