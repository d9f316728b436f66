"""Who is compared in `faults.py`: each streams an answer to a watcher and returns what it takes for it.

All of them get the same SDK client settings (timeout, the SDK's two retries unless they bring their own) and
waits of some milliseconds between attempts, so that the patience of each is the same.
"""

import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import anthropic
import httpx2
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_anthropic import ChatAnthropic
from pydantic import SecretStr
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.retries import AsyncHTTPX2TenacityTransport, RetryConfig, wait_retry_after
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

import seawall
from seawall_backoff import Backoff, BackoffSettings

MODEL = "claude-opus-5-5"
MAX_TOKENS = 64_000
ATTEMPTS = 6
"""Attempts in all that everyone has who retries calls."""
LONGEST_WAIT = 0.05
"""Seconds between two attempts; the SDK's own retries wait half a second and more, and take no setting."""

_TRANSIENT = (anthropic.APIError, httpx2.HTTPError, json.JSONDecodeError)

Watcher = Callable[[str], None]
Contender = Callable[["Task"], Coroutine[Any, Any, str]]
"""Makes everything ready when it is called, and makes the call when it is awaited."""


@dataclass(frozen=True)
class Task:
    """One call: what is asked, of whom, and who watches the stream."""

    question: str
    client: anthropic.AsyncAnthropic
    """As the SDK makes it, with its own retries."""
    retrying: anthropic.AsyncAnthropic
    """The same over `retrying_transport`, without the SDK's retries."""
    watch: Watcher
    rng: random.Random

    @property
    def params(self) -> dict[str, Any]:
        """The call's parameters for the SDK."""
        messages = [{"role": "user", "content": self.question}]
        return {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": messages}


def retrying_transport() -> AsyncHTTPX2TenacityTransport:
    """What Pydantic AI offers for retries."""
    config = RetryConfig(
        retry=retry_if_exception_type((httpx2.HTTPStatusError, *_TRANSIENT)),
        wait=wait_retry_after(wait_random_exponential(multiplier=LONGEST_WAIT, max=LONGEST_WAIT), 60),
        stop=stop_after_attempt(ATTEMPTS),
        reraise=True,
    )
    return AsyncHTTPX2TenacityTransport(config, validate_response=lambda sent: sent.raise_for_status())


def bare_sdk(task: Task) -> Coroutine[Any, Any, str]:
    """The SDK with its defaults."""
    return _streamed(task.client, task)


def sdk_with_tenacity(task: Task) -> Coroutine[Any, Any, str]:
    """The whole call again whenever it raises something transient."""
    retrying = AsyncRetrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=LONGEST_WAIT, max=LONGEST_WAIT),
        retry=retry_if_exception_type(_TRANSIENT),
        reraise=True,
    )
    return retrying(_streamed, task.client, task)


def langchain(task: Task) -> Coroutine[Any, Any, str]:
    """An agent without tools, with the retry middleware over the SDK's own retries."""
    again = ModelRetryMiddleware(
        max_retries=ATTEMPTS - 1, initial_delay=LONGEST_WAIT, max_delay=LONGEST_WAIT, on_failure="error"
    )
    agent: Any = create_agent(_chat_model(task), tools=[], middleware=[again])
    asked = {"messages": [{"role": "user", "content": task.question}]}

    async def run() -> str:
        text = ""
        async for mode, value in agent.astream(asked, stream_mode=["messages", "values"]):
            if mode == "values":
                text = value["messages"][-1].text
            elif value[0].type == "AIMessageChunk":
                task.watch(value[0].text)
        return text

    return run()


def pydantic_ai(task: Task) -> Coroutine[Any, Any, str]:
    """A streamed run over the transport of `pydantic_ai.retries`."""
    provider = AnthropicProvider(anthropic_client=task.retrying)
    agent = Agent(AnthropicModel(MODEL, provider=provider, settings={"max_tokens": MAX_TOKENS}))

    async def run() -> str:
        async with agent.run_stream(task.question) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                task.watch(piece)
            return await result.get_output()

    return run()


def seawall_protected(task: Task) -> Coroutine[Any, Any, str]:
    """`seawall.protect` with the plugins that run unless one says otherwise."""
    backoff = Backoff(
        BackoffSettings(base=LONGEST_WAIT, cap=LONGEST_WAIT, max_attempts=ATTEMPTS), rng=task.rng
    )
    plugins = ["streaming", backoff, "tokens", "progress", "files"]
    return _streamed(seawall.protect(task.client, plugins=plugins), task)


CONTENDERS: dict[str, Contender] = {
    "bare SDK": bare_sdk,
    "SDK + tenacity": sdk_with_tenacity,
    "LangChain": langchain,
    "Pydantic AI": pydantic_ai,
    "Seawall": seawall_protected,
}
"""Name in the table, and how it makes a call; the first one is what the ratios are to."""


async def _streamed(client: anthropic.AsyncAnthropic, task: Task) -> str:
    async with client.messages.stream(**task.params) as stream:
        await _watched(stream.text_stream, task.watch)
        message = await stream.get_final_message()
    return "".join(block.text for block in message.content if block.type == "text")


async def _watched(pieces: AsyncIterator[str], watch: Watcher) -> None:
    async for piece in pieces:
        watch(piece)


def _chat_model(task: Task) -> ChatAnthropic:
    class WithClient(ChatAnthropic):
        """LangChain would make a client with the same settings; this one shares its connections."""

        @cached_property
        def _async_client(self) -> anthropic.AsyncAnthropic:
            return task.client

    return WithClient(
        model_name=MODEL,
        max_tokens_to_sample=MAX_TOKENS,
        api_key=SecretStr("test"),
        timeout=None,
        stop=None,
    )
