"""The declared rights as the page about security shows them."""

from docs.rights import rights_tables
from infrastructure.access import Case, Condition, Right
from infrastructure.rights import RIGHTS

READING = Right(
    who="${Reader/Role.Arn}",
    actions=("s3:GetObject", "s3:ListBucket"),
    on=("${Lake/Bucket.Arn}/data/*",),
    conditions=(Condition("StringEquals", "aws:SourceAccount", ("${AWS::AccountId}",)),),
    why="It reads.",
    source="https://example.com/reading",
    case=Case(lambda _: True, "`format=parquet`"),
)


def rows(text: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line]


def test_a_right_is_one_row_with_everything_that_limits_it() -> None:
    assert rows(rights_tables([READING]))[2] == [
        "`Reader/Role`",
        "`s3:GetObject`, `s3:ListBucket`",
        "`Lake/Bucket/data/*`",
        "`aws:SourceAccount` is `<account>`; the deployment: `format=parquet`",
        "It reads. [Source](https://example.com/reading)",
    ]


def test_what_is_refused_stands_apart_from_what_is_allowed() -> None:
    allowed, refused = rights_tables(RIGHTS).split("\n\n")
    effects = [right.effect for right in RIGHTS]
    assert len(rows(allowed)) == 2 + effects.count("Allow")
    assert len(rows(refused)) == 2 + effects.count("Deny")
    assert "may never do" in refused


def test_every_row_fills_its_five_cells() -> None:
    for row in rows(rights_tables(RIGHTS)):
        assert len(row) == 5 or set("".join(row)) <= {"-", "|"}
