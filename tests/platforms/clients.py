"""The SDK's clients of platforms, made for a gateway, and what is particular about each."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import anthropic

import seawall
from calls import ASYNC, MESSAGES, SYNC, Got
from platforms.dialects import Bedrock, Dialect, Vertex
from platforms.gateway import Gateway

REGION = "eu-central-1"
KEYS = {"aws_access_key": "AKIDEXAMPLE", "aws_secret_key": "wJalrXUtnFEMI", "aws_region": REGION}


@dataclass(frozen=True)
class Platform:
    """One platform: its two clients, their arguments, and the way it speaks."""

    sync: Callable[..., Any]
    asynchronous: Callable[..., Any]
    arguments: Callable[[], dict[str, Any]]
    """Made for each client: a provider of tokens hands out a new one every time."""
    model: str
    dialect: type[Dialect] = Dialect
    path: str = "/anthropic"
    """Of the base URL."""
    service: str = ""
    """What AWS signatures are for; empty where nothing is signed."""
    tokens: tuple[str, ...] = ()
    """The `authorization` of the first two requests, where tokens are handed out."""
    counts_tokens: bool = True
    provider: str = "anthropic"
    """By the conventions of OpenTelemetry."""

    def with_arguments(self, arguments: dict[str, Any]) -> "Platform":
        """The same with other arguments of the constructor."""
        return replace(self, arguments=lambda: arguments)

    def client(self, mode: str, gateway: Gateway, **others: Any) -> Any:
        """A bare client of the gateway."""
        make = self.sync if mode == "sync" else self.asynchronous
        return make(base_url=gateway.base_url + self.path, **{**self.arguments(), **others})


def _tokens() -> Callable[[], str]:
    counter = itertools.count(1)
    return lambda: f"token-{next(counter)}"


class ExpiringCredentials:
    """Google credentials that have expired whenever they are looked at."""

    expired = True
    token = ""

    def __init__(self) -> None:
        self._tokens = _tokens()

    def refresh(self, request: object) -> None:
        self.token = self._tokens()


_FRESH = ("Bearer token-1", "Bearer token-2")

PLATFORMS = {
    "Bedrock": Platform(
        anthropic.AnthropicBedrock,
        anthropic.AsyncAnthropicBedrock,
        lambda: KEYS,
        "eu.anthropic.claude-opus-5-5-20261101-v1:0",
        Bedrock,
        path="",
        service="bedrock",
        counts_tokens=False,
        provider="aws.bedrock",
    ),
    "BedrockMantle": Platform(
        anthropic.AnthropicBedrockMantle,
        anthropic.AsyncAnthropicBedrockMantle,
        lambda: KEYS,
        "anthropic.claude-opus-5-5",
        service="bedrock-mantle",
        provider="aws.bedrock",
    ),
    "Vertex": Platform(
        anthropic.AnthropicVertex,
        anthropic.AsyncAnthropicVertex,
        lambda: {"region": "europe-west1", "project_id": "harbour", "credentials": ExpiringCredentials()},
        "claude-opus-5-5@20261101",
        Vertex,
        path="/v1",
        tokens=_FRESH,
        provider="gcp.vertex_ai",
    ),
    "Foundry": Platform(
        anthropic.AnthropicFoundry,
        anthropic.AsyncAnthropicFoundry,
        lambda: {"azure_ad_token_provider": _tokens()},
        "claude-opus-5-5",
        tokens=_FRESH,
    ),
    "AWS": Platform(
        anthropic.AnthropicAWS,
        anthropic.AsyncAnthropicAWS,
        lambda: {**KEYS, "workspace_id": "wrkspc_1"},
        "claude-opus-5-5",
        service="aws-external-anthropic",
    ),
    "GoogleCloud": Platform(
        anthropic.AnthropicGoogleCloud,
        anthropic.AsyncAnthropicGoogleCloud,
        lambda: {"token_provider": _tokens(), "workspace_id": "wrkspc_1"},
        "claude-opus-5-5",
        tokens=_FRESH,
    ),
}


def run(platform: Platform, mode: str, gateway: Gateway, use: Callable[[Any], Any], **others: Any) -> Any:
    """What `use` makes of a bare client, awaited if it is an async one; the client is closed."""
    if mode == "sync":
        with platform.client(mode, gateway, **others) as client:
            return use(client)

    async def use_async() -> Any:
        async with platform.client(mode, gateway, **others) as client:
            return await use(client)

    return asyncio.run(use_async())


def call(
    platform: Platform, mode: str, surface: str, gateway: Gateway, enabled: list[object], **params: Any
) -> Got:
    """Make one protected call, by one of `SURFACES`."""
    params = {"model": platform.model, "max_tokens": 64_000, "messages": MESSAGES, **params}
    ways: Any = SYNC if mode == "sync" else ASYNC
    got: Got = run(
        platform, mode, gateway, lambda bare: ways[surface](seawall.protect(bare, plugins=enabled), **params)
    )
    return got
