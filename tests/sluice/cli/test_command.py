"""What all commands share: errors in one line, Ctrl-C where it does no harm."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from pytest_httpserver import HTTPServer

from chalicelib.declared import VARIABLE
from chalicelib.schema import TABLE
from sluice.cli import sluice
from sluice.cli.command import SUMMARIES, stoppable
from sluice.cli.selection import Since
from sluice.stack import Stack

ROOT = Path(__file__).parents[3]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(sluice, arguments, catch_exceptions=False)


COMMANDS = (
    ["status"], ["failed"], ["replay"], ["redrive"], ["tree"], ["sample"], ["seed"],
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_an_endpoint_that_does_not_answer_is_one_line(
    aws_environment: pytest.MonkeyPatch, closed_endpoint: str, command: Sequence[str]
) -> None:
    aws_environment.setenv("AWS_ENDPOINT_URL", closed_endpoint)
    aws_environment.setenv("AWS_MAX_ATTEMPTS", "1")
    result = invoke(*command)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: AWS cannot be reached: ")
    assert closed_endpoint in result.stderr
    assert "start `make dev`" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_command_is_known_by_a_name_near_to_its_own() -> None:
    result = invoke("stats")
    assert result.exit_code == 2
    assert "Did you mean 'status'?" in result.stderr


def test_the_list_of_commands_is_printed_whole_and_without_importing_them() -> None:
    program = (
        "import sys; from sluice.cli import sluice; sluice(['--help'], standalone_mode=False); "
        "assert not {'boto3', 'sqlglot', 'duckdb'} & sys.modules.keys()"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for name, summary in SUMMARIES.items():
        assert f"  {name:<10}{summary}\n" in result.stdout


@pytest.mark.parametrize("named_by", ["option", "variable"])
@pytest.mark.parametrize("command", sorted({*SUMMARIES} - {"init"}))
def test_a_wrong_declaration_is_refused_with_a_line_for_every_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, named_by: str
) -> None:
    file = tmp_path / "wrong.py"
    file.write_text("import boto3\nimport yaml\n")
    monkeypatch.setenv(VARIABLE, str(file) if named_by == "variable" else "")
    result = invoke(*(["--schema", str(file)] if named_by == "option" else []), command)
    assert result.exit_code == 1
    heading, *mistakes = result.stderr.splitlines()
    assert heading == f"error: The declaration {file} cannot be used:"
    assert [mistake[:19] for mistake in mistakes] == ["- it imports boto3,", "- it imports yaml, "]


def test_a_wrong_declaration_keeps_no_one_from_the_help_or_from_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.py"))
    items = tmp_path / "items.jsonl"
    items.write_text('{"id": {"S": "1"}}')
    for arguments in (["verify", "--help"], ["init", "--from-file", str(items)]):
        assert invoke(*arguments).exit_code == 0


@pytest.mark.parametrize(
    ("status", "body"), [(200, "<html></html>"), (200, "hello"), (404, "<p>Not here<br>")]
)
def test_an_endpoint_that_is_not_of_aws_is_one_line(
    aws_environment: pytest.MonkeyPatch, httpserver: HTTPServer, status: int, body: str
) -> None:
    httpserver.expect_request("/").respond_with_data(body, status)
    aws_environment.setenv("AWS_ENDPOINT_URL", httpserver.url_for("/"))
    aws_environment.setenv("AWS_MAX_ATTEMPTS", "1")
    result = invoke("status")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: the endpoint does not answer as AWS does; correct AWS_ENDPOINT_URL, or unset it\n"
    )


@pytest.mark.parametrize("name", ["", "a\x01", "a\nb"])
def test_a_stack_name_that_no_stack_can_have_is_refused(name: str) -> None:
    result = invoke("--stack-name", name, "status")
    assert result.exit_code == 2
    assert "Invalid value for --stack-name: a stack" in result.stderr


def test_missing_credentials_are_one_line(
    aws_environment: pytest.MonkeyPatch, closed_endpoint: str
) -> None:
    aws_environment.setenv("AWS_ENDPOINT_URL", closed_endpoint)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws_environment.delenv(name)
    command = [sys.executable, "-m", "sluice", "status"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error: there are no AWS credentials; ")
    assert result.stderr.count("\n") == 1


def test_a_stack_that_does_not_exist_is_named(
    aws_environment: pytest.MonkeyPatch, emulator: str
) -> None:
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
    result = invoke("--stack-name", "nowhere", "failed")
    assert result.exit_code == 1
    assert "the stack nowhere cannot be read" in result.stderr
    assert "--stack-name" in result.stderr


@pytest.mark.parametrize("command", SUMMARIES)
def test_every_command_has_help_for_itself_and_each_option(command: str) -> None:
    result = invoke(command, "--help")
    assert result.exit_code == 0
    for parameter in sluice.commands[command].params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-11-16T01:00+14:00", datetime(2023, 11, 15, 11, tzinfo=UTC)),
        ("2023-11-16T01:00", datetime(2023, 11, 16, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_utc_wherever_it_was_written(text: str, moment: datetime) -> None:
    read = Since().convert(text, None, None)
    assert (read, read.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "since", ["yesterday", "5", "5w", "2026-13-01", "0001-01-01T00:00+14:00", "999999d"]
)
def test_a_text_that_is_not_a_moment_is_refused_with_the_rule(since: str) -> None:
    result = invoke("failed", "--since", since)
    assert result.exit_code == 2
    assert "neither an age like 90m" in result.stderr


def step_by_step(reached: list[str]) -> None:
    with stoppable("go on later") as check:
        check()
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("the end of the step")
        check()
        reached.append("the next step")


def test_ctrl_c_waits_for_the_next_safe_place() -> None:
    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt, match="go on later"):
        step_by_step(reached)
    assert reached == ["the end of the step"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def impatient(reached: list[str]) -> None:
    with stoppable("go on later"):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("the end of the step")


def test_a_second_ctrl_c_ends_at_once() -> None:
    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt, match="go on later"):
        impatient(reached)
    assert not reached


def test_ctrl_c_ends_a_command_with_a_message_and_status_130(
    aws_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command waits for an endpoint that takes its request and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        aws_environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with (tmp_path / "stderr").open("wb") as stderr:
            child = subprocess.Popen(
                [sys.executable, "-m", "sluice", "status"], cwd=ROOT, stderr=stderr
            )
        silent.settimeout(30)
        connection, _ = silent.accept()
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
        connection.close()
    assert (tmp_path / "stderr").read_text() == "interrupted\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["query", "latest", "--where", "x"],
        ["query", "latest", "--where", "colour=red"],
        ["query", "history"],
        ["query", "history", "--key", "a", "--key", "b"],
        ["query", "nope"],
        ["query", "SELECT :key"],
        ["query", "SELECT 1", "--pruned"],
        ["erase"],
        ["erase", "a"],
        ["erase", "a", "--yes", "--where", "colour=red"],
        ["erase", "--yes", "--from", "no such file"],
        ["compact", "--engine", "local"],
        ["compact", "--keep-files", "9"],
        ["probe"],
        ["init", "--from-file", str(ROOT / "pyproject.toml"), "--from-table", "t"],
        ["plan"],
        ["seed", "--count", "1", "--deletes", "2"],
    ],
    ids=" ".join,
)
def test_wrong_options_exit_2_whoever_notices_them(
    aws_environment: pytest.MonkeyPatch, arguments: Sequence[str]
) -> None:
    outputs = dict.fromkeys(["CompactName", "WorkgroupName", "DatabaseName", "BucketName"], "x")
    outputs |= {"SchemaFingerprint": TABLE.fingerprint, "Layout": "/".join(TABLE.layout)}
    aws_environment.delenv("AWS_ENDPOINT_URL", raising=False)
    aws_environment.setattr(Stack, "named", lambda _: Stack("Sluice-prod", outputs))
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines()[-1].lower().startswith("error: ")


@pytest.mark.parametrize(
    ("stop", "status", "printed"),
    [(KeyboardInterrupt, 130, "interrupted"), (EOFError, 1, "Aborted!")],
)
def test_ctrl_c_at_a_prompt_exits_130_and_the_end_of_input_1(
    monkeypatch: pytest.MonkeyPatch, stop: type[BaseException], status: int, printed: str
) -> None:
    def read(_prompt: str) -> str:
        raise stop

    def ask(*_: object, **_options: object) -> None:
        with monkeypatch.context() as prompts:
            prompts.setattr(click.termui, "visible_prompt_func", read)
            click.confirm("Sure?", abort=True)

    monkeypatch.setattr(sluice.get_command(click.Context(sluice), "tree"), "callback", ask)
    result = invoke("tree")
    assert result.exit_code == status
    assert result.stderr.splitlines()[-1] == printed
