"""Every command, option and setting has a place in the documents."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import click

from docs.commands import commands, options_table
from infrastructure.settings import DeploymentSettings

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs/operations.md").read_text()
DOCUMENTS = "\n".join(
    file.read_text() for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
)


def undocumented(commands: Mapping[str, click.Command], page: str) -> list[str]:
    """The commands without an example, and the options that their sections do not list."""
    sections = page.split("\n## ")
    missing = []
    for name, command in commands.items():
        heading = f"sluice {name}"
        section = next((each for each in sections if heading in each.partition("\n")[0]), "")
        if f"\n$ {heading}" not in section:
            missing.append(heading)
        missing += [
            f"{heading} {option.opts[0]}"
            for option in command.params
            if isinstance(option, click.Option) and f"\n| `{option.opts[0]}" not in section
        ]
    return missing


def test_every_command_has_a_section_with_an_example_and_its_options() -> None:
    assert undocumented(commands(), OPERATIONS) == []


def test_a_command_or_an_option_that_no_section_names_is_noticed() -> None:
    command = click.Command("mix", params=[click.Option(["--fast"])])
    assert undocumented({"mix": command}, "\n## sluice other\n") == [
        "sluice mix",
        "sluice mix --fast",
    ]
    assert undocumented({"mix": command}, "\n## sluice mix\n\n$ sluice mix\n") == [
        "sluice mix --fast"
    ]


def test_an_option_is_listed_with_its_help_default_and_range() -> None:
    option = click.Option(
        ["--pace"], type=click.IntRange(1, 9), default=3, show_default=True, help="How\n fast."
    )
    assert options_table(click.Command("mix", params=[option])).splitlines()[2:] == [
        "| `--pace INTEGER RANGE` | How fast. [default: 3; 1<=x<=9] |"
    ]


def test_every_setting_is_in_a_document() -> None:
    for field in dataclasses.fields(DeploymentSettings):
        assert f"| `{field.name}` |" in DOCUMENTS, field.name
