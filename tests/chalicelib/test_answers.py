"""The two forms of the response, through the codec of AWS's own Python runtime."""

import json
from typing import Any

import pytest
from awslambdaric import lambda_runtime_marshaller
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.answers import Answer, Metadata, encoded, plain
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
def test_both_forms_say_the_same_through_the_runtimes_encoder(batch: list[Answer]) -> None:
    respond = encoded(RUNTIME)
    assert respond is not plain
    assert response_document(respond(batch)) == response_document(plain(batch)) == plain(batch)


@pytest.mark.parametrize("size", [0, 1, 2, 3, PUT_RECORD_BYTES_MAX])
def test_the_encoded_form_holds_data_in_padded_base64(size: int) -> None:
    (answer,) = response_document(encoded(RUNTIME)([Answer("1", "Ok", b"\xff" * size)]))["records"]
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
def test_a_runtime_that_passes_no_encoded_document_gets_the_plain_form(modules: Any) -> None:
    assert encoded(modules) is plain
