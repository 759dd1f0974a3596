import pytest

from local.demo import verdict

SEEDED = {"inserts": 3, "changes": 1, "deletes": 1, "total": 5}


@pytest.mark.parametrize(
    ("records", "errors", "complete"),
    [([3, 2], 0, True), ([3, 1], 0, False), ([3, 3], 0, False), ([5], 1, False), ([], 0, False)],
)
def test_the_demo_is_content_when_all_came_out_once_and_nothing_failed(
    records: list[int], errors: int, complete: bool
) -> None:
    lake = {"partitions": [{"records": each} for each in records], "errorObjects": errors}
    words, verdict_complete = verdict(SEEDED, lake)
    assert verdict_complete is complete
    assert words.startswith("5 changes went in: 3 inserts, 1 changes, 1 deletes.")
    assert f"{sum(records)} came out" in words
