"""A deployed stack, and the declaration that it was deployed with."""

from pathlib import Path

import pytest

from chalicelib.declared import VARIABLE
from chalicelib.schema import TABLE
from sluice.errors import OperationError
from sluice.stack import Stack

METERS = """
from chalicelib.declaration import Key, Table

TABLE = Table(key=(Key("meter"), Key("readAt", "N")))
"""


def stack(layout: str = "/".join(TABLE.layout), fingerprint: str = TABLE.fingerprint) -> Stack:
    return Stack("Sluice-test", {"SchemaFingerprint": fingerprint, "Layout": layout})


def test_the_table_of_a_stack_has_the_stacks_layout() -> None:
    assert stack().table is TABLE
    coarser = stack("siteId/year")
    assert coarser.table.layout == ("siteId", "year")
    assert coarser.table is coarser.table


def test_a_stack_of_another_declaration_is_refused_with_both_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "meters.py"
    file.write_text(METERS)
    monkeypatch.setenv(VARIABLE, str(file))
    with pytest.raises(OperationError) as refusal:
        assert stack().table
    message = str(refusal.value)
    assert "the stack Sluice-test was deployed with another declaration of the table " in message
    assert TABLE.fingerprint in message
    assert str(file) in message
    assert f"--schema or {VARIABLE}, or deploy this one" in message


def test_the_file_that_ships_is_named_where_no_other_is() -> None:
    with pytest.raises(OperationError, match=r"than .*chalicelib/schema.py \("):
        assert stack(fingerprint="0" * 16).table


def test_a_stack_without_an_api_says_how_to_get_one() -> None:
    with pytest.raises(OperationError, match="has no API; deploy it with `-c api=on`"):
        assert stack().api_url


def test_a_stack_that_was_deployed_before_declarations_had_fingerprints_is_refused() -> None:
    with pytest.raises(OperationError, match="no output SchemaFingerprint"):
        assert Stack("Sluice-test", {}).table
