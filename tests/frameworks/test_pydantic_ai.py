"""Pydantic AI with a protected client, over real sockets."""

from contextlib import AsyncExitStack

import anthropic
import pytest
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from seawall_testkit import Simulator

pytestmark = pytest.mark.anyio

QUESTION = "Write a long report."


@pytest.fixture
async def agent_of(protected_client):
    """Makes an agent that asks a simulator; its client is closed in the end."""
    async with AsyncExitStack() as clients:

        def make(simulator, **options):
            client = protected_client(simulator, anthropic.AsyncAnthropic)
            clients.push_async_callback(client.close)
            provider = AnthropicProvider(anthropic_client=client)
            model = AnthropicModel("claude-opus-5-5", provider=provider, settings={"max_tokens": 64_000})
            return Agent(model, **options)

        yield make


async def watch(context, events):
    """A handler makes Pydantic AI stream every turn."""
    async for _ in events:
        pass


async def test_a_plain_run_gets_the_whole_text(faults, attempts, agent_of):
    with Simulator(faults=faults) as simulator:
        result = await agent_of(simulator).run(QUESTION)
        assert result.output == simulator.text_for(simulator.requests[0].body["messages"])
        assert len(simulator.requests) == attempts


async def test_a_streamed_run_gets_the_whole_text_once(faults, attempts, agent_of):
    with Simulator(faults=faults) as simulator:
        async with agent_of(simulator).run_stream(QUESTION) as result:
            text = "".join([piece async for piece in result.stream_text(delta=True)])
        assert text == simulator.text_for(simulator.requests[0].body["messages"])
        assert len(simulator.requests) == attempts


@pytest.mark.parametrize("breaks_in", ["text", "tool use"])
async def test_an_agent_whose_third_turn_breaks_executes_every_tool_once(
    breaks_in, kind, agent_of, errand_of
):
    errand = errand_of(breaks_in)
    with errand.simulator(kind) as simulator:
        result = await agent_of(simulator, tools=[errand.enter]).run(QUESTION)
        assert len(simulator.requests) == len(errand.ports) + 2
    assert result.output == errand.last_words
    assert errand.executed == errand.ports


@pytest.mark.parametrize("breaks_in", ["text", "tool use"])
async def test_an_agent_that_streams_executes_every_tool_once(breaks_in, kind, agent_of, errand_of):
    errand = errand_of(breaks_in)
    with errand.simulator(kind) as simulator:
        agent = agent_of(simulator, tools=[errand.enter])
        result = await agent.run(QUESTION, event_stream_handler=watch)
        assert len(simulator.requests) == len(errand.ports) + 2
    assert result.output == errand.last_words
    assert errand.executed == errand.ports
