from hypothesis import given
from hypothesis import strategies as st

from chalicelib.limits import PUT_BYTES_MAX, PUT_RECORDS_MAX, batch_length


@given(st.lists(st.integers(0, PUT_BYTES_MAX // 2), min_size=1), st.integers(1, 600))
def test_a_batch_is_as_long_as_its_limits_allow(sizes: list[int], most: int) -> None:
    length = batch_length(sizes, most)
    assert 1 <= length <= min(len(sizes), most, PUT_RECORDS_MAX)
    assert sum(sizes[:length]) <= PUT_BYTES_MAX
    if length < min(len(sizes), most, PUT_RECORDS_MAX):
        assert sum(sizes[: length + 1]) > PUT_BYTES_MAX


def test_a_batch_holds_500_records_and_4_mib_to_the_byte() -> None:
    assert batch_length([1] * 501) == 500
    assert batch_length([PUT_BYTES_MAX // 2] * 3) == 2
    assert batch_length([PUT_BYTES_MAX - 1, 2]) == 1


def test_a_record_over_the_batch_is_a_batch_of_its_own_to_be_refused() -> None:
    assert batch_length([PUT_BYTES_MAX + 1, 1]) == 1


def test_nothing_is_no_batch() -> None:
    assert batch_length([]) == 0
