"""The lake's partitions as a tree."""

from rich.console import Console

from sluice.cli.sample import stored_line
from sluice.cli.tree import partition_tree
from sluice.lake import Partition


def drawn(*partitions: Partition) -> list[str]:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(partition_tree("b", list(partitions)))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_levels_with_one_child_share_a_line_and_others_sum_up_their_records() -> None:
    assert drawn(
        Partition("data/siteId=1/year=2023/hour=9/", 1, 1, 1),
        Partition("data/siteId=2/year=2023/hour=1/", 2, 3, 2763),
        Partition("data/siteId=2/year=2023/hour=10/", 1, 4, 500),
    ) == [
        "s3://b/data/",
        "├── siteId=1/year=2023/hour=9/  1 object, 1 record, 1 byte",
        "└── siteId=2/year=2023/  7 records",
        "    ├── hour=1/  2 objects, 3 records, 2.8 kB",
        "    └── hour=10/  1 object, 4 records, 500 bytes",
    ]


def test_a_partition_of_a_coarser_layout_hides_no_finer_one() -> None:
    assert drawn(
        Partition("data/siteId=1/", 1, 1, 1),
        Partition("data/siteId=1/hour=9/", 1, 2, 10),
    ) == [
        "s3://b/data/",
        "└── siteId=1/  3 records",
        "    ├── ./  1 object, 1 record, 1 byte",
        "    └── hour=9/  1 object, 2 records, 10 bytes",
    ]


def test_an_empty_lake_is_a_root() -> None:
    assert drawn() == ["s3://b/data/"]


def test_a_sample_is_printed_as_it_is_stored() -> None:
    line = '{"a":12345678901234567890.5,"b":"[bold]:smile:[/] \\u001b é","c":0.10}'
    console = Console(soft_wrap=True, width=20, color_system=None)
    with console.capture() as capture:
        console.print(stored_line(line.encode()))
    assert capture.get() == f"{line}\n"
