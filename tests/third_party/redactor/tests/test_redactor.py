"""What leaves the house, and what comes back."""

import anthropic
import pytest
from acme_redactor import Redactor, RedactorSettings
from pydantic import ValidationError

import seawall
from seawall_testkit import Fault, assert_conforms, blocks

SETTINGS = RedactorSettings(patterns=(r"key-[0-9a-f]{8}", r"\w+@acme\.example"))
ASK = {"model": "claude-opus-5-5", "max_tokens": 500}


def asked(client, content, **more):
    return client.messages.create(**ASK, messages=[{"role": "user", "content": content}], **more)


def test_secrets_are_taken_out_of_every_text_of_a_question(protected, simulator):
    client = protected(Redactor(SETTINGS))
    text = {"type": "text", "text": "Write to jo@acme.example."}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "key-0123abcd"}
    use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"for": "it"}}
    messages = [
        {"role": "user", "content": [text]},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    client.messages.create(**ASK, messages=messages, tools=tools, system="Use key-00000000.")
    (request,) = simulator.requests
    assert request.body["system"] == "Use [redacted]."
    assert request.body["messages"][0]["content"][0]["text"] == "Write to [redacted]."
    assert request.body["messages"][2]["content"][0]["content"] == "[redacted]"
    assert messages[0]["content"][0]["text"] == "Write to jo@acme.example."


def test_a_question_without_secrets_is_sent_as_it_is(protected, simulator):
    client = protected(Redactor(SETTINGS))
    asked(client, "What is a key?")
    assert simulator.requests[0].body["messages"] == [{"role": "user", "content": "What is a key?"}]


@pytest.mark.simulator(answer=[blocks.text("It is key-0123abcd, of course.")], tokens_per_event=1)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "waited for"])
def test_an_answer_that_holds_a_secret_is_stopped_though_it_comes_in_pieces(stream, protected):
    client = protected("streaming", Redactor(SETTINGS))
    with pytest.raises(seawall.StreamStoppedError) as caught:
        list(asked(client, "Which?", stream=stream))
    assert caught.value.plugin == "Redactor"
    assert "key-0123abcd" not in str(caught.value)


@pytest.mark.simulator(faults=[Fault("reset", event=8)])
def test_an_answer_that_broke_is_continued_and_the_question_redacted_again(protected, simulator):
    client = protected("streaming", "backoff", Redactor(SETTINGS), backoff={"base": 0.001})
    message = asked(client, "Ask jo@acme.example.", stream=False)
    assert message.stop_reason == "end_turn"
    assert len(simulator.requests) == 2
    assert "acme.example" not in str([request.body for request in simulator.requests])


@pytest.mark.parametrize("pattern", ["(", "a*"])
def test_a_pattern_that_cannot_be_meant_is_refused(pattern):
    with pytest.raises(ValidationError):
        RedactorSettings(patterns=(pattern,))


def test_without_patterns_it_cannot_be_made():
    with anthropic.Anthropic(api_key="x") as client, pytest.raises(seawall.ConfigError) as caught:
        seawall.protect(client, plugins=["redactor"])
    assert str(caught.value) == "configuration: redactor.patterns is missing; it has no default"


def test_it_conforms():
    assert_conforms(Redactor, settings={"patterns": ["lighthouse"]})
