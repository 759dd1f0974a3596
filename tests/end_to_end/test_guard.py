"""A hostile web page in a browser on this machine, against every server of the local run."""

import base64
import html
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Response
from pytest_httpserver import HTTPServer

from local.processes import Process, free_port
from local.session import emulator_session
from tests.end_to_end.browser import chromium
from tests.end_to_end.deployment import Deployed

HOSTILE = "hostile.test"
"""A name that resolves to this machine, as one does that its owner has bound anew."""

FUNCTION = "of-a-web-page"

TARGETS = {
    "emulator": "/2015-03-31/functions",
    "firehose": "/",
    "page": "/seed",
    "api": "/records",
}
"""The servers, each with a path to post to."""

FETCH = """async ([url, body]) => {
    const answers = [];
    for (const options of [
        {}, {mode: "no-cors"}, {method: "POST", body}, {method: "POST", mode: "no-cors", body},
        {method: "POST", body, headers: {"Content-Type": "application/json"}},
        {method: "POST", body, headers: {"X-Amz-Target": "DynamoDB_20120810.ListTables"}},
        {method: "DELETE"},
    ]) {
        try {
            const answer = await fetch(url, options);
            answers.push(answer.type === "opaque" ? "opaque" : String(answer.status));
        } catch { answers.push("blocked"); }
    }
    return answers;
}"""

OPEN_WEBSOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url);
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
})"""


@pytest.fixture(scope="module")
def servers(stack_under_test: Deployed) -> Iterator[dict[str, str]]:
    """The origin of every server that `make dev` starts."""
    if (session := stack_under_test.local) is None:
        pytest.skip("the guard stands on this machine only")
    ports = {"api": free_port(), "page": free_port()}
    api = f"http://127.0.0.1:{ports['api']}"
    with ExitStack() as stack:

        def stopped_after(process: Process) -> None:
            stack.callback(process.stop)

        stopped_after(session.start_api(ports["api"]))
        stopped_after(session.start_page(ports["page"], api))
        yield {
            "emulator": session.endpoint_url,
            "firehose": session.firehose_url,
            "page": f"http://127.0.0.1:{ports['page']}",
            "api": api,
        }
        for name in ports:
            session.processes.pop(name, None)


@pytest.fixture
def hostile_page(httpserver: HTTPServer) -> Iterator[Page]:
    """A tab with a page of another host, whose name resolves to this machine."""
    with chromium("--host-resolver-rules=MAP *.test 127.0.0.1") as browser:
        page = browser.new_context().new_page()
        httpserver.expect_request("/").respond_with_data("", content_type="text/html")
        page.goto(f"http://{HOSTILE}:{httpserver.port}/")
        yield page


def function(marker: Path) -> dict[str, Any]:
    """A function that would leave a file on this machine."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("h.py", f"def handler(e, c): open({str(marker)!r}, 'w').close()")
    return {
        "FunctionName": FUNCTION,
        "Runtime": f"python3.{sys.version_info.minor}",
        "Handler": "h.handler",
        "Role": "arn:aws:iam::000000000000:role/x",
        "Code": {"ZipFile": base64.b64encode(code.getvalue()).decode()},
        # A form of text/plain puts a "=" between name and value: it stands in here.
        "Description": "=",
        "siteId": "2",
        "id": FUNCTION,
    }


def submit(page: Page, url: str, body: str) -> Response:
    """The answer to a form that a page posts into a pop-up."""
    name, _, value = body.partition("=")
    page.set_content(
        f'<form method=post enctype=text/plain target=_blank action="{html.escape(url)}">'
        f'<input type=hidden name="{html.escape(name)}" value="{html.escape(value)}">'
        "<button>Play</button></form>"
    )
    with page.context.expect_event("response", lambda each: each.url == url) as answer:
        page.get_by_role("button").click()
    response: Response = answer.value
    return response


def test_no_web_page_gets_anything_from_a_server_of_this_machine(
    servers: dict[str, str], hostile_page: Page, stack_under_test: Deployed, tmp_path: Path
) -> None:
    marker = tmp_path / "written by a web page"
    body = json.dumps(function(marker))
    origin = hostile_page.url
    for name, address in servers.items():
        url = address + TARGETS[name]
        answers = hostile_page.evaluate(FETCH, [url, body])
        assert set(answers) <= {"blocked", "opaque"}, (name, answers)
        socket = hostile_page.evaluate(OPEN_WEBSOCKET, url.replace("http:", "ws:"))
        assert socket == "refused", name
        answer = submit(hostile_page, url, body)
        assert (answer.request.method, answer.status) == ("POST", 403), name
        rebound = url.replace("127.0.0.1", HOSTILE)
        opened = hostile_page.goto(rebound)
        assert opened is not None
        assert opened.status == 403, name
        # Chalice itself answers 405 to a method that the path does not have.
        assert set(hostile_page.evaluate(FETCH, [rebound, body])) <= {"403", "405"}, name
        hostile_page.goto(origin)
    invocation = f"{servers['emulator']}/2015-03-31/functions/{FUNCTION}/invocations"
    assert submit(hostile_page, invocation, body).status == 403
    session = emulator_session()
    functions = session.client("lambda", endpoint_url=servers["emulator"]).list_functions()
    assert FUNCTION not in [each["FunctionName"] for each in functions["Functions"]]
    assert not marker.exists()
    assert stack_under_test.api.send("GET", f"/records/{FUNCTION}")[0] == 404


def test_a_link_elsewhere_runs_no_operation_of_the_emulator(
    servers: dict[str, str], hostile_page: Page
) -> None:
    url = f"{servers['emulator']}/?Action=CreateQueue&QueueName={FUNCTION}"
    hostile_page.set_content(f'<a href="{html.escape(url)}">Play</a>')
    with hostile_page.expect_response(url) as answer:
        hostile_page.get_by_role("link").click()
    assert answer.value.status == 403
    # As a link in a mail or a chat does: the browser takes it for its user's own address.
    opened = hostile_page.context.new_page().goto(url)
    assert opened is not None
    assert opened.request.all_headers()["sec-fetch-site"] == "none"
    assert opened.status == 403
    sqs = emulator_session().client("sqs", endpoint_url=servers["emulator"])
    assert not sqs.list_queues(QueueNamePrefix=FUNCTION).get("QueueUrls")
