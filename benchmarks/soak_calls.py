"""The calls of `soak.py`: what is asked, by which surface, and how its caller may leave."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any

import anthropic

import seawall
from seawall_testkit import Simulator

ANSWER: dict[str, Any] = {"seed": 5, "answer_tokens": 400, "tokens_per_event": 8}
"""The same for every simulator, so that any can say what an answer must be."""
SURFACES = ("create", "small create", "stream=True", "messages.stream()")
LEAVINGS = ("left half-way", "dropped", "deadline", "cancelled")


@dataclass(frozen=True)
class Task:
    """One call that is to be made."""

    way: str
    params: dict[str, Any]
    whole: str
    after: int
    """Characters after which the caller leaves."""
    seconds: float
    """After which it loses patience."""


def drawn(name: str, rng: random.Random) -> Task:
    """A question nobody has asked before, and how it is asked."""
    messages = [{"role": "user", "content": f"Write report {name}."}]
    way = rng.choice(SURFACES) if rng.random() < 0.75 else rng.choice(LEAVINGS)
    params: dict[str, Any] = {"model": "claude-opus-5-5", "messages": messages, "max_tokens": 64_000}
    if way == "small create":
        params |= {"max_tokens": 4000, "timeout": 6.0}
    whole = Simulator(**ANSWER).text_for(messages)
    return Task(way, params, whole, rng.randrange(len(whole)), rng.uniform(0.01, 4.0))


def chosen(clients: list[tuple[Any, bool]], task: Task, rng: random.Random) -> Any:
    """A client; only a deadline ends an answer that is not streamed and brings spaces for ever."""
    return rng.choice([client for client, hangs in clients if not (hangs and task.way == "small create")])


def text_of(message: Any) -> str:
    """The text of a message."""
    return "".join(block.text for block in message.content) if message is not None else ""


def delta_of(event: Any) -> str:
    """The text an event adds."""
    return event.delta.text if event.type == "content_block_delta" else ""


def run(client: anthropic.Anthropic, task: Task) -> tuple[str, bool]:
    """Make a call with a sync client; returns the text and whether it was read to its end."""
    match task.way:
        case "dropped" | "left half-way":
            return left(client, task), False
        case "deadline" | "cancelled":  # a thread cannot be cancelled
            try:
                with seawall.deadline(task.seconds), client.messages.stream(**task.params) as stream:
                    return text_of(stream.get_final_message()), True
            except seawall.DeadlineExceededError as error:
                return text_of(seawall.partial_message(error)), False
        case "stream=True":
            return "".join(map(delta_of, client.messages.create(stream=True, **task.params))), True
        case "messages.stream()":
            with client.messages.stream(**task.params) as stream:
                return text_of(stream.get_final_message()), True
    return text_of(client.messages.create(**task.params)), True


def left(client: anthropic.Anthropic, task: Task) -> str:
    """Leave a stream half-way; returns what had come."""
    text = ""
    if task.way == "dropped":
        for event in client.messages.create(stream=True, **task.params):
            text += delta_of(event)
            if len(text) > task.after:
                break
        return text
    with client.messages.stream(**task.params) as stream:
        for piece in stream.text_stream:
            text += piece
            if len(text) > task.after:
                break
    return text


async def arun(client: anthropic.AsyncAnthropic, task: Task) -> tuple[str, bool]:
    """Make a call with an async client; returns the text and whether it was read to its end."""
    match task.way:
        case "dropped" | "left half-way":
            return await aleft(client, task), False
        case "deadline" | "cancelled":
            return await in_time(client, task)
        case "stream=True":
            stream = await client.messages.create(stream=True, **task.params)
            return "".join([delta_of(event) async for event in stream]), True
        case "messages.stream()":
            async with client.messages.stream(**task.params) as running:
                return text_of(await running.get_final_message()), True
    return text_of(await client.messages.create(**task.params)), True


async def in_time(client: anthropic.AsyncAnthropic, task: Task) -> tuple[str, bool]:
    """Make a call that ends, or is cancelled, when its time is over."""
    try:
        if task.way == "deadline":
            with seawall.deadline(task.seconds):
                return text_of(await client.messages.create(**task.params)), True
        async with asyncio.timeout(task.seconds):
            return text_of(await client.messages.create(**task.params)), True
    except TimeoutError as error:
        return text_of(seawall.partial_message(error)), False


async def aleft(client: anthropic.AsyncAnthropic, task: Task) -> str:
    """Leave a stream half-way; returns what had come."""
    text = ""
    if task.way == "dropped":
        async for event in await client.messages.create(stream=True, **task.params):
            text += delta_of(event)
            if len(text) > task.after:
                break
        return text
    async with client.messages.stream(**task.params) as stream:
        async for piece in stream.text_stream:
            text += piece
            if len(text) > task.after:
                break
    return text
