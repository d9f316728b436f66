"""LangChain's `ChatAnthropic` with protected clients, over real sockets."""

from functools import cached_property

import pytest
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic

from seawall_testkit import Simulator

QUESTION = "Write a long report."


def protected_class(protect):
    """The chat model of the how-to, with LangChain's own clients protected."""

    class ProtectedChatAnthropic(ChatAnthropic):
        @cached_property
        def _client(self):
            return protect(ChatAnthropic._client.func(self))

        @cached_property
        def _async_client(self):
            return protect(ChatAnthropic._async_client.func(self))

    return ProtectedChatAnthropic


@pytest.fixture
def model_of(protect):
    """Makes the chat model of a simulator."""

    def make(simulator):
        return protected_class(protect)(
            model="claude-opus-5-5", max_tokens=64_000, base_url=simulator.base_url, api_key="test"
        )

    return make


@pytest.mark.parametrize("name", ["_client", "_async_client"])
def test_other_threads_never_find_a_client_that_is_not_protected_yet(name):
    found = []

    def protect(client):
        # what is in the model by now, every thread gets
        found.append(vars(model).get(name))
        return client

    model = protected_class(protect)(model="claude-opus-5-5", api_key="test")
    assert getattr(model, name) is vars(model)[name]
    assert found == [None]


def whole(simulator):
    return simulator.text_for(simulator.requests[0].body["messages"])


def test_invoke_gets_the_whole_text(faults, attempts, model_of):
    with Simulator(faults=faults) as simulator:
        assert model_of(simulator).invoke(QUESTION).text == whole(simulator)
        assert len(simulator.requests) == attempts


def test_stream_gets_the_whole_text_once(faults, attempts, model_of):
    with Simulator(faults=faults) as simulator:
        text = "".join(chunk.text for chunk in model_of(simulator).stream(QUESTION))
        assert text == whole(simulator)
        assert len(simulator.requests) == attempts


@pytest.mark.anyio
async def test_ainvoke_gets_the_whole_text(faults, attempts, model_of):
    with Simulator(faults=faults) as simulator:
        message = await model_of(simulator).ainvoke(QUESTION)
        assert message.text == whole(simulator)
        assert len(simulator.requests) == attempts


@pytest.mark.anyio
async def test_astream_gets_the_whole_text_once(faults, attempts, model_of):
    with Simulator(faults=faults) as simulator:
        text = "".join([chunk.text async for chunk in model_of(simulator).astream(QUESTION)])
        assert text == whole(simulator)
        assert len(simulator.requests) == attempts


def asked(question=QUESTION):
    return {"messages": [{"role": "user", "content": question}]}


@pytest.mark.parametrize("breaks_in", ["text", "tool use"])
def test_an_agent_whose_third_turn_breaks_executes_every_tool_once(breaks_in, kind, model_of, errand_of):
    errand = errand_of(breaks_in)
    with errand.simulator(kind) as simulator:
        state = create_agent(model_of(simulator), tools=[errand.enter]).invoke(asked())
        assert len(simulator.requests) == len(errand.ports) + 2
    assert state["messages"][-1].text == errand.last_words
    assert errand.executed == errand.ports


def streamed(agent):
    """The text that who watches the stream sees."""
    pieces = agent.stream(asked(), stream_mode="messages")
    return "".join(piece.text for piece, _ in pieces if piece.type == "AIMessageChunk")


@pytest.mark.parametrize("breaks_in", ["text", "tool use"])
def test_an_agent_that_streams_executes_every_tool_once_and_says_everything_once(
    breaks_in, kind, model_of, errand_of
):
    errand = errand_of(breaks_in)
    with errand.simulator(kind) as simulator:
        said = streamed(create_agent(model_of(simulator), tools=[errand.enter]))
        assert len(simulator.requests) == len(errand.ports) + 2
    third = errand.long if breaks_in == "text" else "Now the next port."
    assert said == "Now the next port." * 2 + third + errand.last_words
    assert errand.executed == errand.ports
