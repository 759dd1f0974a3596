"""The commands of the local run, as a person types them."""

import gzip
import os
import signal
import socket
import time
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore.exceptions import ClientError
from click.testing import CliRunner

from chalicelib.declared import VARIABLE
from local.__main__ import exit_on_failure, main
from local.cdk import cdk, require_tools
from local.emulator import CREDENTIALS, client_environment
from local.emulator import emulator as run_emulator
from local.processes import LocalRunError, free_port, listening
from local.session import Session, deploy, destroy
from tests.local.runs import processes_of_run, read_until, started


def left_behind(endpoint_url: str) -> list[str]:
    """Return the resources of an account that a deployment of ours could have made."""
    session = boto3.Session("test", "test", region_name="us-east-1")

    def client(name: Any) -> Any:
        return session.client(name, endpoint_url=endpoint_url)

    found = [
        *client("dynamodb").list_tables()["TableNames"],
        *(bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]),
        *client("firehose").list_delivery_streams()["DeliveryStreamNames"],
        *(pipe["Name"] for pipe in client("pipes").list_pipes()["Pipes"]),
        *(function["FunctionName"] for function in client("lambda").list_functions()["Functions"]),
        *(role["RoleName"] for role in client("iam").list_roles()["Roles"]),
        *client("sqs").list_queues().get("QueueUrls", []),
        *(api["name"] for api in client("apigateway").get_rest_apis()["items"]),
        *(group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]),
        *(topic["TopicArn"] for topic in client("sns").list_topics()["Topics"]),
        *(alarm["AlarmName"] for alarm in client("cloudwatch").describe_alarms()["MetricAlarms"]),
        *(
            page["DashboardName"]
            for page in client("cloudwatch").list_dashboards()["DashboardEntries"]
        ),
        *(stack["StackName"] for stack in client("cloudformation").describe_stacks()["Stacks"]),
    ]
    for key in client("kms").list_keys()["Keys"]:
        state = client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]
        if state != "PendingDeletion":
            found.append(f"key {key['KeyId']} {state}")
    return [name for name in found if "cdk-hnb659fds" not in name and name != "CDKToolkit"]


@pytest.mark.slow
def test_destroy_leaves_nothing_behind(tmp_path: Path) -> None:
    with run_emulator(free_port(), tmp_path / "emulator") as running:
        endpoint_url = running.endpoint_url
        environment = client_environment(endpoint_url)
        before = left_behind(endpoint_url)
        deploy(environment, tmp_path, print)
        made = set(left_behind(endpoint_url)) - set(before)
        assert len(made) > 10
        s3 = boto3.Session(
            CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        ).client("s3", endpoint_url=endpoint_url)
        (bucket,) = (each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"] in made)
        for body in (b"one version", b"another version"):
            s3.put_object(Bucket=bucket, Key="data/x", Body=body)
        s3.delete_object(Bucket=bucket, Key="data/x")
        destroy(environment, tmp_path, print)
        assert sorted(set(left_behind(endpoint_url)) - set(before)) == []
        with pytest.raises(ClientError, match=r"NoSuchBucket|Not Found"):
            s3.head_bucket(Bucket=bucket)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "end"),
    [("cdk deploy", signal.SIGTERM), ("writing records of every kind", signal.SIGHUP)],
)
def test_an_interrupt_in_the_middle_leaves_nothing_running(step: str, end: int) -> None:
    """Only the run gets the signal, as from a closed terminal; it ends the processes it started."""
    mark = uuid.uuid4().hex
    with started("demo", mark=mark) as run:
        read_until(run, step)
        assert len(processes_of_run(mark)) > 1
        os.kill(run.pid, end)
        rest, _ = run.communicate(timeout=60)
        assert run.returncode == 130
        assert "nothing is left running" in rest
        assert "Traceback" not in rest
        assert processes_of_run(mark) == {}


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_running() -> None:
    mark = uuid.uuid4().hex
    with started("demo", mark=mark) as run:
        read_until(run, "cdk bootstrap")
        assert any("ministack" in command for command in processes_of_run(mark).values())
        run.kill()
        run.communicate(timeout=60)
    deadline = time.monotonic() + 10
    while processes_of_run(mark):
        assert time.monotonic() < deadline, processes_of_run(mark)
        time.sleep(0.05)


@pytest.mark.parametrize("command", ["dev", "api"])
def test_a_port_in_use_stops_a_command_with_one_line(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with started(command, "--port", str(port)) as run:
            printed, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert printed.count("\n") == 1
    assert f"port {port} on 127.0.0.1 is in use" in printed
    assert "--port" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("stage=prod", "stage is not to be set: it is local here"),
        ("target=aws", "target is not to be set"),
        ("schema=mine.py", "name the file with --schema"),
        ("parquet", "write it as NAME=VALUE"),
        ("=1", "write it as NAME=VALUE"),
    ],
)
def test_a_setting_that_is_the_runs_own_is_refused(setting: str, reason: str) -> None:
    result = CliRunner().invoke(main, ["demo", "-c", setting])
    assert result.exit_code == 2
    assert reason in result.output


@pytest.mark.parametrize("command", ["demo", "dev"])
def test_a_wrong_declaration_stops_a_command_with_all_its_mistakes(
    command: str, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        "from chalicelib.declaration import Key, Table\n"
        'TABLE = Table(key=(Key("pk", "X"),), layout=("nosuch",))\n'
    )
    with started(command, "--schema", str(file)) as run:
        printed, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    heading, *mistakes = printed.splitlines()
    assert heading == f"error: The declaration {file} cannot be used:"
    assert len(mistakes) == 2
    assert "'nosuch'" in printed


@pytest.mark.slow
def test_the_functions_do_not_inherit_the_declaration_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "mine.py")
    with run_emulator(free_port(), tmp_path) as running:
        environment = Path(f"/proc/{running.process.pid}/environ").read_bytes()
    assert b"AWS_REGION=" in environment
    assert VARIABLE.encode() not in environment


def test_a_port_taken_in_the_meantime_is_named_with_its_option(tmp_path: Path) -> None:
    session = Session("http://127.0.0.1:1", 1, 1.0, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalRunError, match=rf"^port {port} .* in use.*--page-port$"):
            session.start_page(port, "http://127.0.0.1:1")
        with pytest.raises(LocalRunError, match=rf"^port {port} .* in use.*--api-port$"):
            session.start_api(port)


def test_a_missing_node_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LocalRunError, match=r"missing: Node; `make clean setup` installs"):
        require_tools(str(tmp_path))


def test_a_failure_is_printed_whole_whatever_brackets_it_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end, exit_on_failure():
        raise LocalRunError("see [/tmp/foo] and pkg[extra]")
    assert end.value.code == 1
    assert capsys.readouterr().out == "error: see [/tmp/foo] and pkg[extra]\n"


def test_a_deployment_that_fails_shows_why(tmp_path: Path, emulator: str) -> None:
    environment = client_environment(emulator)
    with pytest.raises(LocalRunError, match=r"(?s)cdk synth.*failed.*buffer_seconds"):
        cdk(
            ["synth", "-c", "buffer_seconds=7", "--output", str(tmp_path / "cdk.out")],
            environment,
            tmp_path / "cdk.log",
        )


@pytest.mark.slow
def test_the_api_is_served_by_itself_until_it_is_interrupted() -> None:
    port = free_port()
    with started("api", "--port", str(port)) as run:
        while not listening(port):
            assert run.poll() is None
            time.sleep(0.1)
        answer = urllib3.request("GET", f"http://127.0.0.1:{port}/openapi.json")
        assert answer.json()["openapi"].startswith("3.1")
        os.killpg(run.pid, signal.SIGINT)
        run.communicate(timeout=60)
    assert not listening(port)


@pytest.mark.slow
def test_dev_serves_the_api_and_the_page_and_deploys_a_saved_declaration_until_it_is_interrupted(
    tmp_path: Path,
) -> None:
    file = tmp_path / "notes.py"
    file.write_text(
        "from chalicelib.declaration import Key, Table\n"
        'TABLE = Table(key=(Key("pk"),), layout=("year",))\n'
    )
    items = tmp_path / "items.jsonl"
    items.write_text('{"pk": {"S": "a"}, "note": {"S": "one"}}\n')
    ports = {
        name: str(free_port())
        for name in ("--port", "--firehose-port", "--api-port", "--page-port")
    }
    options = ["--schema", str(file), "--items", str(items), "--buffer-seconds", "0.5"]
    session = boto3.Session("test", "test", region_name="us-east-1")
    clients: dict[str, Any] = {
        name: session.client(name, endpoint_url=f"http://127.0.0.1:{ports['--port']}")
        for name in ("dynamodb", "s3")
    }

    def folders() -> dict[str, bytes]:
        """The one line of each folder of the lake."""
        (bucket,) = (
            each["Name"]
            for each in clients["s3"].list_buckets()["Buckets"]
            if "lakebucket" in each["Name"]
        )
        keys = [
            each["Key"]
            for each in clients["s3"].list_objects_v2(Bucket=bucket).get("Contents", [])
            if each["Key"].startswith("data/")
        ]
        bodies = (clients["s3"].get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys)
        return {
            "/".join(part.partition("=")[0] for part in key.split("/")[1:-1]): gzip.decompress(body)
            for key, body in zip(keys, bodies, strict=True)
        }

    def wait_for(count: int) -> dict[str, bytes]:
        deadline = time.monotonic() + 60
        while len(lines := folders()) < count:
            assert time.monotonic() < deadline, lines
            time.sleep(0.2)
        return lines

    with started("dev", *options, *(part for port in ports.items() for part in port)) as run:
        read_until(run, "Ctrl-C stops it")
        page = urllib3.request("GET", f"http://127.0.0.1:{ports['--page-port']}/")
        assert b"Sluice-local" in page.data
        assert b'"extra"' in wait_for(1)["year"]
        file.write_text(
            "import msgspec\n"
            "from chalicelib.declaration import Key, Kind, Table\n"
            "class Note(msgspec.Struct):\n"
            "    pk: str\n"
            "    note: str\n"
            'TABLE = Table(key=(Key("pk"),), kinds=(Kind("note", Note),), '
            'layout=("year", "month"))\n'
        )
        assert "stays deployed" not in read_until(run, "new changes are lines of the new")
        answer = urllib3.request(
            "POST",
            f"http://127.0.0.1:{ports['--api-port']}/records",
            json={"pk": "b", "note": "two"},
        )
        assert answer.status == 201
        assert answer.json()["note"] == "two"
        assert b'"note":"two"' in wait_for(2)["year/month"]
        table = clients["dynamodb"].scan(TableName="sluice-local-records")
        assert sorted(item["pk"]["S"] for item in table["Items"]) == ["a", "b"]
        os.killpg(run.pid, signal.SIGINT)
        run.communicate(timeout=60)
        assert run.returncode == 130
    assert not any(listening(int(port)) for port in ports.values())
