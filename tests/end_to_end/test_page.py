"""The page in a browser, in front of the deployed stack."""

import json
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3
import pytest
from playwright.sync_api import Browser, Locator, Route, expect
from playwright.sync_api import Page as Tab

from chalicelib.partitions import FEED_KEPT
from chalicelib.schema import TABLE
from local.processes import free_port
from sluice.query.saved import saved_queries
from tests.end_to_end.browser import chromium
from tests.end_to_end.deployment import Deployed
from tests.sluice.recovery.failures import change, failure

WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)
HOSTILE = "<img src=x onerror=alert(1)> \"'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(stack_under_test: Deployed) -> Iterator[str]:
    if (session := stack_under_test.local) is None:
        pytest.skip("the page shows only the stack of this machine")
    port = free_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", session.endpoint_url)
        api_url = stack_under_test.stack.api_url
    session.start_page(port, api_url)
    yield f"http://127.0.0.1:{port}/"
    session.processes.pop("page").stop()


@dataclass
class Visit:
    """A tab with the page, and what the browser complained about."""

    tab: Tab
    complaints: list[str]

    @property
    def quarantine(self) -> Locator:
        return self.tab.locator("#quarantine")

    def post(self, **fields: str) -> None:
        for name, value in fields.items():
            self.tab.locator(f"#field-{name}").fill(value)
        self.tab.get_by_role("button", name="Post record").click()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    tab = browser.new_page()
    tab.set_default_timeout(WAIT_MS)
    visit = Visit(tab, [])
    tab.on("pageerror", lambda error: visit.complaints.append(error.stack or str(error)))
    tab.on("console", lambda message: visit.complaints.append(message.text))
    tab.on("dialog", lambda dialog: visit.complaints.append(dialog.message))
    tab.goto(address)
    expect(tab.locator("#live")).to_have_attribute("data-state", "live")
    yield visit
    tab.close()


@contextmanager
def transform_out_of_order(stack: Deployed) -> Iterator[None]:
    functions = boto3.client("lambda")
    name = stack.stack.output("TransformName")
    handler = functions.get_function_configuration(FunctionName=name)["Handler"]
    functions.update_function_configuration(FunctionName=name, Handler="absent.absent")
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Handler=handler)


def test_a_record_posted_in_the_form_is_seen_to_arrive_in_its_partition(
    visit: Visit, deployed_stack: Deployed
) -> None:
    site, record_id = f"{HOSTILE}{uuid.uuid4().hex[:6]}", uuid.uuid4().hex
    visit.post(id=record_id, siteId=site, name=HOSTILE, createdAtTime="1700076551926")
    journey = visit.tab.locator(".journey", has_text=record_id)
    expect(journey.locator("li.done")).to_have_count(3)
    expect(journey).to_contain_text("year=2023/month=11/day=15/hour=19/minute=29/")
    expect(visit.tab.locator("#latest")).to_contain_text(site)
    (arrived,) = deployed_stack.wait_for(1, lambda line: line["id"] == record_id)
    assert arrived[1]["name"] == HOSTILE
    assert visit.complaints == []


def test_every_wrong_field_is_named(visit: Visit) -> None:
    visit.post(siteId="2", valueOne="many", createdAtTime="-4")
    refused = visit.tab.locator("#posted .bad")
    expect(refused).to_contain_text("The form breaks these rules; nothing was written.")
    expect(refused).to_contain_text("valueOne")
    expect(refused).to_contain_text("createdAtTime")
    expect(refused.locator("li")).to_have_count(2)


def test_a_broken_record_is_seen_in_quarantine_with_its_reason_and_bytes(visit: Visit) -> None:
    visit.tab.get_by_role("button", name="Send a broken record").click()
    expect(visit.quarantine).to_contain_text("Lambda.ProcessingFailedStatus")
    first = visit.quarantine.locator("details").first
    expect(first.locator("summary")).to_contain_text("is not a change of the table: ")
    first.locator("summary").click()
    expect(first).to_contain_text("The function gave this record the status ProcessingFailed")
    assert visit.complaints == []


def test_a_record_quarantined_by_a_fault_arrives_once_it_is_fixed_and_replayed(
    visit: Visit, deployed_stack: Deployed
) -> None:
    site = f"fixed-{uuid.uuid4().hex[:6]}"
    replay = visit.tab.get_by_role("button", name="Replay Lambda.FunctionError")
    with transform_out_of_order(deployed_stack):
        visit.post(siteId=site)
        expect(replay).to_be_visible()
    replay.click()
    expect(visit.tab.locator("#replayed")).to_contain_text("put through Firehose again")
    deployed_stack.wait_for(1, lambda line: line["siteId"] == site)
    expect(replay).to_have_count(0)


def test_what_the_feed_gave_up_is_listed_with_its_condition_until_it_is_gone(
    visit: Visit, deployed_stack: Deployed
) -> None:
    stack, key = deployed_stack.stack, f"{FEED_KEPT}{uuid.uuid4()}"
    table = stack.dynamodb.describe_table(TableName=stack.output("TableName"))["Table"]
    body = json.dumps(failure([change("kept", stream_arn=table["LatestStreamArn"])]))
    stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=body)
    try:
        condition = visit.quarantine.locator(".codes li", has_text="RetryAttemptsExhausted")
        expect(condition).to_contain_text("1 change")
        first = visit.quarantine.locator("details", has_text=f"{key}, change 1")
        expect(first).to_contain_text("The feed gave it up")
    finally:
        stack.s3.delete_object(Bucket=stack.bucket, Key=key)
    expect(condition).to_have_count(0)
    assert visit.complaints == []


def test_a_question_is_answered_with_rows_and_a_chart(visit: Visit) -> None:
    sites = [f"{number}-{uuid.uuid4().hex[:6]}" for number in range(2)]
    for site in sites:
        visit.post(siteId=site)
        expect(visit.tab.locator("#latest")).to_contain_text(site)
        arrived = visit.tab.locator(".journey", has_text=f"data/siteId={site}/")
        expect(arrived.locator("li.done")).to_have_count(3)
    expect(visit.tab.locator("#heat tbody tr").first).to_be_visible()
    visit.tab.get_by_label("Saved query").select_option("largest")
    box = visit.tab.get_by_label("SQL", exact=True)
    expect(box).to_have_value(saved_queries(TABLE)["largest"].sql.strip())
    box.press("Control+Enter")
    expect(visit.tab.locator("#result-table th").first).to_have_text("siteid")
    expect(visit.tab.locator("#chart canvas")).to_be_visible()
    assert visit.complaints == []


def test_numbers_stay_exact_and_columns_of_one_name_are_all_there(visit: Visit) -> None:
    visit.tab.get_by_label("SQL", exact=True).fill(
        "-- two rows\nSELECT a AS name, b AS n, c AS n, d AS name "
        "FROM (VALUES ('a', 9007199254740993, 1, 'x'), ('b', 2, 1, 'y')) AS t(a, b, c, d)"
    )
    visit.tab.get_by_role("button", name="Run").click()
    heads = visit.tab.locator("#result-table th")
    expect(heads).to_have_text(["name", "n", "n_2", "name_2"])
    visit.tab.locator("#chart .u-over").hover(position={"x": 5, "y": 5})
    expect(visit.tab.locator("#chart .u-legend")).to_contain_text("9007199254740993")
    expect(visit.tab.locator("#result-table td").first).to_have_attribute("title", "a")
    assert visit.complaints == []


def test_an_answer_without_rows_names_its_columns(visit: Visit) -> None:
    visit.tab.get_by_label("SQL", exact=True).fill("SELECT siteid, id FROM changes WHERE 1 = 0")
    visit.tab.get_by_role("button", name="Run").click()
    expect(visit.tab.locator("#result")).to_contain_text("the columns are siteid, id")


def test_a_missing_value_is_named_by_its_field(visit: Visit) -> None:
    visit.tab.get_by_label("Saved query").select_option("history")
    expect(visit.tab.get_by_label("SQL", exact=True)).not_to_have_value(re.compile("GROUP BY 1"))
    visit.tab.get_by_role("button", name="Run").click()
    expect(visit.tab.locator("#result")).to_contain_text("history needs “Key”")


def test_a_query_is_cancelled_by_its_button(visit: Visit) -> None:
    visit.tab.get_by_label("SQL", exact=True).fill(
        "SELECT count(*) FROM range(100000000000) a, range(100000) b WHERE a.range % 7 = b.range"
    )
    cancel = visit.tab.get_by_role("button", name="Cancel")
    expect(cancel).to_be_hidden()
    visit.tab.get_by_role("button", name="Run").click()
    cancel.click()
    expect(visit.tab.locator("#result")).to_have_text("The query was cancelled.")
    expect(cancel).to_be_hidden()
    expect(visit.tab.get_by_role("button", name="Run")).to_be_enabled()
    assert visit.complaints == []


def test_the_heat_map_opens_at_its_newest_column(visit: Visit, deployed_stack: Deployed) -> None:
    site, years = f"heat-{uuid.uuid4().hex[:6]}", range(2010, 2024)
    times = [int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000 for year in years]
    # The map has the sites with the newest records, so the last one is of this moment.
    times.append(int(datetime.now(UTC).timestamp()) * 1000)
    records = [{"siteId": site, "createdAtTime": time} for time in times]
    deployed_stack.api.request("POST", "/records/batch", records)
    deployed_stack.wait_for(len(records), lambda line: line["siteId"] == site)
    visit.tab.set_viewport_size({"width": 360, "height": 740})
    visit.tab.reload()
    columns = visit.tab.locator("#heat th.time")
    expect(columns.nth(len(years) - 1)).to_be_attached()
    expect(visit.tab.locator("#heat tbody")).to_contain_text(site)
    region = visit.tab.locator("#heat .scroll")
    assert region.evaluate("(box) => box.scrollWidth > box.clientWidth")
    # At its own height on the page: what is asked is where it is between left and right.
    region.scroll_into_view_if_needed()
    expect(columns.last).to_be_in_viewport()
    expect(columns.first).not_to_be_in_viewport()
    assert visit.complaints == []


def test_the_page_fits_a_phone_and_starts_with_a_link_past_its_head(visit: Visit) -> None:
    visit.tab.set_viewport_size({"width": 360, "height": 740})
    expect(visit.tab.locator(".drawing.tall")).to_be_visible()
    expect(visit.tab.locator(".drawing.wide")).to_be_hidden()
    assert visit.tab.evaluate("document.documentElement.scrollWidth") == 360
    visit.tab.keyboard.press("Tab")
    expect(visit.tab.get_by_role("link", name="Skip to the pipeline")).to_be_focused()


def test_the_page_goes_live_however_late_its_last_script_comes(
    browser: Browser, address: str
) -> None:
    held: list[Route] = []
    tab = browser.new_page()
    tab.route("**/hx-sse.min.js", lambda route: held.append(route))
    tab.goto(address, wait_until="commit")
    deadline = time.monotonic() + WAIT_MS / 1000
    while not tab.evaluate("typeof htmx !== 'undefined'"):
        assert time.monotonic() < deadline, "htmx did not load"
    tab.evaluate("new Promise((done) => setTimeout(done))")
    held[0].continue_()
    expect(tab.locator("#live")).to_have_attribute("data-state", "live")
    tab.close()
