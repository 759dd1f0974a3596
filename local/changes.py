"""The changes that a demonstration makes: of made-up records, or of the items of a file.

The first step is one record alone, for the demonstration to fail; what follows is all the others.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from chalicelib.declaration import Table
from chalicelib.keys import key_of, texts_of
from local.session import Session, deployed_stack, emulator_session
from sluice.errors import OperationError
from sluice.item_file import read_items
from sluice.items import Item
from sluice.seed import Seeded, put_items, seed, writers
from sluice.stack import Stack

RECORDS, CHANGES, DELETES = 299, 60, 30
GROUPS, MINUTES = 5, 3


def made_up(stack: Stack) -> Iterator[Seeded]:
    """Write records of every kind, change some and delete others."""
    yield seed(stack.table, *writers(stack), 1)
    yield seed(
        stack.table,
        *writers(stack),
        RECORDS,
        GROUPS,
        CHANGES,
        DELETES,
        MINUTES,
        samples=True,
    )


def of_items(stack: Stack, items: Sequence[Item]) -> Iterator[Seeded]:
    """Write items, delete some and put them back."""
    client, name = stack.dynamodb, stack.output("TableName")
    put_items(client, name, items[:1])
    yield Seeded(1, 0, 0)
    deleted = items[: min(DELETES, len(items) // 10)]
    put_items(client, name, items[1:])
    for item in deleted:
        client.delete_item(TableName=name, Key=key_of(stack.table, item))
    put_items(client, name, deleted)
    yield Seeded(len(items) - 1 + len(deleted), 0, len(deleted))


def load_into(session: Session, items: Sequence[Item]) -> None:
    """Write items into the table of a local run."""
    stack = deployed_stack(session.endpoint_url)
    client = emulator_session().client("dynamodb", endpoint_url=session.endpoint_url)
    put_items(client, stack.output("TableName"), items)


def load(table: Table, file: Path) -> list[Item]:
    """Return the items of a file; of several with one key the last. Raises OperationError."""
    items = {}
    for number, item in enumerate(read_items(file), 1):
        try:
            items[texts_of(table, item)] = item
        except KeyError:
            key = ", ".join(f"{each.name} ({each.type})" for each in table.key)
            raise OperationError(
                f"item {number} of {file} has not the key that is declared, {key}; name another "
                "declaration with --schema, or correct its key"
            ) from None
    if not items:
        raise OperationError(f"{file} has no items")
    return list(items.values())
