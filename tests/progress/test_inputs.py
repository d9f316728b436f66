"""What a model writes for the input of a tool."""

import json
from copy import copy

import pytest
from hypothesis import given, strategies as st

from seawall_progress.inputs import Inputs

words = st.text(st.sampled_from('ab"\\:{}[],\n\té\U0001f600'), max_size=6)
values = words | st.integers() | st.lists(words, max_size=2) | st.dictionaries(words, words, max_size=2)
inputs = st.dictionaries(words, values, max_size=3)


def fed(said: Inputs, which: object, text: str, size: int) -> str:
    pieces = (text[start : start + size] for start in range(0, len(text), size))
    # a character beyond the 16 bits of an escape may come as two
    return (
        "".join(said.feed(which, piece) for piece in pieces)
        .encode("utf-16", "surrogatepass")
        .decode("utf-16")
    )


@given(st.lists(inputs, max_size=2), st.integers(1, 9), st.booleans())
def test_names_and_strings_are_given_as_they_are_and_the_rest_as_json_however_it_is_cut(
    several, size, is_ascii
):
    said = Inputs()
    for index, given_input in enumerate(several):
        text = json.dumps(given_input, ensure_ascii=is_ascii)
        expected = "".join(
            f"{name}\n{value if isinstance(value, str) else json.dumps(value, ensure_ascii=is_ascii)}\n"
            for name, value in given_input.items()
        )
        assert fed(said, index, text, size) == (expected or "\n")
    assert said.parameters == sum(map(len, several))


def test_a_copy_goes_on_by_itself():
    said = Inputs()
    said.feed(0, '{"a": "x')
    ahead = copy(said)
    assert ahead.feed(0, 'y", "b": 1}') == "y\nb\n1\n"
    assert said.feed(0, '\\n"}') == "\n\n"
    assert (said.parameters, ahead.parameters) == (1, 2)


def test_of_an_input_that_does_not_come_whole_the_rest_is_taken_for_a_string():
    said = Inputs()
    said.feed(0, '{"a": "x')
    said.tear(1)
    assert said.feed(1, 'y\\n: "b": 1}') == 'y\n: "b": 1}'
    assert said.parameters == 1
    assert said.feed(2, '{"c": 2}') == "c\n2\n"
    assert said.parameters == 2


@pytest.mark.parametrize("piece", ["\\", "\\u00", "\\uzz", "}}}", "]", ',:"', "abc def", "\\x"])
def test_what_is_no_json_breaks_nothing(piece):
    said = Inputs()
    for _ in range(3):
        said.feed(0, piece)
    assert said.feed(1, '{"a": "b"}') == "a\nb\n"
