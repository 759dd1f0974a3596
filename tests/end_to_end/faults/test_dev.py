"""`make dev` outlives each of its parts but the emulator, and reports what ended, and why."""

import gzip
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

import urllib3

from local.processes import free_port
from local.session import emulator_session
from tests.end_to_end.faults.stack import REPORT_SECONDS, wait_until
from tests.local.runs import processes_of_run, read_until, started

CUT = "data/siteId=a/year=2026/month=01/day=01/hour=00/minute=00/cut.gz"
PORTS = ("port", "firehose-port", "api-port", "page-port")


def kill(run: subprocess.Popen[str], mark: str, module: str, report: str) -> None:
    """Kill a process of the run; its end is reported in one line, soon."""
    os.kill(process_of(mark, module), signal.SIGKILL)
    killed = time.monotonic()
    read_until(run, f"{report} was killed by SIGKILL; ")
    assert time.monotonic() - killed < REPORT_SECONDS


def process_of(mark: str, module: str) -> int:
    """Return the id of the run's process with a module."""
    (pid,) = (pid for pid, command in processes_of_run(mark).items() if module in command)
    return pid


def transform_runs(mark: str) -> bool:
    """Whether the emulator has a process for a function, beside its own."""
    return sum("ministack" in command for command in processes_of_run(mark).values()) > 1


def answers(request: Callable[[], urllib3.BaseHTTPResponse], text: bytes) -> Callable[[], bool]:
    """Return whether a server answers with a text, as a question to repeat."""

    def ask() -> bool:
        with suppress(urllib3.exceptions.HTTPError):
            return text in request().data
        return False

    return ask


def test_dev_outlives_its_parts_and_a_damaged_object_but_not_its_emulator() -> None:
    mark = uuid.uuid4().hex
    urls = {name: f"http://127.0.0.1:{free_port()}" for name in PORTS}
    ports = [f"--{name}={url.rpartition(':')[2]}" for name, url in urls.items()]
    with started("dev", *ports, mark=mark) as run:
        read_until(run, "sluice tree")
        s3 = emulator_session().client("s3", endpoint_url=urls["port"])
        (bucket,) = (
            each["Name"] for each in s3.list_buckets()["Buckets"] if "lake" in each["Name"]
        )
        s3.put_object(Bucket=bucket, Key=CUT, Body=gzip.compress(b"{}\n" * 100)[:30])
        page = answers(lambda: urllib3.request("GET", urls["page-port"], retries=False), b"cut.gz")
        wait_until(page, "the damaged object on the page")
        kill(run, mark, "local.page", "the local page")
        wait_until(page, "the page again")
        kill(run, mark, "chalice", "chalice local")
        record, url = {"siteId": "2"}, urls["api-port"] + "/records"
        api = answers(lambda: urllib3.request("POST", url, json=record, retries=False), b"siteId")
        wait_until(api, "the API again")
        wait_until(lambda: transform_runs(mark), "the record at the transform")
        kill(run, mark, "ministack ", "error: the emulator")
        rest, _ = run.communicate(timeout=60)
        assert run.returncode == 1
        assert "Traceback" not in rest
    assert processes_of_run(mark) == {}
