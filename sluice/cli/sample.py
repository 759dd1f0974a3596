"""`sluice sample`: one line of the lake."""

import click
from rich.highlighter import JSONHighlighter
from rich.text import Text

from chalicelib.partitions import DATA_PREFIX
from sluice.cli.command import exit_incomplete, out, sluice
from sluice.errors import OperationError
from sluice.lake import objects, read_objects
from sluice.stack import Stack


@sluice.command("sample")
@click.option(
    "--prefix",
    default=DATA_PREFIX,
    help="Prefix of the object to read.",
)
@click.pass_obj
def sample_command(stack_name: str, prefix: str) -> None:
    """Print one decoded line of the lake and the object that holds it."""
    stack = Stack.named(stack_name)
    problems: list[str] = []
    for each, content in read_objects(stack, objects(stack, prefix), problems):
        if content:
            out.print(Text(f"s3://{stack.bucket}/{each.key}", style="dim"))
            out.print(stored_line(content[0]))
            exit_incomplete(problems)
            return
    exit_incomplete(problems)
    raise OperationError(
        f"no object below {prefix} has a line; `sluice query` also reads what is compacted"
    )


def stored_line(line: bytes) -> Text:
    """Return a line in colours, as it is stored: rich's printing of JSON rounds its numbers."""
    return JSONHighlighter()(line.decode())
