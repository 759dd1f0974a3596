"""The two forms of the response, through the codec of AWS's own Python runtime."""

import json
from typing import Any

import pytest
from awslambdaric import lambda_runtime_marshaller
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.answers import Answer, Metadata, as_dictionary, fastest_response
from chalicelib.limits import PUT_RECORD_BYTES_MAX

RUNTIME = {"awslambdaric.lambda_runtime_marshaller": lambda_runtime_marshaller}

texts = st.text(st.characters(codec="utf-8"), max_size=20)
answers = st.builds(Answer, texts, st.sampled_from(["Dropped", "ProcessingFailed"])) | st.builds(
    Answer,
    texts,
    st.just("Ok"),
    st.binary(max_size=200),
    st.builds(Metadata, st.dictionaries(texts, texts, max_size=3)),
)


def response_document(response: Any) -> Any:
    """What Firehose reads when the function returns this."""
    body, content_type = lambda_runtime_marshaller.LambdaMarshaller().marshal_response(response)
    assert content_type == "application/json"
    return json.loads(body)


@given(st.lists(answers, max_size=5))
def test_both_responses_are_the_same_after_the_runtimes_encoder(batch: list[Answer]) -> None:
    respond = fastest_response(RUNTIME)
    assert respond is not as_dictionary
    assert (
        response_document(respond(batch))
        == response_document(as_dictionary(batch))
        == as_dictionary(batch)
    )


@pytest.mark.parametrize("size", [0, 1, 2, 3, PUT_RECORD_BYTES_MAX])
def test_ready_json_holds_data_in_padded_base64(size: int) -> None:
    (answer,) = response_document(fastest_response(RUNTIME)([Answer("1", "Ok", b"\xff" * size)]))[
        "records"
    ]
    assert len(answer["data"]) == (size + 2) // 3 * 4


class EncoderWithoutRawJSON:
    to_json = staticmethod(json.dumps)


class EncoderThatWrapsWhatItIsGiven:
    to_json = staticmethod(repr)


@pytest.mark.parametrize(
    "modules",
    [
        {},
        {"awslambdaric.lambda_runtime_marshaller": object()},
        {"awslambdaric.lambda_runtime_marshaller": EncoderWithoutRawJSON()},
        {"awslambdaric.lambda_runtime_marshaller": EncoderThatWrapsWhatItIsGiven()},
    ],
    ids=["no awslambdaric", "no such function", "another encoder", "another writing"],
)
def test_a_runtime_that_does_not_pass_on_ready_json_gets_a_dictionary(modules: Any) -> None:
    assert fastest_response(modules) is as_dictionary
