"""`sluice failed`."""

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from sluice.cli.command import ProgressBar, exit_incomplete, json_option, out, print_json, sluice
from sluice.cli.selection import selection_options
from sluice.recovery.quarantine import QuarantinedRecord, Selection, read_quarantine
from sluice.stack import Stack
from sluice.transform import deployed_settings, reason_reader
from sluice.wording import counted, printable


@sluice.command("failed")
@selection_options
@click.option("--limit", type=click.IntRange(0), default=20, help="Records to list.")
@click.option("--payload", is_flag=True, help="Print each record as Firehose is given it.")
@json_option
@click.pass_obj
def failed_command(
    stack_name: str,
    error_code: str | None,
    since: datetime | None,
    limit: int,
    payload: bool,
    as_json: bool,
) -> None:
    """List the records in quarantine: by error code and reason, then the latest ones.

    They are the records that Firehose gave up, below errors/, and the changes that the feed
    function gave up, below aws/lambda/. The reason names the field and the rule that the transform
    finds broken when it reads the record now, with this version of the declaration. A record
    without one waits for `sluice replay`, or for `sluice redrive` below aws/lambda/. Records that
    these have put are not among them. Exits 1 when an object cannot be read.
    """
    stack = Stack.named(stack_name)
    with ProgressBar("reading error objects") as bar:
        failed = read_quarantine(
            stack,
            Selection(error_code, since),
            reason_reader(deployed_settings(stack)),
            keep_payloads=payload,
            progress=bar.move,
        )
    by_code = Counter(each.record.code for each in failed)
    if as_json:
        print_json(
            {
                "bucket": stack.bucket,
                "byErrorCode": by_code,
                "byReason": Counter(each.reason for each in failed if each.reason),
                "records": [_document(each, payload) for each in failed[:limit]],
            }
        )
    else:
        out.print(_causes(failed))
        for each in failed[:limit]:
            _print(each, payload)
        left = max(0, len(failed) - limit)
        out.print(
            f"{counted(len(failed), 'record')} in quarantine"
            + (f", {left} not listed" if left else ""),
        )
    exit_incomplete([each.record.message for each in failed if not each.record.line])


def _causes(failed: Sequence[QuarantinedRecord]) -> Table:
    table = Table("error code", "records", "latest", "reason", box=None, pad_edge=False)
    latest: dict[tuple[str, str | None], int] = {}
    for each in failed:
        latest.setdefault((each.record.code, each.reason), each.failed_at)
    for cause, count in Counter((each.record.code, each.reason) for each in failed).most_common():
        code, reason = cause
        table.add_row(printable(code), str(count), _time(latest[cause]), printable(reason or ""))
    return table


def _print(failure: QuarantinedRecord, payload: bool) -> None:
    record = failure.record
    unit = "change" if failure.is_change else "line"
    place = f"{failure.key}, {unit} {record.line}" if record.line else failure.key
    out.print(
        Text(f"\n{_time(failure.failed_at)}  {printable(record.code)}", style="bold"),
        Text(f"\n  {printable(record.message)}\n  {place}"),
        sep="",
    )
    if failure.reason:
        out.print(Text(f"  reason: {printable(failure.reason)}"))
    if record.obstacle and record.obstacle != record.message:
        out.print(Text(f"  cannot be replayed: {record.obstacle}"))
    if payload and record.payload is not None:
        click.echo(f"  {_readable(record.payload)}")


def _document(failure: QuarantinedRecord, payload: bool) -> dict[str, Any]:
    record = failure.record
    document = {
        "failedAt": failure.failed_at,
        "errorCode": record.code,
        "errorMessage": record.message,
        "key": failure.key,
        "line": record.line,
        "reason": failure.reason,
        "obstacle": record.obstacle,
    }
    if payload:
        data = record.payload
        document["rawData"] = None if data is None else b64encode(data).decode()
    return document


def _readable(payload: bytes) -> str:
    """Return text as it is where it is printable, else base64."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = ""
    return text if text.isprintable() and text else f"base64: {b64encode(payload).decode()}"


def _time(epoch_ms: int) -> str:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
