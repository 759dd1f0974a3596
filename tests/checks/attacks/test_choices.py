from hypothesis import given
from hypothesis import strategies as st

from checks.attacks.choices import Choices, is_rare


@given(st.binary(max_size=40))
def test_equal_bytes_make_equal_decisions(data: bytes) -> None:
    one, other = Choices(data), Choices(data)
    assert [one.json("abc"), one.text(), one.rest()] == [
        other.json("abc"),
        other.text(),
        other.rest(),
    ]


def test_decisions_are_the_first_once_the_bytes_have_run_out() -> None:
    choices = Choices(b"\x03")
    assert choices.below(2) == 1
    assert (choices.below(9), choices.flag(), choices.pick("xy")) == (0, False, "x")
    assert (choices.text(), choices.json("a"), choices.rest()) == ("", None, b"")


def test_rare_inputs_are_as_rare_as_said() -> None:
    inputs = [number.to_bytes(3, "big") for number in range(20_000)]
    assert 10 <= sum(is_rare(data, 1000) for data in inputs) <= 30
