"""The vendored files are the ones that VENDORED.md names."""

import hashlib
import re
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "local" / "page" / "static" / "vendor"


def test_every_vendored_file_is_noted_with_its_hash_and_has_its_licence() -> None:
    note = (FOLDER / "VENDORED.md").read_text()
    noted = re.findall(r"\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|", note)
    code = {file.name for file in FOLDER.iterdir() if file.suffix in (".js", ".css")}
    assert code == {name for name, _ in noted}
    for name, digest in noted:
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest
    assert {"htmx.LICENSE", "uPlot.LICENSE"} <= {file.name for file in FOLDER.iterdir()}
