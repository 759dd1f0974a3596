"""The drawing of the pipeline: the positions of its stations, horizontal for wide screens, vertical
for narrow ones. The same order as in docs/architecture.svg."""

from msgspec import Struct


class Box(Struct, frozen=True):
    """The position and size of a station, in units of the drawing."""

    x: int
    y: int
    width: int
    height: int


class Edge(Struct, frozen=True):
    """A line from station to station: an SVG path, and the name of the rate that it carries.

    `label` is the position of the rate's text, or None.
    """

    rate: str
    path: str
    label: tuple[int, int] | None = None
    failing: bool = False


class Drawing(Struct, frozen=True):
    """One arrangement of the stations."""

    name: str
    width: int
    height: int
    boxes: dict[str, Box]
    edges: tuple[Edge, ...]


WIDE = Drawing(
    "wide",
    1160,
    288,
    {
        "api": Box(10, 24, 112, 100),
        "table": Box(176, 24, 160, 100),
        "feed": Box(390, 24, 150, 100),
        "firehose": Box(594, 24, 180, 100),
        "lake": Box(828, 24, 160, 100),
        "catalog": Box(1036, 24, 114, 100),
        "given_up": Box(390, 190, 150, 86),
        "transform": Box(594, 190, 180, 86),
        "quarantine": Box(828, 190, 160, 86),
        "compacted": Box(1036, 190, 114, 86),
    },
    (
        Edge("changed", "M122 74H174", (148, 62)),
        Edge("fed", "M336 74H388", (362, 62)),
        Edge("fed", "M540 74H592", (566, 62)),
        Edge("transformed", "M654 124V188"),
        Edge("transformed", "M714 190V126", (744, 162)),
        Edge("delivered", "M774 74H826", (800, 62)),
        Edge("delivered", "M988 74H1034"),
        Edge("compacted", "M960 124V157H1093V188"),
        Edge("given_up", "M465 124V188", (500, 162), failing=True),
        Edge("quarantined", "M774 104H801V230H826", (836, 162), failing=True),
    ),
)

TALL = Drawing(
    "tall",
    340,
    712,
    {
        "api": Box(4, 4, 176, 64),
        "table": Box(4, 106, 176, 92),
        "feed": Box(4, 236, 176, 92),
        "firehose": Box(4, 366, 176, 96),
        "lake": Box(4, 500, 176, 92),
        "catalog": Box(4, 624, 176, 48),
        "given_up": Box(214, 240, 122, 84),
        "transform": Box(214, 372, 122, 84),
        "quarantine": Box(214, 504, 122, 84),
        "compacted": Box(214, 624, 122, 84),
    },
    (
        Edge("changed", "M92 68V104", (122, 91)),
        Edge("fed", "M92 198V234", (122, 221)),
        Edge("fed", "M92 328V364", (122, 351)),
        Edge("transformed", "M180 400H212"),
        Edge("transformed", "M214 428H182"),
        Edge("delivered", "M92 462V498", (122, 485)),
        Edge("delivered", "M92 592V622"),
        Edge("compacted", "M152 592V608H275V622"),
        Edge("given_up", "M180 282H212", None, failing=True),
        Edge("quarantined", "M164 462V480H276V502", None, failing=True),
    ),
)
