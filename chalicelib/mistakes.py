"""What is wrong with a declaration: every mistake, each with the name, the rule and the remedy."""

from chalicelib.declaration import Table


def mistakes(table: Table) -> list[str]:
    """Return what is wrong with a table's declaration, as sentences; none if it can be used."""
    try:
        return [
            f"the key {key.name} is not a field of {shape.record.__name__}; declare it there"
            for shape in table.shapes
            for key in table.key
            if key.name not in shape.fields
        ]
    except TypeError as error:
        return [str(error)]
