"""The command, as a process: what it says, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.firehose.__main__ import listen
from local.processes import LOOPBACK
from tests.local.firehose.stand import DEADLINE_SECONDS, asks, client, ok, poll, status

RECORD = asks(ok("a\n", site="a"))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "local.firehose", *arguments]


def refusal(*arguments: str) -> str:
    """What a command says that ends at once with exit code 1."""
    ended = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=DEADLINE_SECONDS
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.startswith("Error: ")
    assert "Traceback" not in ended.stderr
    return ended.stderr


@dataclass
class Launched:
    process: subprocess.Popen[str]
    url: str
    said: str
    client: Any

    def end(self, number: int) -> tuple[int, str]:
        """Its exit code after a signal, and its last words."""
        self.process.send_signal(number)
        out, error = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, out + error


@pytest.fixture
def launch(emulator: str) -> Iterator[Callable[..., Launched]]:
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> Launched:
        process = subprocess.Popen(
            command("--endpoint-url", emulator, "--port", "0", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        processes.append(process)
        assert process.stdout
        said = ""
        while not (ready := re.search(r"listens at (http://127\.0\.0\.1:\d+)", said)):
            line = process.stdout.readline()
            assert line, process.communicate()
            said += line
        return Launched(process, ready[1], said, client("firehose", ready[1]))

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_an_answer_does_not_wait_for_the_clients_acknowledgement() -> None:
    with (
        listen(0) as listener,
        socket.create_connection((LOOPBACK, listener.getsockname()[1])),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_is_refused(emulator: str, deploy: Any) -> None:
    stream = deploy()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal("--endpoint-url", emulator, "--stream", stream.name, "--port", port)
    assert f"port {port} is in use" in said


def test_an_emulator_that_is_away_is_named(closed_endpoint: Any) -> None:
    said = refusal("--endpoint-url", closed_endpoint, "--port", "0")
    assert f"no AWS emulator answers at {closed_endpoint}" in said


def test_a_missing_stream_is_named_beside_the_deployed_ones(emulator: str, deploy: Any) -> None:
    stream = deploy()
    said = refusal("--endpoint-url", emulator, "--port", "0", "--stream", "absent")
    assert "no delivery stream named absent" in said
    assert stream.name in said


def test_a_stream_that_cannot_be_run_is_refused_with_its_reasons(
    emulator: str, deploy: Any
) -> None:
    stream = deploy(CompressionFormat="ZIP")
    said = refusal("--endpoint-url", emulator, "--port", "0", "--stream", stream.name)
    assert stream.name in said
    assert "CompressionFormat is ZIP" in said


def test_the_start_shows_the_deployed_intervals_beside_the_local_ones(
    launch: Any, deploy: Any
) -> None:
    stream = deploy()
    server = launch("--stream", stream.name, "--buffer-seconds", "3")
    assert f"{stream.name} -> s3://{stream.bucket}" in server.said
    assert "128 MB or 3 s (deployed: 60 s)" in server.said
    assert "1 MB or 0.5 s (deployed: 60 s)" in server.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_delivers_all_that_is_buffered(launch: Any, deploy: Any, number: Any) -> None:
    stream = deploy()
    server = launch(
        "--stream", stream.name, "--buffer-seconds", "3600", "--processor-seconds", "3600"
    )
    server.client.put_record(DeliveryStreamName=stream.name, Record={"Data": RECORD})
    code, said = server.end(number)
    assert code == 0, said
    assert "everything is delivered" in said
    assert stream.data() == {"data/site=a/": "a\n"}


def test_acknowledged_records_survive_a_kill(launch: Any, deploy: Any, tmp_path: Path) -> None:
    stream = deploy()
    options = ("--stream", stream.name, "--journal", str(tmp_path / "journal"))
    killed = launch(*options, "--buffer-seconds", "3600", "--processor-seconds", "0")
    for number in range(20):
        record = asks(ok(f"{number}\n", site="a"))
        killed.client.put_record(DeliveryStreamName=stream.name, Record={"Data": record})
    poll(lambda: status(killed.url, stream.name)["activePartitions"] == 1)
    killed.end(signal.SIGKILL)
    assert stream.data() == {}
    resumed = launch(*options, "--buffer-seconds", "0.1")
    poll(lambda: status(resumed.url, stream.name)["delivered"] == 20)
    assert resumed.end(signal.SIGTERM)[0] == 0
    lines = stream.data()["data/site=a/"].split()
    assert sorted(map(int, lines)) == list(range(20))


def test_a_journal_in_use_is_refused(
    launch: Any, deploy: Any, emulator: str, tmp_path: Path
) -> None:
    stream = deploy()
    journal = str(tmp_path / "journal")
    options = ("--stream", stream.name, "--journal", journal)
    launch(*options)
    said = refusal("--endpoint-url", emulator, "--port", "0", *options)
    assert f"journal {journal} cannot be used" in said


def test_records_that_cannot_be_delivered_are_reported_and_kept(
    launch: Any, deploy: Any, emulator: str, tmp_path: Path
) -> None:
    stream = deploy()
    options = ("--stream", stream.name, "--journal", str(tmp_path / "journal"))
    server = launch(*options, "--grace-seconds", "1")
    client("s3", emulator).delete_bucket(Bucket=stream.bucket)
    server.client.put_record(DeliveryStreamName=stream.name, Record={"Data": RECORD})
    code, said = server.end(signal.SIGTERM)
    assert code == 1
    assert "1 records could not be delivered in 1 s. They are kept in" in said
    client("s3", emulator).create_bucket(Bucket=stream.bucket)
    assert launch(*options).end(signal.SIGTERM)[0] == 0
    assert stream.data() == {"data/site=a/": "a\n"}
