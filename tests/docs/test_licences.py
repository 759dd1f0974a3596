"""The list of licences."""

import json
import re
from pathlib import Path

from docs.licences import licences_page

ROOT = Path(__file__).parents[2]


def test_every_pinned_package_is_listed_with_its_version_and_a_licence() -> None:
    pinned = [
        (found[1], found[2])
        for file in [ROOT / "requirements.txt", *ROOT.glob("requirements-*.in")]
        for found in re.finditer(r"^([\w.-]+)(?:\[.*\])?==([\w.]+)", file.read_text(), re.M)
    ]
    assert "msgspec" in dict(pinned)
    page = licences_page()
    for name, version in pinned:
        assert re.search(rf"^\| {name} \| {re.escape(version)} \| \S", page, re.M), name


def test_the_command_line_of_the_cdk_is_listed_as_it_is_locked() -> None:
    locked = json.loads((ROOT / "infrastructure/package-lock.json").read_text())["packages"]
    version = locked["node_modules/aws-cdk"]["version"]
    assert f"| aws-cdk | {version} | Apache-2.0 |" in licences_page()


def test_every_file_the_page_brings_to_the_browser_is_listed() -> None:
    vendor = ROOT / "local/page/static/vendor"
    page = licences_page()
    for file in [*vendor.glob("*.js"), *vendor.glob("*.css")]:
        assert f"| `{file.name}` |" in page
