import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.change import INPUT_TEMPLATE
from local.pipe.definition import PipeDefinition
from local.pipe.template import Template, TemplateError
from sluice.errors import TransformationFailed

EVENT: dict[str, Any] = {
    "eventID": "1f",
    "eventName": "INSERT",
    "dynamodb": {
        "ApproximateCreationDateTime": 1700076551,
        "SizeBytes": 2.5,
        "NewImage": {
            "id": {"S": "a"},
            "name": {"S": 'say "hi"\\\n'},
            "score": {"N": "42"},
            "live": {"BOOL": True},
            "empty": {"S": ""},
            "lines": {"L": [{"S": "x"}, {"S": "y"}]},
        },
    },
    "nothing": None,
    "a/b-c_d": {"e": "slash"},
}

Render = Callable[..., bytes]


@pytest.fixture
def render(define: Callable[..., PipeDefinition]) -> Render:
    def make(template: str, event: dict[str, Any] = EVENT) -> bytes:
        return Template(define(input_template=template)).render(event, 1700076551.926)

    return make


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"k": <$.eventID>}', '{"k": "1f"}'),
        ('{"k": "<$.eventID>"}', '{"k": "1f"}'),
        ('{"k": "id <$.eventID>!"}', '{"k": "id 1f!"}'),
        ('{"k": <$.dynamodb.ApproximateCreationDateTime>}', '{"k": 1700076551}'),
        ('{"k": "<$.dynamodb.ApproximateCreationDateTime>"}', '{"k": "1700076551"}'),
        ('{"k": <$.dynamodb.SizeBytes>}', '{"k": 2.5}'),
        ('{"k": <$.dynamodb.NewImage.live.BOOL>}', '{"k": true}'),
        ('{"k": "<$.dynamodb.NewImage.live.BOOL>"}', '{"k": "true"}'),
        ('{"k": <$.dynamodb.NewImage.score.N>}', '{"k": "42"}'),
        ('{"k": <$.dynamodb.NewImage.score>}', '{"k": {"N":"42"}}'),
        ('{"k": <$.dynamodb.NewImage.lines.L>}', '{"k": [{"S":"x"},{"S":"y"}]}'),
        ('{"k": <$.dynamodb.NewImage.lines.L[1].S>}', '{"k": "y"}'),
        ('{"k": <$.a/b-c_d.e>}', '{"k": "slash"}'),
        ('[<$.eventID>, "<$.eventName>"]', '["1f", "INSERT"]'),
        ('{"<$.eventName>": 1}', '{"INSERT": 1}'),
        ("<$.eventID>", '"1f"'),
        ('"a \\"<$.eventID>\\" b"', '"a \\"1f\\" b"'),
        ("nothing but text", "nothing but text"),
        ('{"k": "1 < 2 > 0"}', '{"k": "1 < 2 > 0"}'),
    ],
)
def test_values_come_out_by_their_type_and_quotes(
    render: Render, template: str, expected: str
) -> None:
    assert render(template).decode() == expected


@pytest.mark.parametrize(
    "path",
    [
        "$.dynamodb.OldImage",
        "$.dynamodb.NewImage.name.N",
        "$.dynamodb.NewImage.lines.L[2]",
        "$.eventID.deeper",
        "$.eventID[0]",
        "$.nowhere.at.all",
    ],
)
def test_a_missing_path_is_an_empty_text_and_its_key_stays(render: Render, path: str) -> None:
    assert render(f'{{"k": <{path}>}}') == b'{"k": ""}'
    assert render(f'{{"k": "<{path}>"}}') == b'{"k": ""}'
    assert render(f'{{"k": "x<{path}>y"}}') == b'{"k": "xy"}'


def test_an_object_is_inserted_as_json_whatever_its_texts_hold(render: Render) -> None:
    payload = json.loads(render('{"image": <$.dynamodb.NewImage>}'))
    assert payload == {"image": EVENT["dynamodb"]["NewImage"]}


def test_without_a_template_the_whole_record_is_sent(render: Render) -> None:
    assert json.loads(render("")) == EVENT


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aws.pipes.pipe-arn", "arn:aws:pipes:us-east-1:000000000000:pipe/changes"),
        ("aws.pipes.pipe-name", "changes"),
        ("aws.pipes.source-arn", "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2023"),
        ("aws.pipes.target-arn", "arn:aws:firehose:us-east-1:000000000000:deliverystream/lake"),
        ("aws.pipes.event.ingestion-time", "2023-11-15T19:29:11.926Z"),
    ],
)
def test_reserved_variables(render: Render, name: str, expected: str) -> None:
    assert json.loads(render(f'{{"q": "<{name}>", "u": <{name}>}}')) == {
        "q": expected,
        "u": expected,
    }


@pytest.mark.parametrize("name", ["aws.pipes.event", "aws.pipes.event.json"])
def test_the_event_itself_can_be_the_value_of_a_field(render: Render, name: str) -> None:
    assert json.loads(render(f'{{"event": <{name}>}}')) == {"event": EVENT}


@pytest.mark.parametrize(
    ("template", "case"),
    [
        ('{"k": "<$.dynamodb>"}', "is within quotes"),
        ('{"k": "<$.dynamodb.NewImage.lines.L>"}', "is within quotes"),
        ('{"k": <$.dynamodb.NewImage.name.S>}', "a quote, a backslash or a control character"),
        ('{"k": <$.nothing>}', "is null"),
        ('{"k": "<$.nothing>"}', "is within quotes"),
        ("<$.nowhere>", "is all of the template and missing"),
    ],
)
def test_what_aws_leaves_undocumented_is_refused_and_not_guessed(
    render: Render, template: str, case: str
) -> None:
    with pytest.raises(TransformationFailed, match="AWS does not document") as failure:
        render(template)
    assert case in str(failure.value)
    assert "say" not in str(failure.value)


def test_a_quoted_text_is_inserted_unescaped(render: Render) -> None:
    injected = {"name": 'x", "siteId": "99'}
    payload = render('{"name": "<$.name>"}', injected)
    assert json.loads(payload) == {"name": "x", "siteId": "99"}


def test_a_quoted_text_that_breaks_the_json_fails_the_record(render: Render) -> None:
    for text in ('"', "\\", "\n", 'a"b'):
        with pytest.raises(TransformationFailed, match="Pipes does not escape"):
            render('{"name": "<$.name>"}', {"name": text})


def test_a_text_that_is_no_unicode_fails_the_record(render: Render) -> None:
    with pytest.raises(TransformationFailed, match="not valid Unicode"):
        render('{"k": <$.name>}', {"name": "\ud800"})


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ('{"k": <$.a.*>}', "not supported locally"),
        ('{"k": <$>}', "is not a path"),
        ('{"k": <$.>}', "is not a path"),
        ('{"k": <$.a b>}', "is not a path"),
        ('{"k": <eventID>}', "is neither a path like"),
        ('{"k": <aws.pipes.nope>}', "is not a reserved variable"),
        ('{"k": <aws.pipes.enrichment-arn>}', "the pipe has no enrichment"),
        ('{"k": "<aws.pipes.event>"}', "must not be within quotes"),
        ('{"k": "<aws.pipes.event.json>"}', "must not be within quotes"),
        ("<aws.pipes.event.json>", "must be the value of a JSON field"),
        ("changed: <$.eventID>", "is not JSON once its variables are filled in"),
        ('{"k": 1<$.eventID>}', "is not JSON"),
        ('{"k": <$.eventID>', "is not JSON"),
        ("[" * 3000 + "<$.eventID>" + "]" * 3000, "nests too deeply"),
        ('{"k": <$.a[' + "9" * 5000 + "]>}", "is not a path"),
        ('{"k": "\ud800", "l": <$.eventID>}', "half of a surrogate pair"),
    ],
)
def test_a_template_that_cannot_be_taken_is_refused_at_the_start(
    define: Callable[..., PipeDefinition], template: str, message: str
) -> None:
    with pytest.raises(TemplateError) as error:
        Template(define(input_template=template))
    assert message in str(error.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_no_content_of_an_object_escapes_the_product_template(image: dict[str, Any]) -> None:
    definition = PipeDefinition(
        name="p",
        arn="a",
        source_arn="s",
        target_arn="t/lake",
        starting_position="TRIM_HORIZON",
        batch_size=1,
        batching_window_seconds=0,
        maximum_retry_attempts=0,
        maximum_record_age_seconds=-1,
        bisect=False,
        dead_letter_arn=None,
        filters=(),
        input_template=INPUT_TEMPLATE,
    )
    event = {"eventID": "1", "eventName": "REMOVE", "dynamodb": {"OldImage": image}}
    payload = json.loads(Template(definition).render(event, 0))
    assert payload == {**event, "userIdentity": ""}
