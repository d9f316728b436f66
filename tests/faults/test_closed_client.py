"""A client that is closed: what its calls fail with, and that calls of others hear nothing of it."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL
from seawall_backoff import Backoff, BackoffSettings
from seawall_testkit import Simulator

ASKED: dict[str, Any] = {"model": MODEL, "max_tokens": 500, "messages": MESSAGES}
KINDS = {"sync": anthropic.Anthropic, "async": anthropic.AsyncAnthropic}


def client_of(kind: str, simulator: Simulator) -> Any:
    """A client whose calls fail where the circuit is open, and give up after 16 attempts."""
    backoff = Backoff(BackoffSettings(mode="fail", base=0.001, max_attempts=16))
    return seawall.protect(KINDS[kind](base_url=simulator.base_url, api_key="test"), plugins=[backoff])


async def awaited(made: Any) -> Any:
    return await made if hasattr(made, "__await__") else made


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_of_a_closed_client_fails_at_once_and_opens_no_circuit(kind: str) -> None:
    async def run() -> tuple[list[Any], Any]:
        closed, other = client_of(kind, simulator), client_of(kind, simulator)
        await awaited(closed.close())
        failures = []
        for _ in range(6):  # more than open a circuit
            with pytest.raises(anthropic.APIConnectionError) as raised:
                await awaited(closed.messages.create(**ASKED))
            failures.append(raised.value)
        message = await awaited(other.messages.create(**ASKED))
        await awaited(other.close())
        return failures, message

    with Simulator() as simulator:
        failures, message = asyncio.run(run())
        assert len(simulator.requests) == 1
    assert message.content
    assert {type(failure) for failure in failures} == {seawall.ClientClosedError}
    assert [failure.__notes__[0] for failure in failures] == [
        "Seawall: 1 attempt; given up: it is not retried."
    ] * 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_is_closed_while_it_streams_leaves_what_had_come(kind: str) -> None:
    async def read(client: Any, seen: list[str]) -> None:
        stream = await awaited(client.messages.create(**ASKED, stream=True))
        async for event in each(stream):
            seen.append(getattr(getattr(event, "delta", None), "text", ""))
            if len(seen) == 5:
                await awaited(client.close())

    async def each(stream: Any) -> Any:
        if kind == "async":
            async for event in stream:
                yield event
        else:
            for event in stream:
                yield event

    seen: list[str] = []
    with Simulator(tokens_per_second=2000.0) as simulator:
        with pytest.raises(seawall.ClientClosedError) as raised:
            asyncio.run(read(client_of(kind, simulator), seen))
        assert len(simulator.requests) == 1
    assert "".join(seen)
    failure: Any = raised.value
    assert failure.partial_message.content[0].text == "".join(seen)
