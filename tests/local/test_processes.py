import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.cdk import ROOT
from local.processes import LocalRunError, Process, free_port, listening, require_free

FOREVER = "import time\nwhile True: time.sleep(0.05)"
WITH_A_CHILD = (
    "import signal, subprocess, sys\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    f"child = subprocess.Popen([sys.executable, '-c', {FOREVER!r}])\n"
    "print(child.pid, flush=True)\nchild.wait()"
)


def python(code: str, tmp_path: Path) -> Process:
    return Process("the child", [sys.executable, "-c", code], tmp_path / "log", os.environ)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_port_in_use_is_named_with_the_option_that_moves_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalRunError, match=rf"port {port} .* is in use.*--port"):
            require_free({"--port": port})


def test_two_options_must_not_name_one_port() -> None:
    port = free_port()
    with pytest.raises(LocalRunError, match=rf"--b and --a both name port {port}"):
        require_free({"--a": port, "--b": port})


def test_a_free_port_can_be_used() -> None:
    port = free_port()
    require_free({"--port": port})
    assert not listening(port)
    with socket.create_server(("127.0.0.1", port)):
        assert listening(port)


def test_a_child_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = python("import sys; print('no such stream'); sys.exit(3)", tmp_path)
    with pytest.raises(LocalRunError, match=r"the child ended with status 3:\nno such stream"):
        child.wait_until(lambda: False, 30)


def test_a_child_that_does_not_get_ready_is_reported(tmp_path: Path) -> None:
    child = python(FOREVER, tmp_path)
    try:
        with pytest.raises(LocalRunError, match="not ready after 0 s"):
            child.wait_until(lambda: False, 0.1)
    finally:
        child.stop()


def test_a_stopped_child_had_time_to_finish(tmp_path: Path) -> None:
    finish = "print('finished', flush=True); sys.exit(0)"
    code = (
        "import signal, sys, time\n"
        f"def end(*_):\n    {finish}\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\n"
        "while True: time.sleep(0.05)"
    )
    child = python(code, tmp_path)
    child.wait_until(lambda: "ready" in child.log.read_text(), 30)
    child.stop()
    assert "finished" in child.log.read_text()
    assert not child.running()


def test_a_child_that_ignores_the_request_is_killed_with_its_own_children(tmp_path: Path) -> None:
    child = python(WITH_A_CHILD, tmp_path)
    child.wait_until(lambda: child.log.read_text().endswith("\n"), 30)
    grandchild = int(child.log.read_text())
    assert alive(grandchild)
    child.stop(seconds=0.2)
    assert not child.running()
    wait_for_end(grandchild)


def test_what_a_killed_run_started_is_killed_too_with_its_own_children(tmp_path: Path) -> None:
    run = (
        "import os, sys, time\nfrom pathlib import Path\nfrom local.processes import Process\n"
        f"command = [sys.executable, '-c', {WITH_A_CHILD!r}]\n"
        "child = Process('the child', command, Path('log'), os.environ)\n"
        "while not child.log.read_text().endswith('\\n'): time.sleep(0.02)\n"
        "print(child.pid, child.log.read_text(), flush=True)\ntime.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", run], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        started = [int(pid) for pid in parent.stdout.readline().split()]
        assert all(map(alive, started))
        parent.kill()
    for pid in started:
        wait_for_end(pid)


def test_the_end_of_a_child_is_reported_in_one_line_with_its_last_one(tmp_path: Path) -> None:
    child = python("raise ValueError('a bug')", tmp_path)
    child.wait(30)
    assert child.end() == "the child ended (1): ValueError: a bug"
    child = python("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", tmp_path)
    child.wait(30)
    assert child.end() == "the child was killed by SIGTERM: no last words"


def test_a_log_is_not_given_as_the_reason_of_a_kill(tmp_path: Path) -> None:
    child = python(f"print('holding 200 records', flush=True)\n{FOREVER}", tmp_path)
    child.wait_until(lambda: "holding" in child.log.read_text(), 30)
    assert child.end() is None
    child.kill()
    assert child.end() == "the child was killed by SIGKILL"


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 10
    while alive(pid) and _state(pid) != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _state(pid: int) -> str:
    """A process's state; Z has ended and waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def test_a_child_does_not_get_the_terminals_interrupt(tmp_path: Path) -> None:
    child = python(FOREVER, tmp_path)
    try:
        assert os.getpgid(child.pid) != os.getpgrp()
        assert os.getpgid(child.pid) == child.pid
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.stop()
