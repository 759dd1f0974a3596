"""The items that are loaded from a file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.declared import shipped
from local.__main__ import main
from local.changes import load
from sluice.errors import OperationError


def test_of_items_with_one_key_the_last_is_loaded(tmp_path: Path) -> None:
    items = [
        {"id": {"S": "a"}, "n": {"N": "1"}},
        {"id": {"S": "b"}},
        {"id": {"S": "a"}, "n": {"N": "2"}},
    ]
    file = tmp_path / "items"
    file.write_text("\n".join(map(json.dumps, items)))
    assert load(shipped(), file) == [items[2], items[1]]


@pytest.mark.parametrize("item", [{"pk": {"S": "a"}}, {"id": {"N": "1"}}])
def test_an_item_of_another_table_is_named_with_the_key_that_it_lacks(
    tmp_path: Path, item: dict[str, dict[str, str]]
) -> None:
    file = tmp_path / "items"
    file.write_text(json.dumps({"id": {"S": "a"}}) + "\n" + json.dumps(item))
    with pytest.raises(OperationError, match=r"item 2 of .* is declared, id \(S\)"):
        load(shipped(), file)


def test_a_file_without_items_is_named(tmp_path: Path) -> None:
    file = tmp_path / "items"
    file.write_text("\n")
    with pytest.raises(OperationError, match="has no items"):
        load(shipped(), file)


@pytest.mark.parametrize("verb", ["demo", "dev"])
def test_items_of_another_table_are_refused_before_anything_is_started(
    tmp_path: Path, verb: str
) -> None:
    file = tmp_path / "items"
    file.write_text('{"pk": {"S": "a"}}')
    result = CliRunner().invoke(main, [verb, "--items", str(file)])
    assert result.exit_code == 1
    assert result.output.startswith("error: item 1 of")
