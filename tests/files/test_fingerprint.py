"""What makes two requests the same."""

import pytest

from seawall_files.fingerprint import body_of, fingerprint

PARAMS = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Gö."}], "system": "Be."}


def test_the_same_question_has_the_same_fingerprint_however_it_is_written():
    assert fingerprint(dict(reversed(PARAMS.items()))) == fingerprint(PARAMS)
    assert fingerprint({**PARAMS, "stream": True}) == fingerprint(PARAMS)
    assert body_of({**PARAMS, "stream": True}) == PARAMS


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"max_tokens": 10},
        {"system": "Be!"},
        {"temperature": 0.0},
        {"messages": [{"role": "user", "content": "Go."}]},
        {"messages": [*PARAMS["messages"], {"role": "assistant", "content": "I"}]},
    ],
)
def test_another_question_has_another_one(change):
    assert fingerprint({**PARAMS, **change}) != fingerprint(PARAMS)
