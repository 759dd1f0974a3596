"""Any item on its way into the lake and back again: nothing is lost, to the last digit."""

import json
from base64 import b64decode, b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.change import INPUT_TEMPLATE
from chalicelib.lines import ChangeFields
from chalicelib.transform import transformer
from local.pipe.definition import PipeDefinition
from local.pipe.template import Template
from sluice.items import item_writer, read_line
from tests.attribute_values import (
    a_set,
    attribute_values,
    binaries,
    comparable_item,
    null,
    numbers,
    of,
    texts,
    whole_numbers,
)
from tests.declaring import table
from tests.record_types import Everything

FIELDS = set(Everything.__struct_fields__)

texts_of = of("S", texts)
addresses = st.fixed_dictionaries(
    {"street": texts_of, "floor": of("N", whole_numbers) | null},
    optional={"codes": a_set("SS", texts)},
)
DECLARED: dict[str, st.SearchStrategy[Any]] = {
    "whole": of("N", whole_numbers),
    "exact": of("N", numbers()),
    "data": of("B", binaries),
    "flag": of("BOOL", st.booleans()),
    "perhaps": texts_of,
    "perhapsNumber": of("N", numbers()),
    "many": of("L", st.lists(of("N", numbers()) | null, max_size=3)),
    "named": of("M", st.dictionaries(texts, of("B", binaries), max_size=3)),
    "address": of("M", addresses),
    "addresses": of(
        "M", st.dictionaries(texts, of("L", st.lists(of("M", addresses), max_size=2)), max_size=2)
    ),
    "words": a_set("SS", texts),
    "amounts": a_set("NS", numbers()),
    "counts": a_set("NS", whole_numbers),
    "blobs": a_set("BS", binaries),
}
UNDECLARED_NAMES = texts.filter(lambda name: name and name not in FIELDS) | st.sampled_from(
    [*ChangeFields.__struct_fields__, "Id", "expired", '"', "\\", "<$.eventID>"]
)


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    fields = draw(
        st.fixed_dictionaries(
            {"id": of("S", texts), "siteId": of("S", st.text("ab/ö", min_size=1, max_size=5))},
            optional={name: values | null for name, values in DECLARED.items()},
        )
    )
    undeclared = draw(st.dictionaries(UNDECLARED_NAMES, attribute_values, max_size=3))
    return {**fields, **undeclared}


def wire(value: Any) -> Any:
    """An attribute value as a stream record's JSON spells it."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, list):
        return [wire(each) for each in value]
    if isinstance(value, dict):
        return {name: wire(each) for name, each in value.items()}
    return value


TEMPLATE = Template(
    PipeDefinition(
        name="pipe",
        arn="arn:pipe",
        source_arn="arn:source",
        target_arn="arn:target",
        filters=(),
        batch_size=1,
        batching_window_seconds=0,
        starting_position="TRIM_HORIZON",
        maximum_retry_attempts=0,
        maximum_record_age_seconds=-1,
        bisect=False,
        dead_letter_arn=None,
        input_template=INPUT_TEMPLATE,
    )
)
TRANSFORM = transformer(table(Everything, ["siteId"]))
ITEM_OF = item_writer(table(Everything))


def answer_to(item: dict[str, Any], event_name: str = "INSERT") -> dict[str, Any]:
    """What the transform answers for a change that shows this item."""
    image = "OldImage" if event_name == "REMOVE" else "NewImage"
    event = {
        "eventID": "e1",
        "eventName": event_name,
        "dynamodb": {
            "ApproximateCreationDateTime": 1700076552,
            "Keys": {"id": wire(item["id"])},
            image: wire(item),
            "SequenceNumber": "4421584500000000017450439091",
        },
    }
    payload = TEMPLATE.render(json.loads(json.dumps(event)), 0)
    record = {"recordId": "r", "data": b64encode(payload).decode()}
    answer: dict[str, Any]
    (answer,) = TRANSFORM({"records": [record]})["records"]
    return answer


def line_of(item: dict[str, Any], event_name: str = "INSERT") -> dict[str, Any]:
    answer = answer_to(item, event_name)
    assert answer["result"] == "Ok"
    return read_line(b64decode(answer["data"]))


@given(items(), st.sampled_from(["INSERT", "REMOVE"]))
@example({"id": {"S": "a"}, "siteId": {"S": "a"}, "exact": {"N": "9" * 38 + "E+88"}}, "INSERT")
@example({"id": {"S": "a"}, "siteId": {"S": "a"}, "exact": {"N": "-1E-130"}}, "INSERT")
@example({"id": {"S": "a"}, "siteId": {"S": "a"}, "perhaps": {"NULL": True}}, "INSERT")
@example({"id": {"S": "a"}, "siteId": {"S": "a"}, "extra": {"S": "its own"}}, "INSERT")
def test_any_item_comes_back_from_the_lake_as_it_was(item: dict[str, Any], event_name: str) -> None:
    line = line_of(item, event_name)
    assert comparable_item(ITEM_OF(line)) == comparable_item(item)


@given(items())
def test_undeclared_attributes_stand_in_extra_as_they_were_written(item: dict[str, Any]) -> None:
    extra = line_of(item).get("extra")
    undeclared = {name: value for name, value in item.items() if name not in FIELDS}
    assert (json.loads(extra) if extra is not None else {}) == wire(undeclared)


def test_null_is_not_the_same_as_absent() -> None:
    item = {"id": {"S": "a"}, "siteId": {"S": "a"}, "flag": {"NULL": True}}
    line = line_of(item)
    assert line["flag"] is None
    assert "data" not in line


@pytest.mark.parametrize("field", sorted(DECLARED))
def test_any_declared_field_may_be_null(field: str) -> None:
    item = {"id": {"S": "a"}, "siteId": {"S": "a"}, field: {"NULL": True}}
    assert ITEM_OF(line_of(item)) == item


WRONG = {"whole": {"N": "1.5"}, "many": {"L": [{"S": "a"}]}, "address": {"M": {"new": {"S": "a"}}}}


@pytest.mark.parametrize("field", sorted(DECLARED))
def test_a_declared_field_of_another_type_is_quarantined(field: str) -> None:
    value = WRONG.get(field, {"L": [{"L": []}]})
    answer = answer_to({"id": {"S": "a"}, "siteId": {"S": "a"}, field: value})
    assert answer["result"] == "ProcessingFailed"


def test_a_type_that_no_attribute_holds_is_refused_with_the_schema() -> None:
    floating = msgspec.defstruct("Floating", [("id", str), ("value", float)])
    with pytest.raises(TypeError, match="declare it as decimal"):
        item_writer(table(floating))
