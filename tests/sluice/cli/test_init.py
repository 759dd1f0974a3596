"""`sluice init`."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import CliRunner, Result

from chalicelib.declaration import Key
from chalicelib.declared import load
from sluice.cli import sluice

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LINES = [
    {"pk": {"S": f"secret{index}"}, "n": {"N": f"{index}"}, "note": {"S": "confidential"}}
    for index in range(40)
]


def init(*arguments: str | Path) -> Result:
    return CliRunner().invoke(sluice, ["init", *map(str, arguments)])


@pytest.fixture
def items(tmp_path: Path) -> Path:
    file = tmp_path / "items.jsonl"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, LINES)))
    return file


def test_a_file_is_written_that_loads_passes_the_linter_and_quotes_no_value(
    items: Path, tmp_path: Path
) -> None:
    declaration = tmp_path / "mine.py"
    ran = init("--from-file", items, declaration)
    assert ran.exit_code == 0, ran.output
    assert load(declaration).key == (Key("pk"),)
    assert f"--schema {declaration} --items {items}" in ran.output
    assert "unsure: the key is a guess" in ran.output
    for quoted in ("secret", "confidential"):
        assert quoted not in ran.output + declaration.read_text()
    config = Path(__file__).parents[3] / "pyproject.toml"
    for command in (["check"], ["format", "--check"]):
        arguments = [*command, "--no-cache", "--config", str(config), str(declaration)]
        subprocess.run([sys.executable, "-m", "ruff", *arguments], check=True)


def test_the_answer_of_a_scan_is_a_file_of_items(tmp_path: Path) -> None:
    file = tmp_path / "scan.json"
    answer = {"Items": LINES, "Count": len(LINES), "ScannedCount": 40, "ConsumedCapacity": None}
    file.write_bytes(msgspec.json.format(msgspec.json.encode(answer), indent=4))
    ran = init("--from-file", file, tmp_path / "mine.py")
    assert ran.exit_code == 0, ran.output
    assert "40 items of scan.json" in ran.output
    assert load(tmp_path / "mine.py").key == (Key("pk"),)


def test_a_name_with_a_space_is_quoted_in_what_to_run_next(items: Path, tmp_path: Path) -> None:
    file = tmp_path / "my table.py"
    ran = init("--from-file", items, file)
    assert f"make demo ARGS=\"--schema '{file}' --items {items}\"" in ran.stderr


def test_a_file_in_a_folder_that_is_not_there_is_refused_in_one_line(
    items: Path, tmp_path: Path
) -> None:
    file = tmp_path / "nowhere/mine.py"
    ran = init("--from-file", items, file)
    assert ran.exit_code == 1
    assert f"error: {file} cannot be written: No such file or directory\n" == ran.stderr


def test_a_file_is_overwritten_only_by_force(items: Path, tmp_path: Path) -> None:
    declaration = tmp_path / "mine.py"
    declaration.write_text("mine")
    refused = init("--from-file", items, declaration)
    assert (refused.exit_code, declaration.read_text()) == (1, "mine")
    assert "overwrite it with --force" in refused.output
    assert init("--from-file", items, declaration, "--force").exit_code == 0
    assert load(declaration)


def test_without_a_name_the_declaration_is_standard_output(items: Path) -> None:
    ran = init("--from-file", items, "--sample", "10")
    assert ran.stdout.startswith('"""The table as `sluice init` read it in 10 items')
    assert "TABLE" not in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [[], ["--from-table", "t", "--from-file", "{}"], ["--from-table", "t", "--key", "id"]],
)
def test_one_source_is_named_and_a_key_only_for_a_file(arguments: list[str], items: Path) -> None:
    assert init(*(each.replace("{}", str(items)) for each in arguments)).exit_code == 2


def test_a_table_says_its_key_and_how_it_is_followed(
    dynamodb: "DynamoDBClient", emulator: str, aws_environment: pytest.MonkeyPatch
) -> None:
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
    dynamodb.create_table(
        TableName="init-readings",
        AttributeDefinitions=[
            {"AttributeName": "note", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "note", "KeyType": "HASH"},
            {"AttributeName": "n", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for line in LINES:
        dynamodb.put_item(TableName="init-readings", Item=line)
    ran = init("--from-table", "init-readings")
    dynamodb.delete_table(TableName="init-readings")
    assert ran.exit_code == 0, ran.output
    assert 'key=(Key("note"), Key("n", "N"))' in ran.stdout
    assert "40 items of the table init-readings" in ran.stderr
    assert "StreamViewType=NEW_AND_OLD_IMAGES" in ran.stderr
    assert "-c table_name=init-readings" in ran.stderr
