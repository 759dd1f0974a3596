"""What the page says of a record that the API refuses."""

from typing import Any

import pytest
from pytest_httpserver import HTTPServer


@pytest.fixture
def api_url(httpserver: HTTPServer) -> str:
    """The address of an API that refuses a record for its name."""
    problem = {
        "detail": "The body breaks the rules that errors lists; nothing was written.",
        "errors": [{"pointer": "#/name", "detail": "must be a string"}],
    }
    httpserver.expect_request("/records").respond_with_json(problem, 400)
    return httpserver.url_for("/")


def test_a_refused_form_is_answered_in_words_of_the_form(post: Any) -> None:
    answer = post("/records", {"name": "7"})
    text = answer.data.decode()
    assert answer.status == 400
    assert "The form breaks these rules; nothing was written." in text
    assert '<span class="strong">name</span> must be a string' in text
    assert "The body" not in text
