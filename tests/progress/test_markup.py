"""What an answer costs beside its characters."""

import json

from hypothesis import given, strategies as st

from progress.followed import Followed
from seawall_progress.markup import Keys

words = st.text(st.sampled_from('ab"\\:{}[],\n'), max_size=6)
values = words | st.integers() | st.lists(words, max_size=2) | st.dictionaries(words, words, max_size=2)
inputs = st.dictionaries(words, values, max_size=3)


@given(st.lists(inputs, max_size=2), st.integers(1, 9))
def test_the_keys_of_an_input_are_counted_however_it_is_cut(several, size):
    keys = Keys()
    for index, written in enumerate(map(json.dumps, several)):
        for start in range(0, len(written), size):
            keys.feed(index, written[start : start + size])
    assert keys.count == sum(map(len, several))


def tokens_of(*blocks: tuple[str, dict[str, object], str], **params: object) -> int:
    call = Followed(params=params)
    call.attempt()
    for kind, more, written in blocks:
        call.block(kind, **more)
        if written:
            call.delta(written, "text_delta" if kind == "text" else "input_json_delta")
        call.close()
    return call.now.tokens


def test_the_markup_of_tools_is_counted_and_less_of_it_where_the_tool_is_named():
    one = ("tool_use", {}, '{"city": "Ulm"}')
    first, both = tokens_of(one), tokens_of(one, ("tool_use", {}, ""))
    assert 35 <= first <= 60
    assert both - first < first, "the first call has the beginning of all of them"
    named = tokens_of(one, tool_choice={"type": "tool", "name": "weather"})
    assert first - named == 17
    assert tokens_of(one, tool_choice={"type": "any"}) == first
    more = tokens_of(("tool_use", {}, '{"city": "Ulm", "unit": "C"}'))
    assert more > first + 4


def test_citations_and_the_end_of_a_text_are_counted():
    plain = tokens_of(("text", {}, "word " * 100))
    assert plain == 104
    assert tokens_of(("text", {"citations": []}, "word " * 100)) > plain + 10


def test_no_more_is_told_than_max_tokens():
    assert tokens_of(("text", {}, "word " * 100), max_tokens=90) == 90
