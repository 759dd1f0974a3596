"""The declaration in force: the one that ships, or that of the file which is named.

In the functions it is always `chalicelib.schema`, as which the file is packed.
"""

import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from chalicelib.declaration import Table
from chalicelib.errors import SchemaError

VARIABLE = "SLUICE_SCHEMA"
"""The environment variable that names a declaration's file."""

DEFAULT = Path(__file__).with_name("schema.py")

NAME = "TABLE"
"""The name of the declaration in its file."""


def declared() -> Table:
    """Return the table of the file that SLUICE_SCHEMA names, else the one that ships.

    Raises SchemaError for a file without a right declaration.
    """
    return load(Path(os.environ.get(VARIABLE) or DEFAULT))


def deployed() -> Table:
    """Return what `declared` does, but the one that ships as it is.

    For the functions: it was checked before they were deployed. Raises SchemaError.
    """
    return declared() if os.environ.get(VARIABLE) else shipped()


def shipped() -> Table:
    """Return the table that ships, which the functions follow."""
    from chalicelib.schema import TABLE

    return TABLE


def load(path: Path) -> Table:
    """Return the table that a file declares. Raises SchemaError, which has all its mistakes."""
    return _load(path.resolve(), path)


def read_anew(path: Path) -> Table:
    """Return the table that a file declares by now. Raises SchemaError."""
    return _checked(_read(path.resolve(), path), path)


@cache
def _load(path: Path, name: Path) -> Table:
    table = _checked(_read(path, name), name)
    return shipped() if path == DEFAULT else table


def _checked(table: Table, name: Path) -> Table:
    from chalicelib.mistakes import mistakes

    if errors := mistakes(table):
        raise SchemaError(str(name), errors)
    return table


def _read(path: Path, name: Path) -> Table:
    if path.suffix != ".py" or not path.is_file():
        raise SchemaError(str(name), ["there is no such Python file; name one with a declaration"])
    # msgspec resolves the annotations of a Struct in its module, which must be registered.
    module = ModuleType(f"sluice_schema {path}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        source = path.read_bytes()
        if errors := _import_errors(source):
            raise SchemaError(str(name), errors)
        # Not by Python's import, which takes a file that was saved twice in a second as unchanged.
        exec(compile(source, path, "exec"), vars(module))  # noqa: S102
    except SchemaError:
        raise
    except (Exception, SystemExit) as error:
        raise SchemaError(str(name), [_place(error, path)]) from None
    table = getattr(module, NAME, None)
    if not isinstance(table, Table):
        raise SchemaError(str(name), [f"it must set {NAME} to a Table"])
    return table


def _import_errors(source: bytes) -> list[str]:
    """Return a sentence for each module that a file imports and that the functions do not have."""
    import ast

    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=modules):
                names.update(module.name for module in modules)
            case ast.ImportFrom(module=module, level=level):
                names.add("." * level + (module or ""))
    return [
        f"it imports {name}, which the functions do not have; declare a table with the standard "
        f"library, msgspec and chalicelib.declaration only, all of it in this file"
        for name in sorted(names)
        if name == "chalicelib.schema"  # As which this file itself is packed.
        or name.partition(".")[0] not in {"chalicelib", "msgspec", *sys.stdlib_module_names}
    ]


def _place(error: BaseException, path: Path) -> str:
    """Return what stopped a file from being read, with the line in it."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    place = f"line {lines[-1]}: " if lines else ""
    return f"{place}{type(error).__name__}: {error}"
