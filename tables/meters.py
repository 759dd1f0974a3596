"""Electricity meters: a key of text and number, and times in epoch seconds."""

from decimal import Decimal
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.declaration import Key, Kind, Table, Time


class Reading(Struct, frozen=True, kw_only=True):
    """One reading of a meter."""

    meter: Annotated[str, Meta(min_length=1, max_length=64, description="Number of the meter.")]
    # The second part of the key and the event time at once.
    ts: Annotated[int, Meta(ge=0, le=253_402_300_799, description="Epoch seconds.")]
    # These two are levels of the lake. A short max_length leaves room for deeper levels.
    region: Annotated[str, Meta(min_length=1, max_length=12, description="Such as NL-UT.")]
    grid: Annotated[int, Meta(ge=0, le=99_999, description="Number of the grid.")]
    # A name that Python does not allow is given to `field`.
    kwh: Annotated[Decimal, Meta(description="Counter.")] = field(name="kwh-total")
    volts: Annotated[list[Decimal], Meta(max_length=3, description="By phase.")] | UnsetType = (
        field(name="volts.by.phase", default=UNSET)
    )
    # Old meters send a text, new ones a number. The lake has both as text.
    firmware: int | str | UnsetType = UNSET


TABLE = Table(
    key=(Key("meter"), Key("ts", "N")),
    kinds=(Kind("reading", Reading),),
    times=(Time("ts", "s"),),
    layout=("region", "grid", "year", "month", "day"),
    examples=(
        {
            "meter": "E0042",
            "ts": 1_777_885_200,
            "region": "NL-UT",
            "grid": 17,
            "kwh-total": "10250.125",
            "volts.by.phase": ["230.1", "229.8", "231.0"],
            "firmware": "2.4",
        },
        {
            "meter": "E0043",
            "ts": 1_777_885_260,
            "region": "NL-GE",
            "grid": 4,
            "kwh-total": "88.5",
            "firmware": 7,
        },
    ),
)
