"""A table of which only the key is known: binary, with neither time nor site, and no kind declared.

That much is enough to follow any table. A line has the key, and every other attribute as exact
DynamoDB JSON in `extra`; kinds and fields can be declared later, and old lines stay readable.
"""

from chalicelib.declaration import Key, Table

TABLE = Table(
    key=(Key("hash", "B"),),
    # The event time is the time of the change, since no `times` are declared.
    layout=("year", "month", "day"),
)
