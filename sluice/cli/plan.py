"""`sluice plan`: the limits, delays and bill of a workload, before anything is deployed."""

import os
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, replace
from typing import Any, Literal, get_args, get_origin

import click
from click.core import ParameterSource
from msgspec import Meta

from chalicelib.declared import VARIABLE, declared
from sluice.cli.command import Amount, exit_incomplete, json_option, print_error, sluice
from sluice.cli.plan_report import print_plan
from sluice.errors import OperationError
from sluice.planning import measurement
from sluice.planning.plan import make_plan
from sluice.planning.rules import (
    Option,
    PlanError,
    annotations,
    noted,
    plain_type,
    read_value,
    rule_of,
)
from sluice.planning.settings import PlanSettings, layout_named
from sluice.planning.workload import Workload
from sluice.stack import Stack

Command = Callable[..., Any]


def _options(cls: type) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the options noted beside a dataclass's fields."""

    def decorate(command: Command) -> Command:
        for field in reversed(fields(cls)):
            annotation = annotations(cls)[field.name]
            if option := noted(annotation, Option):
                command = _option(field, annotation, option)(command)
        return command

    return decorate


def _option(field: Field[Any], annotation: Any, option: Option) -> Callable[[Command], Command]:
    default = None if field.default in (MISSING, ()) else field.default
    kind = _click_type(annotation)
    # Click shows a range and choices by itself.
    rule = "" if isinstance(kind, Amount | click.Choice) else rule_of(annotation)
    return click.option(
        option.flag(field.name),
        field.name,
        type=kind,
        default=default,
        help=f"{option.help}: {rule}." if rule else f"{option.help}.",
        callback=_read,
    )


def _click_type(annotation: Any) -> click.ParamType[Any]:
    kind, meta = plain_type(annotation), noted(annotation, Meta)
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind is float and meta:
        is_open = meta.gt is not None
        return Amount(meta.gt if is_open else meta.ge, meta.le, min_open=is_open)
    return click.INT if kind is int else click.STRING


def _read(_ctx: click.Context, option: click.Parameter, value: Any) -> Any:
    """Return an option's value, checked by the rule of its field."""
    name = str(option.name)
    cls = Workload if name in annotations(Workload) else PlanSettings
    try:
        return value if value is None else read_value(name, value, annotations(cls)[name])
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@sluice.command("plan")
@_options(Workload)
@click.option("--from-table", is_flag=True, help="Take the workload from the table's stream.")
@click.option("--from-lake", is_flag=True, help="Take the workload from the lake's newest objects.")
@_options(PlanSettings)
@json_option
@click.pass_context
def plan_command(
    ctx: click.Context, /, from_table: bool, from_lake: bool, as_json: bool, **values: Any
) -> None:
    """Print what a workload will come to: limits, delays, objects, and the monthly bill.

    Exits 1 when AWS would not carry it, and proposes what would. The workload is given by --rate
    and its other options, or measured from the stack; options that are given beside that count
    more. Nothing is changed.
    """
    described = {name: values.pop(name) for name in annotations(Workload)}
    if (described["changes_per_second"] is not None) + from_table + from_lake == 0:
        raise click.UsageError("give --rate, --from-table or --from-lake")
    if from_table and from_lake:
        raise click.UsageError("give one of --from-table and --from-lake")
    problems: list[str] = []
    table = declared()
    try:
        if from_table or from_lake:
            stack = Stack.named(ctx.obj)
            measured = (
                measurement.from_table(stack)
                if from_table
                else measurement.from_lake(stack, problems)
            )
            typed = ParameterSource.COMMANDLINE
            chosen = {k: v for k, v in described.items() if ctx.get_parameter_source(k) is typed}
            workload = replace(measured, **chosen)
        else:
            workload = Workload(**described)
        values["layout"] = layout_named(table, values["layout"] or ())
        settings = PlanSettings(table=table, schema=os.environ.get(VARIABLE, ""), **values)
    except PlanError as error:
        raise click.UsageError(str(error)) from None
    except OperationError:
        for problem in problems:
            print_error(problem)
        raise
    try:
        print_plan(make_plan(workload, settings), as_json)
    finally:
        exit_incomplete(problems)
