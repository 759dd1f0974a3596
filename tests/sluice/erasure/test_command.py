"""What `sluice erase` takes, refuses, and reports."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from chalicelib.keys import texts_of
from sluice.cli import sluice
from sluice.items import Item
from sluice.stack import Stack
from tests.declaring import WORKED, change, items_of
from tests.sluice.erasure.bucket import Bucket, history

pytestmark = pytest.mark.usefixtures("home")

Erase = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, for checkpoints."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def erase(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Erase:
    """Runs the command on the bucket's stack, whose changes take up to 150 s into the lake."""
    hints = {"ExtendedS3DestinationDescription": {"BufferingHints": {"IntervalInSeconds": 60}}}
    description = {"DeliveryStreamDescription": {"Destinations": [hints]}}
    variables = {"LAYOUT": bucket.stack.output("Layout"), "CHANGE_TYPES": "INSERT,REMOVE"}
    configuration = {"Environment": {"Variables": variables}}
    pipe = {"Name": "pipe", "CurrentState": "RUNNING", "CreationTime": datetime.now(UTC)}
    stack = Stack(
        bucket.stack.name,
        {**bucket.stack.outputs, "PipeName": "pipe", "TransformName": "transform"},
    )
    stack.__dict__["functions"] = SimpleNamespace(
        get_function_configuration=lambda **_: configuration
    )
    stack.__dict__["pipes"] = SimpleNamespace(describe_pipe=lambda **_: pipe)
    stack.__dict__["firehose"] = SimpleNamespace(describe_delivery_stream=lambda **_: description)
    monkeypatch.setattr(Stack, "named", lambda _: stack)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(sluice, ["erase", *arguments], catch_exceptions=False)

    return run


def key(bucket: Bucket, item: Item) -> str:
    return texts_of(bucket.table, item)[0]


def refused(result: Result, status: int = 2) -> str:
    """The one line of a refusal."""
    assert result.exit_code == status
    *_, line = result.stderr.splitlines()
    assert line.lower().startswith("error: ")
    return line


def test_it_says_what_went_and_that_a_second_search_found_nothing(
    bucket: Bucket, erase: Erase, home: Path
) -> None:
    gone, other = items_of(bucket.table, 2)
    bucket.deliver([*history(gone, 1), change(other, 5)])
    result = erase(key(bucket, gone), "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1:] == [
        "Erased 1 key.",
        "A second search, of every version of every object, found nothing of them.",
    ]
    assert result.stdout.startswith("data/ had 3 changes in ")
    assert not list(home.rglob("erase-*")), "the checkpoint is gone"
    verified = erase("--verify", key(bucket, gone))
    assert (verified.exit_code, verified.stdout) == (0, "Nothing of 1 key is left.\n")
    assert erase("--verify", key(bucket, other)).exit_code == 1


def test_reports_for_programs_count_and_name_places_but_no_values(
    bucket: Bucket, erase: Erase
) -> None:
    (gone,) = items_of(bucket.table, 1)
    bucket.deliver(history(gone, 1), lines=9)
    data = {"objects": 1, "changes": 3, "oldVersions": 0}
    counted = erase(key(bucket, gone), "--dry-run", "--json")
    assert json.loads(counted.stdout) == {"keys": 1, "found": 1, "places": {"data/": data}}
    before = bucket.contents()
    assert bucket.contents() == before, "a dry run changes nothing"
    erased = erase(key(bucket, gone), "--yes", "--json")
    assert json.loads(erased.stdout) == {
        "keys": 1, "absent": 0, "places": {"data/": data}, "left": 0,
    }  # fmt: skip
    verified = erase(key(bucket, gone), "--verify", "--json")
    assert json.loads(verified.stdout) == {"keys": 1, "found": 0, "places": {}}
    assert key(bucket, gone) not in counted.output + erased.output + verified.output


def test_a_dry_run_says_what_would_be_refused(bucket: Bucket, erase: Erase) -> None:
    (item,) = items_of(bucket.table, 1)
    bucket.put_item(item)
    bucket.deliver([change(item, 1)])
    names = [name for name, _ in bucket.versions()]
    result = erase(key(bucket, item), "--dry-run")
    assert result.exit_code == 0
    assert result.stdout == "data/ has 1 change in 1 object, and 0 old versions\n"
    assert [line[:30] for line in result.stderr.splitlines()] == [
        "not yet: the table still has t",
        "not yet: the lake does not hav",
    ]
    assert [name for name, _ in bucket.versions()] == names


def test_a_key_that_is_nowhere_is_nothing_to_erase(erase: Erase) -> None:
    result = erase("nobody", "--yes")
    assert result.exit_code == 0
    assert result.stdout.startswith("Nothing to erase: there is nothing of 1 key.")


def test_a_file_names_keys_as_the_command_line_does(
    bucket: Bucket, erase: Erase, tmp_path: Path
) -> None:
    items = items_of(bucket.table, 3)
    bucket.deliver(
        [each for number, item in enumerate(items) for each in history(item, 9 * number)]
    )
    file = tmp_path / "keys"
    text = "\r\n".join(key(bucket, item) for item in items[:2]) + "\n\n"
    # As editors on Windows write it.
    file.write_text(text, "utf-8-sig")
    result = erase("--from", str(file), key(bucket, items[2]), "--yes", "--json")
    answer = json.loads(result.stdout)
    assert (answer["keys"], answer["absent"]) == (3, 0)


# Wrong uses, each with its one line.


def test_no_key(erase: Erase) -> None:
    for options in ((), ("--yes",)):
        assert refused(erase(*options)) == (
            "Error: no key is named; name one, or a file of keys with --from"
        )


def test_a_file_without_a_key(erase: Erase, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("\n\n")
    assert refused(erase("--from", str(file), "--yes")) == (
        f"error: {file} names no key; write a key in each line"
    )


def test_a_file_that_is_not_there(erase: Erase, tmp_path: Path) -> None:
    file = tmp_path / "none"
    assert refused(erase("--from", str(file), "--yes")) == (
        f"error: {file} cannot be read: No such file or directory"
    )


def test_a_file_that_is_not_text(erase: Erase, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"\xff\xfe")
    assert refused(erase("--from", str(file), "--yes")) == (
        f"error: {file} is not text in UTF-8; write a key in each line"
    )


def test_a_line_that_is_no_key(erase: Erase, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("fine\n" + "x" * 3000)
    assert refused(erase("--from", str(file), "--yes")) == (
        f"error: line 2 of {file}: id must have 1 to 2048 bytes"
    )


def test_one_part_of_a_key_of_two(
    bucket_of: Callable[[str], Bucket], erase: Erase, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = bucket_of("shop").stack
    monkeypatch.setenv("SLUICE_SCHEMA", str(WORKED / "shop.py"))
    monkeypatch.setattr(Stack, "named", lambda _: stack)
    assert refused(erase("CUSTOMER#17", "PROFILE", "CUSTOMER#18", "--yes")) == (
        "error: key 2: a key is 2 values (pk, sk), not 1"
    )


def test_a_key_that_the_table_still_has(bucket: Bucket, erase: Erase) -> None:
    (item,) = items_of(bucket.table, 1)
    bucket.put_item(item)
    assert refused(erase(key(bucket, item), "--yes"), 1) == (
        "error: the table still has the key; delete the items first, or keep their latest state "
        "with --keep-latest"
    )
    assert bucket.contents() == {}


def test_the_latest_state_of_a_key_that_the_table_lacks(erase: Erase) -> None:
    assert refused(erase("nobody", "other", "--keep-latest", "--yes"), 1) == (
        "error: the table does not have 2 of the 2 keys, so there is no latest state to keep; "
        "leave out --keep-latest"
    )


def test_a_deletion_that_is_on_its_way(bucket: Bucket, erase: Erase) -> None:
    (item,) = items_of(bucket.table, 1)
    bucket.deliver([change(item, 1)])
    before = bucket.contents()
    assert refused(erase(key(bucket, item), "--yes"), 1) == (
        "error: the lake does not have the deletion of the key yet; a change takes up to 150 s: "
        "run the command again then. If it stays out, `sluice status` says what waits outside the "
        "lake, and --remove-lost erases without it"
    )
    assert bucket.contents() == before


def test_no_terminal_to_ask_on(erase: Erase) -> None:
    assert refused(erase("any")) == (
        "Error: without a terminal to ask on, name --yes, or --dry-run to count"
    )


def test_a_level_that_the_layout_does_not_have(erase: Erase) -> None:
    assert refused(erase("any", "--where", "colour=red", "--yes")).startswith(
        "error: colour is not a level of a field; --where takes siteId"
    )


def test_a_verification_that_is_to_change_something(erase: Erase) -> None:
    assert refused(erase("any", "--verify", "--keep-latest")) == (
        "Error: --verify only searches; of the other options it takes --where"
    )
