"""What the cache answers, and what it never does."""

import pytest
from acme_response_cache import ResponseCache, ResponseCacheSettings

from seawall_testkit import assert_conforms

ASK = {"model": "claude-opus-5-5", "max_tokens": 5000, "messages": [{"role": "user", "content": "What?"}]}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def text_of(client, **more):
    return client.messages.create(**{**ASK, **more}).content[0].text


def test_the_same_question_is_sent_once(protected, simulator):
    client = protected(ResponseCache())
    assert text_of(client) == text_of(client) == simulator.text_for(ASK["messages"])
    assert len(simulator.requests) == 1


def test_a_stream_is_answered_from_what_was_not_one(protected, simulator):
    client = protected("streaming", ResponseCache())
    whole = text_of(client)
    with client.messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream) == whole
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("more", [{"model": "claude-sonnet-5"}, {"max_tokens": 4999}, {"system": "Briefly."}])
def test_another_question_is_sent(more, protected, simulator):
    client = protected(ResponseCache())
    text_of(client)
    text_of(client, **more)
    assert len(simulator.requests) == 2


def test_an_answer_is_forgotten_when_its_time_is_over(protected, simulator):
    clock = Clock()
    client = protected(ResponseCache(ResponseCacheSettings(seconds=60), clock=clock))
    for clock.now, sent in ((0.0, 1), (59.0, 1), (60.0, 2), (119.0, 2)):
        text_of(client)
        assert len(simulator.requests) == sent


def test_the_least_recently_asked_goes_first(protected, simulator):
    client = protected(ResponseCache(ResponseCacheSettings(entries=2)))
    for system in ("a", "b", "a", "c", "a", "b"):
        text_of(client, system=system)
    assert len(simulator.requests) == 4


def test_an_answer_that_was_cut_off_is_asked_for_again(protected, simulator):
    client = protected(ResponseCache())
    for _ in range(2):
        assert client.messages.create(**{**ASK, "max_tokens": 3}).stop_reason == "max_tokens"
    assert len(simulator.requests) == 2


def test_it_conforms():
    assert_conforms(ResponseCache, settings={"entries": 1})
