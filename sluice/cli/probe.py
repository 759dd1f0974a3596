"""`sluice probe`."""

from contextlib import closing

import click
from rich.text import Text

from sluice.cli.command import AMOUNT, err, exit_incomplete, json_option, out, print_json, sluice
from sluice.probe.items import Probe
from sluice.probe.questions import ProbeAnswer, answers
from sluice.stack import Stack
from sluice.wording import printable


@sluice.command("probe")
@click.option(
    "--wait-seconds", type=AMOUNT, default=300, help="How long a record may take to arrive."
)
@click.option("--yes", is_flag=True, help="Probe a stack in production too.")
@json_option
@click.pass_obj
def probe_command(stack_name: str, wait_seconds: float, yes: bool, as_json: bool) -> None:
    """Answer what AWS does not document, by two marked records on their way through the stack.

    They are deleted from the table at the end; their lines remain in the lake and in quarantine.
    """
    probe = Probe(Stack.named(stack_name), wait_seconds, confirmed=yes)
    err.print(f"lines of {' and '.join(probe.ids)} remain in {' and '.join(probe.remains)}")
    with closing(answers(probe)) as steps:
        if as_json:
            documents = list(steps)
        else:
            for answer in steps:
                _print(answer)
    if as_json:
        print_json({"answers": documents, "ids": probe.ids, "remains": probe.remains})
    late = f"no line of the probe arrived within {wait_seconds:g} s; see `sluice logs`"
    exit_incomplete([] if probe.arrival else [late])


def _print(answer: ProbeAnswer) -> None:
    out.print(Text(answer.question, style="bold"))
    out.print(Text(f"  {printable(answer.answer)}"))
    out.print(Text(f"  {answer.depends_on}", style="dim"))
