from pathlib import Path

import pytest

from chalicelib.declared import load, shipped
from tests.declarations import FILES


def test_there_is_one_copy_of_the_articles_declaration() -> None:
    (sensors,) = (file for file in FILES if file.stem == "sensors")
    assert load(sensors) is shipped()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_worked_declaration_is_without_a_mistake_and_imports_only_what_users_have(
    file: Path,
) -> None:
    load(file)
    imports = {
        line.split()[1].partition(".")[0]
        for line in file.read_text().splitlines()
        if line.startswith(("from ", "import "))
    }
    assert imports <= {"chalicelib", "decimal", "msgspec", "time", "typing", "uuid"}
