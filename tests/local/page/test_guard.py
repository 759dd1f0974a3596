"""Requests that the page refuses, and the headers of its answers."""

from typing import Any

import pytest

HOSTILE = "https://elsewhere.example"


def test_every_answer_forbids_inline_scripts_other_hosts_sniffing_and_caching(
    site: Any, http: Any
) -> None:
    for path in ("/", "/static/page.js", "/absent"):
        headers = http.request("GET", site.origin + path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:1234"])
def test_loopback_hosts_are_served(site: Any, http: Any, host: Any) -> None:
    answer = http.request("GET", site.origin, headers={"Host": host})
    assert answer.status == 200
    assert b"Sluice-test" in answer.data


@pytest.mark.parametrize(
    "host",
    [
        "elsewhere.example",
        "127.0.0.1.elsewhere.example",
        "127.0.0.1:1.elsewhere.example",
        "localhost:80@elsewhere.example",
        "localhost:",
        "10.0.0.1:80",
        "",
        ":80",
    ],
)
def test_other_hosts_are_refused(site: Any, http: Any, host: Any) -> None:
    answer = http.request("GET", site.origin, headers={"Host": host})
    assert answer.status == 403
    assert b"Sluice-test" not in answer.data


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no browser's"),
        pytest.param({"Origin": HOSTILE}, id="origin"),
        pytest.param({"Origin": "null"}, id="opaque origin"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, id="other port"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="same-site"),
        pytest.param(
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, id="form elsewhere"
        ),
    ],
)
@pytest.mark.parametrize("path", ["/records", "/broken", "/seed", "/replay", "/query"])
def test_posts_from_other_pages_are_refused(site: Any, http: Any, path: Any, headers: Any) -> None:
    assert http.request("POST", site.origin + path, headers=headers, body="").status == 403


@pytest.mark.parametrize("headers", [{"Origin": "{}"}, {"Sec-Fetch-Site": "same-origin"}])
def test_a_post_from_the_page_itself_is_taken(site: Any, http: Any, headers: Any) -> None:
    headers = {name: value.format(site.origin) for name, value in headers.items()}
    answer = http.request("POST", f"{site.origin}/query", headers=headers, body="sql=")
    assert answer.status == 400
    assert b"no SQL" in answer.data


def test_other_pages_cannot_read_the_events(site: Any, http: Any) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    assert http.request("GET", f"{site.origin}/events", headers=headers).status == 403


def test_a_link_from_elsewhere_opens_the_page(site: Any, http: Any) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert http.request("GET", site.origin, headers=headers).status == 200
