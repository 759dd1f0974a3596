import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.stream.filter import DEPTH_MAX, FilterError, compile_filters

EVENT = {
    "eventName": "MODIFY",
    "eventID": "1f",
    "dynamodb": {
        "SizeBytes": 300,
        "Keys": {"id": {"S": "a"}},
        "NewImage": {
            "id": {"S": "a"},
            "kind": {"S": "Order"},
            "note": {"S": ""},
            "score": {"N": "42"},
            "live": {"BOOL": True},
            "tags": {"SS": ["red", "blue"]},
            "lines": {"L": [{"S": "x"}, {"N": "7"}]},
            "gone": {"NULL": True},
        },
    },
    "odd": None,
}


def matches(pattern: Any, event: Any = EVENT) -> bool:
    return compile_filters([json.dumps(pattern)])(event)


def image(attribute: str, kind: str, *rules: Any) -> dict[str, Any]:
    return {"dynamodb": {"NewImage": {attribute: {kind: list(rules)}}}}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"eventName": ["INSERT", "MODIFY"]}, True),
        ({"eventName": ["REMOVE"]}, False),
        ({"eventName": ["modify"]}, False),
        (image("live", "BOOL", True), True),
        (image("live", "BOOL", "true"), False),
        ({"odd": [None]}, True),
        ({"eventName": [None]}, False),
        (image("note", "S", ""), True),
        (image("kind", "S", ""), False),
        ({"dynamodb": {"SizeBytes": [300]}}, True),
        ({"dynamodb": {"SizeBytes": [300.0]}}, False),
        ({"dynamodb": {"SizeBytes": ["300"]}}, False),
        (image("live", "BOOL", 1), False),
    ],
)
def test_exact_values_match_their_own_type(pattern: Any, expected: bool) -> None:
    assert matches(pattern) is expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"prefix": "Or"}, True),
        ({"prefix": "or"}, False),
        ({"prefix": {"equals-ignore-case": "oR"}}, True),
        ({"suffix": "der"}, True),
        ({"suffix": "DER"}, False),
        ({"suffix": {"equals-ignore-case": "DER"}}, True),
        ({"equals-ignore-case": "oRDER"}, True),
        ({"equals-ignore-case": "orde"}, False),
        ({"anything-but": "Order"}, False),
        ({"anything-but": ["Order", "Offer"]}, False),
        ({"anything-but": ["order"]}, True),
        ({"anything-but": 7}, True),
        ({"exists": True}, True),
        ({"exists": False}, False),
    ],
)
def test_operators_on_text(rule: Any, expected: bool) -> None:
    assert matches(image("kind", "S", rule)) is expected


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        (["=", 300], True),
        (["=", 300.0], True),
        ([">", 300], False),
        ([">=", 300], True),
        (["<", 300], False),
        (["<=", 300], True),
        ([">", 299, "<", 301], True),
        ([">=", 0, "<=", 299], False),
    ],
)
def test_numeric_compares_json_numbers(comparison: Any, expected: bool) -> None:
    assert matches({"dynamodb": {"SizeBytes": [{"numeric": comparison}]}}) is expected


def test_numeric_does_not_see_the_numbers_of_dynamodb_which_are_text() -> None:
    assert not matches(image("score", "N", {"numeric": ["=", 42]}))
    assert matches(image("score", "N", "42"))


def test_numeric_does_not_take_a_boolean_for_a_number() -> None:
    assert not matches(image("live", "BOOL", {"numeric": ["=", 1]}))


def test_exists_looks_at_leaves_only() -> None:
    assert not matches({"dynamodb": [{"exists": True}]})
    assert matches({"dynamodb": {"OldImage": [{"exists": False}]}})
    assert matches(image("name", "S", {"exists": False}))
    assert matches(image("score", "S", {"exists": False}))
    assert matches({"absent": {"deeper": {"still": [{"exists": False}]}}})


def test_an_array_matches_by_any_of_its_elements() -> None:
    assert matches(image("tags", "SS", "blue"))
    assert not matches(image("tags", "SS", "green"))
    assert matches(image("tags", "SS", {"anything-but": "blue"}))
    assert matches({"dynamodb": {"NewImage": {"lines": {"L": {"N": ["7"]}}}}})
    assert not matches({"dynamodb": {"NewImage": {"lines": {"L": {"S": ["7"]}}}}})


def test_keys_are_anded_values_ored_and_or_takes_alternatives() -> None:
    both = {"eventName": ["MODIFY"], "eventID": ["2"]}
    assert not matches(both)
    assert matches({"$or": [{"eventName": ["INSERT"]}, {"eventID": ["1f"]}]})
    assert not matches({"$or": [{"eventName": ["INSERT"]}, {"eventID": ["2"]}]})
    nested = {"NewImage": {"$or": [{"kind": {"S": ["Offer"]}}, {"note": {"S": [""]}}]}}
    assert matches({"dynamodb": nested})
    assert not matches({"dynamodb": nested, "eventName": ["INSERT"]})


def test_filters_are_ored_and_none_takes_everything() -> None:
    insert, modify = '{"eventName": ["INSERT"]}', '{"eventName": ["MODIFY"]}'
    assert compile_filters([insert, modify])(EVENT)
    assert not compile_filters([insert])(EVENT)
    assert compile_filters([])(EVENT)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ({"a": [{"wildcard": "x*"}]}, "wildcard is not available here"),
        ({"a": [{"cidr": "10.0.0.0/8"}]}, "cidr is not available here"),
        ({"a": [{"anything-but": {"prefix": "x"}}]}, "prefix within it is not available here"),
        ({"a": [{"anything-but": {"equals-ignore-case": "x"}}]}, "not available here"),
        ({"a": [{"anything-but": ["x", 1]}]}, "all of one kind"),
        ({"a": [{"anything-but": []}]}, "at least one"),
        ({"a": [{"starts": "x"}]}, "'starts' is not an operator"),
        ({"a": [{"prefix": 1}]}, "must be text"),
        ({"a": [{"prefix": "x", "suffix": "y"}]}, "must name one operator"),
        ({"a": [{"numeric": [">"]}]}, "numeric must be like"),
        ({"a": [{"numeric": ["~", 1]}]}, "'~' is not one of"),
        ({"a": [{"numeric": [{}, 1]}]}, "{} is not one of"),
        ({"a": [{"numeric": [">", "1"]}]}, "must be a number"),
        ({"a": [{"numeric": ["=", 6_000_000_000]}]}, "must be a number within"),
        ({"a": [{"numeric": ["<", 1, ">", 0]}]}, "a range is a lower bound"),
        ({"a": [{"exists": "yes"}]}, "exists must be true or false"),
        ({"a": "x"}, "must be a list of values"),
        ({"a": []}, "at least one"),
        ({"a": [["x"]]}, "a list within a list"),
        ({"a": {}}, "must be an object with at least one key"),
        ({"$or": [{"a": ["x"]}]}, "at least two patterns"),
        ([], "must be an object"),
    ],
)
def test_a_pattern_pipes_would_refuse_is_refused_by_name(pattern: Any, message: str) -> None:
    with pytest.raises(FilterError, match=r"^filter 1") as error:
        compile_filters([json.dumps(pattern)])
    assert message in str(error.value)


def test_a_pattern_that_is_not_json_is_named_by_its_number() -> None:
    with pytest.raises(FilterError, match="filter 2 is not JSON"):
        compile_filters(['{"a": ["x"]}', "{a}"])


def test_a_pattern_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(FilterError, match="filter 1 is not JSON"):
        compile_filters(['{"a": ["\ud800"]}'])


@pytest.mark.parametrize(
    "pattern",
    [
        '{"a":' * 700 + '["x"]' + "}" * 700,
        '{"$or":[{"a":["x"]},' * 190 + '{"a":["x"]}' + "]}" * 190,
        "[" * 4096,
    ],
)
def test_a_pattern_that_nests_deeper_than_any_record_is_refused(pattern: str) -> None:
    with pytest.raises(FilterError, match=r"^filter 1 nests more than 100 levels deep"):
        compile_filters([pattern])


def test_a_pattern_may_nest_as_deep_as_a_record() -> None:
    event: Any = {"a": "x"}
    for _ in range(DEPTH_MAX - 1):
        event = {"a": event}
    pattern = '{"a":' * DEPTH_MAX + '["x"]' + "}" * DEPTH_MAX
    assert compile_filters([pattern])(event)


scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)


@given(scalars, st.lists(scalars, min_size=1, max_size=4))
def test_exact_matching_is_equality_within_a_type(value: Any, wanted: list[Any]) -> None:
    expected = any(type(value) is type(each) and value == each for each in wanted)
    assert matches({"a": wanted}, {"a": value}) is expected


@given(st.text(max_size=4), st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_anything_but_is_the_opposite_of_exact(value: str, values: list[str]) -> None:
    but = matches({"a": [{"anything-but": values}]}, {"a": value})
    assert but is not matches({"a": values}, {"a": value})


@given(scalars | st.lists(scalars, max_size=2) | st.just({"b": 1}))
def test_exists_true_and_false_are_opposites(value: Any) -> None:
    event = {"a": value}
    assert matches({"a": [{"exists": True}]}, event) is not matches(
        {"a": [{"exists": False}]}, event
    )


@given(st.text(max_size=4), st.text(max_size=4))
def test_affixes_are_those_of_the_text(text: str, affix: str) -> None:
    assert matches({"a": [{"prefix": affix}]}, {"a": text}) is text.startswith(affix)
    assert matches({"a": [{"suffix": affix}]}, {"a": text}) is text.endswith(affix)
