"""The CDK app, as a person meets it through the `cdk` command."""

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infrastructure.__main__ import refuse_partition, schema_of
from infrastructure.packaging import WHEELS
from infrastructure.values import PROJECT

BREACH = """
from aws_cdk import App, Stack, aws_s3
from infrastructure.__main__ import checked

app = checked(App())
aws_s3.Bucket(Stack(app, "Breach"), "Open")
app.synth()
"""


def test_wrong_settings_are_refused_with_every_reason_and_no_traceback(
    cdk: Any, tmp_path: Path
) -> None:
    run = cdk(
        *("synth", "--quiet", "--output", str(tmp_path)),
        *("-c", "stage=Prod!", "-c", "buffer_seconds=5", "-c", "colour=red"),
    )
    assert run.returncode != 0
    assert "- stage is 'Prod!'" in run.stderr
    assert "- buffer_seconds is '5'" in run.stderr
    assert "- 'colour' is not a setting" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("region", ["cn-north-1", "us-iso-east-1"])
def test_a_region_whose_partition_the_template_does_not_fit_is_refused(
    cdk: Any, tmp_path: Path, region: str
) -> None:
    run = cdk("synth", "--quiet", "--output", str(tmp_path), AWS_REGION=region)
    assert run.returncode != 0
    assert f"- the region {region} belongs to the partition aws-" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "ap-unheard-of-9", "nowhere"])
def test_a_region_of_a_partition_that_fits_passes_and_so_does_one_that_is_not_known(
    region: str,
) -> None:
    refuse_partition(region)


def test_a_breach_of_the_awssolutions_rules_fails_the_synthesis(cdk: Any, tmp_path: Path) -> None:
    program = tmp_path / "breach.py"
    program.write_text(BREACH)
    run = cdk("synth", "--quiet", "--output", str(tmp_path / "out"), program=str(program))
    assert run.returncode != 0
    assert "AwsSolutions-S1" in run.stdout + run.stderr


MACHINE = "x86_64" if platform.machine() == "x86_64" else "aarch64"
NO_INDEX = {"PIP_NO_INDEX": "1"}
DEAD_INDEX = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0"}
ALONE = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}

WITH_WHEELS = """
from pathlib import Path
from infrastructure import packaging
from infrastructure.__main__ import main

packaging.WHEELS = Path({wheels!r})
main()
"""


@pytest.fixture
def program(tmp_path: Path) -> Callable[[Path], str]:
    """Writes the app with another folder for what set-up fetched; returns its path."""

    def write(wheels: Path) -> str:
        path = tmp_path / "app_with_wheels.py"
        path.write_text(WITH_WHEELS.format(wheels=str(wheels)))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("index", "fetched"),
    [
        pytest.param(NO_INDEX, None, id="no index"),
        pytest.param(DEAD_INDEX, None, id="an index that does not answer"),
        pytest.param(DEAD_INDEX, "msgspec==0.0.1\n", id="requirements changed since the set-up"),
        pytest.param(NO_INDEX, (PROJECT / "requirements.txt").read_text(), id="no wheels"),
    ],
)
def test_a_package_without_its_requirements_is_never_deployed(
    cdk: Any, tmp_path: Path, program: Any, index: dict[str, str], fetched: str | None
) -> None:
    wheels = tmp_path / "wheels"
    if fetched is not None:
        wheels.mkdir()
        (wheels / "requirements.txt").write_text(fetched)
    output = ("--output", str(tmp_path / "out"))
    run = cdk("synth", "--quiet", *output, program=program(wheels), **ALONE, **index)
    assert run.returncode != 0
    (message,) = (line for line in run.stderr.splitlines() if "cannot be built" in line)
    assert message.startswith("The functions' package cannot be built: ")
    assert "msgspec" in message
    assert "Check the connection to the package index" in message
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(("target", "missing"), [("aws", "aarch64"), ("local", MACHINE)])
def test_a_package_for_which_set_up_lacks_the_wheel_of_its_platform_is_never_deployed(
    cdk: Any, tmp_path: Path, program: Any, target: str, missing: str
) -> None:
    wheels = shutil.copytree(WHEELS, tmp_path / "wheels")
    for wheel in wheels.glob(f"*{missing}.whl"):
        wheel.unlink()
    output = ("--output", str(tmp_path / "out"), "-c", f"target={target}", "-c", "stage=local")
    run = cdk("synth", "--quiet", *output, program=program(wheels), **ALONE)
    assert run.returncode != 0
    assert "msgspec" in run.stderr
    assert "The functions' package cannot be built: " in run.stderr


@pytest.fixture(scope="module")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that is new to both tests: to fill its cache takes three quarters of the time."""
    return tmp_path_factory.mktemp("home")


@pytest.mark.parametrize("target", ["aws", "local"])
def test_once_set_up_a_synthesis_needs_no_index_and_no_home(
    cdk: Any, tmp_path: Path, new_home: Path, target: str
) -> None:
    assert WHEELS.exists(), "Nothing was fetched: run `make setup`"
    output = ("--output", str(tmp_path / "out"), "-c", f"target={target}", "-c", "stage=local")
    elsewhere = {"HOME": str(new_home), "XDG_CACHE_HOME": str(new_home / "cache")}
    run = cdk("synth", "--quiet", *output, **ALONE, **DEAD_INDEX, **elsewhere)
    assert run.returncode == 0, run.stderr


def test_the_environment_names_the_declaration_as_it_does_for_every_command() -> None:
    assert schema_of({"SLUICE_SCHEMA": "tables/shop.py"}) == {"schema": "tables/shop.py"}
    assert schema_of({"SLUICE_SCHEMA": ""}) == schema_of({}) == {}
