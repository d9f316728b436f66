"""What a continuation costs: the rest of `max_tokens`, a prefix from the cache, nothing written twice."""

import anthropic
import pytest

import seawall
from calls import MODEL, plugins
from seawall_testkit import Fault, Simulator

MARKER = {"cache_control": {"type": "ephemeral"}}
PROMPT = "The log of the voyage. " * 1000


def report(simulator, **params):
    """The answer to a long, cached prompt, streamed."""
    content = [{"type": "text", "text": PROMPT, **MARKER}]
    asked = {"model": MODEL, "max_tokens": 8000, "messages": [{"role": "user", "content": content}], **params}
    with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
        client = seawall.protect(bare, plugins=plugins())
        with client.messages.stream(**asked) as stream:
            return stream.get_final_message()


@pytest.mark.parametrize("model", [MODEL, "claude-haiku-4-5"])
def test_a_continuation_reads_the_prefix_from_the_cache(model):
    with Simulator(faults=[Fault("reset", event=300)], answer_tokens=2000) as simulator:
        report(simulator, model=model)
        first, second = simulator.requests
    assert first.cache_creation_input_tokens > 1024
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens


def test_what_was_delivered_is_not_generated_again():
    with Simulator(faults=[Fault("reset", event=300)], answer_tokens=2000) as simulator:
        message = report(simulator)
        first, second = simulator.requests
        assert first.output_tokens + second.output_tokens == simulator.billed.output_tokens
        # what was in flight when the connection broke is lost
        assert 2000 <= simulator.billed.output_tokens <= 2000 + 40
    assert message.usage.input_tokens == first.input_tokens + second.input_tokens


def test_max_tokens_of_a_continuation_is_what_is_left_of_it():
    with Simulator(faults=[Fault("reset", event=300)], answer_tokens=2000) as simulator:
        report(simulator)
        first, second = simulator.requests
    left = first.body["max_tokens"] - first.output_tokens
    assert second.body["max_tokens"] == pytest.approx(left, rel=0.05)
