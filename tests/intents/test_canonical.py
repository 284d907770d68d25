from __future__ import annotations

import hashlib
import json

import pytest

from orchestration.intents.canonical import digest, intent_digest


@pytest.mark.req("IN-32")
def test_it_is_the_digest_of_the_sorted_line() -> None:
    line = b'{"inputs":{"tags":["example"],"text":"Data to store"},"intent":"memory.write"}'
    inputs = {"text": "Data to store", "tags": ["example"]}

    assert intent_digest("memory.write", inputs) == hashlib.sha256(line).hexdigest()


@pytest.mark.req("IN-32")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":2}', '{ "b" : 2, "a" : 1 }'),
        ('{"a":{"x":1,"y":[1,2]}}', '{"a":{"y":[1,2],"x":1}}'),
        ('{"a":1.0}', '{"a":1}'),
        ('{"a":1e2}', '{"a":100}'),
        ('{"a":"\\u00e9"}', '{"a":"é"}'),
    ],
)
def test_spelling_does_not_matter(one: str, other: str) -> None:
    assert digest(json.loads(one)) == digest(json.loads(other))


@pytest.mark.req("IN-32")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": 1}, {"a": "1"}),
        ({}, {"a": None}),
    ],
)
def test_meaning_does(one: object, other: object) -> None:
    assert digest(one) != digest(other)


def test_whole_numbers_beyond_a_double_are_told_apart() -> None:
    assert digest({"a": 2**60}) == digest({"a": 2**60})
    assert digest({"a": 2**60}) != digest({"a": 2**60 + 1})
