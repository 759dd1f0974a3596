"""Prefixes: their expressions, and Java's date patterns."""

import re
from typing import Any

import pytest

from local.firehose.prefix import PrefixError, parse
from tests.local.firehose.stand import START_MS


@pytest.mark.parametrize(
    ("text", "evaluated"),
    [
        ("", ""),
        ("data/", "data/"),
        ("s=!{partitionKeyFromLambda:site}/", "s=x/"),
        ("!{timestamp:yyyy/MM/dd/HH}/", "2023/11/15/19/"),
        ("!{timestamp:yyyy-MM-dd'T'HH:mm:ss}", "2023-11-15T19:29:11"),
        ("!{timestamp:yy.M.d H_m_s}", "23.11.15 19_29_11"),
        ("!{timestamp:'o''clock' H ''}", "o'clock 19 '"),
        ("!{firehose:error-output-type}/", "processing-failed/"),
        ("{not: an expression}", "{not: an expression}"),
    ],
)
def test_a_prefix_is_evaluated_in_utc(text: Any, evaluated: Any) -> None:
    prefix = parse(text)
    assert prefix.evaluate(START_MS, {"site": "x"}, "processing-failed") == evaluated


def test_a_random_string_has_eleven_characters_and_is_new_each_time() -> None:
    prefix = parse("!{firehose:random-string}")
    first, second = prefix.evaluate(START_MS), prefix.evaluate(START_MS)
    assert re.fullmatch("[A-Za-z0-9]{11}", first)
    assert first != second


def test_keys_are_named_once_in_order() -> None:
    prefix = parse(
        "!{partitionKeyFromLambda:b}/!{partitionKeyFromLambda:a}/!{partitionKeyFromLambda:b}"
    )
    assert prefix.keys == ("b", "a")
    assert prefix.evaluate(START_MS, {"a": "1", "b": "2"}) == "2/1/2"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("!{partitionKeyFromQuery:site}/", "partitionKeyFromQuery:site"),
        ("!{partitionKeyFromLambda:}/", "partitionKeyFromLambda:"),
        ("!{firehose:else}/", "firehose:else"),
        ("!{timestamp:}/", "timestamp:"),
        ("!{timestamp:YYYY}/", "'YYYY'"),
        ("!{timestamp:yyyy/DDD}/", "'DDD'"),
        ("!{timestamp:MMM}/", "'MMM'"),
        ("!{timestamp:yyyy[MM]}/", "'[MM]'"),
        ("!{timestamp:yyyy'T}/", "open quote"),
        ("data/!{timestamp:yyyy", "never closes"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_by_name(text: Any, named: Any) -> None:
    with pytest.raises(PrefixError, match=re.escape(named)):
        parse(text)
