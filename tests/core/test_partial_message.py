"""What had come of an answer, asked of any error."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic.types import Message
from anthropic.types.beta import BetaMessage

import seawall
from seawall_testkit import Fault, Simulator


class Stopping:
    """Stops an answer when it has some text."""

    @seawall.hookimpl
    def on_chunk(self, call: seawall.Call, chunk: seawall.Chunk) -> seawall.Stop | None:
        return seawall.Stop("enough") if call.attempts[-1].written > 40 else None


@pytest.mark.parametrize(("kind", "of_beta"), [(Message, False), (BetaMessage, True)])
def test_it_is_a_message_of_the_api_that_was_asked(kind: type, of_beta: bool, protected: Any) -> None:
    client = protected("streaming", Stopping())
    messages = client.beta.messages if of_beta else client.messages
    with pytest.raises(seawall.StreamStoppedError) as caught:
        messages.create(
            model="claude-opus-5-5", max_tokens=64_000, messages=[{"role": "user", "content": "Go."}]
        )
    partial = seawall.partial_message(caught.value)
    assert type(partial) is kind
    assert len(partial.content[0].text) > 40  # type: ignore[union-attr]


def test_a_call_that_brought_nothing_has_none(protected: Any) -> None:
    client = protected("streaming")
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(
            model="claude-unknown", max_tokens=9, messages=[{"role": "user", "content": "Go."}]
        )
    assert seawall.partial_message(caught.value) is None


def test_an_error_of_another_request_has_none() -> None:
    with (
        Simulator(faults=[Fault("status", status=404)]) as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare,
        pytest.raises(anthropic.NotFoundError) as caught,
    ):
        seawall.protect(bare, plugins=["streaming"]).models.retrieve("claude-unknown")
    assert seawall.partial_message(caught.value) is None
    assert seawall.partial_message(ValueError("of the program")) is None
