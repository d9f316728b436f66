"""A stream cut at every one of its events, whatever blocks it holds.

A caller that waits for a `Message` always gets the exact answer. For one that streams it depends on the block
that was open: the answer, or an error with what had come.
"""

from typing import Any

import anthropic
import pytest

import seawall
from calls import MESSAGES, plugins
from seawall_testkit import Fault, Simulator

TOOL = {
    "name": "look_up",
    "description": "Looks a ship up.",
    "input_schema": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "year": {"type": "integer"}},
        "required": ["name", "year"],
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "year": {"type": "integer"}},
    "required": ["name", "year"],
    "additionalProperties": False,
}
ASKED: dict[str, dict[str, Any]] = {
    "text": {"model": "claude-opus-5-5"},
    "text by prefill": {"model": "claude-haiku-4-5"},
    "thinking": {"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 5000}},
    "adaptive thinking": {"model": "claude-opus-5-5", "thinking": {"type": "adaptive"}},
    "tool use": {"model": "claude-haiku-4-5", "tools": [TOOL], "tool_choice": {"type": "any"}},
    "structured output": {
        "model": "claude-opus-5-5",
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    },
}


def client_of(simulator):
    bare = anthropic.Anthropic(base_url=simulator.base_url, api_key="test")
    return seawall.protect(bare, plugins=plugins())


def asked(name):
    return {"max_tokens": 64_000, "messages": MESSAGES, **ASKED[name]}


def events_of(name):
    """How many events the undisturbed stream has, and its message."""
    with Simulator(answer_tokens=60) as simulator, client_of(simulator) as client:
        message = client.messages.create(**asked(name))
        return simulator.requests[0].events_sent, message


def content_of(message):
    return [block.to_dict() for block in message.content]


def is_prefix(partial, whole):
    """Whether the blocks of `partial` are those of `whole`, the last one perhaps cut short."""
    *complete, last = partial
    if complete != whole[: len(complete)]:
        return False
    rest = whole[len(complete)]
    if last["type"] != rest["type"]:
        return False
    key = {"text": "text", "thinking": "thinking"}.get(last["type"])
    return key is None or rest[key].startswith(last[key])


@pytest.mark.parametrize("kind", ["eof", "reset"])
@pytest.mark.parametrize("name", ASKED)
def test_a_caller_that_waits_gets_the_exact_answer_wherever_it_was_cut(name, kind):
    events, undisturbed = events_of(name)
    for event in range(events):
        with Simulator(faults=[Fault(kind, event=event)], answer_tokens=60) as simulator:
            with client_of(simulator) as client:
                message = client.messages.create(**asked(name))
            assert content_of(message) == content_of(undisturbed), f"cut after event {event}"
            assert message.stop_reason == undisturbed.stop_reason


@pytest.mark.parametrize("name", ASKED)
def test_a_caller_that_streams_gets_the_exact_answer_or_an_error_with_what_had_come(name):
    events, undisturbed = events_of(name)
    whole = content_of(undisturbed)
    failed = []
    for event in range(events):
        with Simulator(faults=[Fault("eof", event=event)], answer_tokens=60) as simulator:
            client = client_of(simulator)
            try:
                with client, client.messages.stream(**asked(name)) as stream:
                    message = stream.get_final_message()
            except seawall.TruncatedStreamError as error:
                failed.append((event, content_of(error.partial_message)))
            else:
                assert content_of(message) == whole, f"cut after event {event}"
    assert [event for event, partial in failed if not is_prefix(partial, whole)] == []
    # text always goes on; the rest does not yet
    assert (failed == []) == name.startswith("text")
    assert len(failed) < events - 3


@pytest.mark.parametrize("event", [0, 3, 9, 15])
def test_events_the_api_may_add_one_day_are_tolerated_on_either_side_of_a_cut(event):
    with Simulator(faults=[Fault("eof", event=event)], answer_tokens=60, unknown_events=True) as simulator:
        with client_of(simulator) as client:
            with client.messages.stream(**asked("text")) as stream:
                text = "".join(stream.text_stream)
            message = client.messages.create(**asked("text by prefill"))
        assert text == message.content[0].text == simulator.text_for(MESSAGES)
