"""Measurements of patients: a key of two parts, and a name that the lake must not hold."""

from msgspec import Struct

from chalicelib.declaration import Key, Kind, Table, Time


class Measurement(Struct, frozen=True, kw_only=True):
    """One measurement."""

    patient: str
    takenAt: int
    name: str
    pulse: int


TABLE = Table(
    key=(Key("patient"), Key("takenAt", "N")),
    kinds=(Kind("measurement", Measurement),),
    times=(Time("takenAt", unit="s"),),
    protect={"name": "hash"},
)
