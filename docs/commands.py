"""The options of each command of `sluice`, as `docs/operations.md` lists them."""

import click

from docs.markdown import markdown_table
from sluice.cli import sluice


def options_table(command: click.Command) -> str:
    """Return a command's options, as its `--help` has them, as a Markdown table."""
    rows = []
    context = click.Context(command, show_default=True)
    for parameter in command.params:
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context)):
            name, text = (" ".join(part.split()).replace("|", r"\|") for part in record)
            rows.append((f"`{name}`", text))
    return markdown_table(("option", "meaning"), rows)


def commands() -> dict[str, click.Command]:
    """Return every command by its name."""
    context = click.Context(sluice)
    named = {name: sluice.get_command(context, name) for name in sluice.list_commands(context)}
    return {name: command for name, command in named.items() if command}


def command_tables() -> dict[str, str]:
    """Return the options of every command, by the name of its generated block."""
    return {f"sluice {name}": options_table(each) for name, each in commands().items()}
