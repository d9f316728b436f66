"""Instructor with a protected client, over real sockets."""

import anthropic
import instructor
import pytest
from pydantic import BaseModel, Field

from seawall_testkit import Fault, Simulator

ASKED = {
    "model": "claude-haiku-4-5",  # newer ones refuse the `tool_choice` that Instructor makes
    "max_tokens": 64_000,
    "messages": [{"role": "user", "content": "Enter the port."}],
}


class Entry(BaseModel):
    """An entry of the log."""

    port: str
    year: int = Field(gt=1900)
    remark: str


LONG = " ".join(f"Line {number}: all well." for number in range(60))
GOOD = {"port": "Bergen", "year": 1998, "remark": LONG}


def answer(body):
    """A tool call that is wrong at first, and right once the model was told."""
    is_told = len(body["messages"]) > 1
    return [{"type": "tool_use", "name": "Entry", "input": GOOD if is_told else {**GOOD, "year": 98}}]


def right(body):
    return [{"type": "tool_use", "name": "Entry", "input": GOOD}]


def test_structured_output_survives_a_broken_answer(faults, attempts, protected_client):
    with Simulator(answer=right, faults=faults) as simulator, protected_client(simulator) as client:
        entry = instructor.from_anthropic(client).create(response_model=Entry, max_retries=0, **ASKED)
        assert entry.model_dump() == GOOD
        assert len(simulator.requests) == attempts


@pytest.mark.anyio
async def test_structured_output_of_an_async_client_survives_a_broken_answer(
    faults, attempts, protected_client
):
    with Simulator(answer=right, faults=faults) as simulator:
        async with protected_client(simulator, anthropic.AsyncAnthropic) as client:
            entry = await instructor.from_anthropic(client).create(
                response_model=Entry, max_retries=0, **ASKED
            )
        assert entry.model_dump() == GOOD
        assert len(simulator.requests) == attempts


def test_an_answer_asked_for_again_as_it_was_invalid_survives_a_break(kind, protected_client):
    # both the first answer and the one that corrects it break once
    with (
        Simulator(answer=answer, faults=[Fault(kind, event=30)]) as simulator,
        protected_client(simulator) as client,
    ):
        entry = instructor.from_anthropic(client).create(response_model=Entry, max_retries=1, **ASKED)
        assert entry.model_dump() == GOOD
        assert len(simulator.requests) == 4


def test_a_streamed_object_that_is_text_goes_on_after_a_break(kind, protected_client):
    document = Entry(**GOOD).model_dump_json()
    with (
        Simulator(answer=document, faults=[Fault(kind, event=30)]) as simulator,
        protected_client(simulator) as client,
    ):
        stream = instructor.from_anthropic(client, mode=instructor.Mode.JSON).create_partial(
            response_model=Entry, max_retries=0, **ASKED
        )
        *_, entry = stream
        assert entry.model_dump() == GOOD
        assert len(simulator.requests) == 2
