"""The CDK app, as a person meets it through the `cdk` command."""

import os
from pathlib import Path
from typing import Any

import pytest

from infrastructure.__main__ import refuse_partition

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


@pytest.mark.parametrize(
    "index",
    [{"PIP_NO_INDEX": "1"}, {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0"}],
    ids=["no index", "an index that does not answer"],
)
def test_a_package_without_its_requirements_is_never_deployed(
    cdk: Any, tmp_path: Path, index: dict[str, str]
) -> None:
    alone = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    run = cdk("synth", "--quiet", "--output", str(tmp_path), **alone, **index)
    assert run.returncode != 0
    assert "The functions' package cannot be built" in run.stderr
    assert "msgspec" in run.stderr
    assert "Check the connection to the package index" in run.stderr
    assert "Traceback" not in run.stderr
