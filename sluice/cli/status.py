"""`sluice status`."""

import sys

import click
from rich.text import Text

from sluice.cli.command import json_option, out, print_json, sluice
from sluice.stack import Stack
from sluice.status import status
from sluice.wording import printable


@sluice.command("status")
@click.option("--check", is_flag=True, help="Exit 1 when a part needs a person.")
@json_option
@click.pass_obj
def status_command(stack_name: str, check: bool, as_json: bool) -> None:
    """Report the state of each part of the stack, and which of them needs a person.

    Reads every error object, and lists the lake's objects where there are at most 20,000.
    """
    parts = status(Stack.named(stack_name))
    if as_json:
        print_json({"stack": stack_name, "findings": parts})
    else:
        for each in parts:
            mark = ("!", "bold red") if each.needs_person else ("·", "green")
            out.print(Text.assemble(mark, f"  {each.part:<16} {printable(each.summary)}"))
    if check and any(each.needs_person for each in parts):
        sys.exit(1)
