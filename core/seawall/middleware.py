"""The seam to the SDK: `protect` and the middleware it installs."""

import hashlib
import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import anthropic
import httpx2
from anthropic import APIRequest, AsyncCallNext, CallNext, Middleware, NotGiven

from seawall.async_driver import AsyncBody, AsyncDriver
from seawall.call import Call
from seawall.deadline import remaining_time
from seawall.decisions import Way
from seawall.engine import Engine
from seawall.exchange import Exchange, is_beta, is_message_request
from seawall.hooks import Hooks
from seawall.passage import apassed, passed
from seawall.registry import configured_folder, configured_store, load
from seawall.settings import Configuration
from seawall.state import MemoryStore, Store
from seawall.sync_driver import SyncBody, SyncDriver

_log = logging.getLogger("seawall.middleware")

_Client: TypeAlias = (
    anthropic.Anthropic
    | anthropic.AsyncAnthropic
    | anthropic.AnthropicBedrock
    | anthropic.AsyncAnthropicBedrock
    | anthropic.AnthropicBedrockMantle
    | anthropic.AsyncAnthropicBedrockMantle
    | anthropic.AnthropicVertex
    | anthropic.AsyncAnthropicVertex
)
"""The SDK's clients; those of Foundry, AWS and Google Cloud are subclasses of the first two."""
AnyClient = TypeVar("AnyClient", bound=_Client)

_LONG_TIMEOUT = httpx2.Timeout(600, connect=5, pool=600.5)
"""The SDK's default in all that matters, yet not equal to it: a client with the default refuses a large call
that does not stream with a `ValueError` before any middleware sees it (P2)."""


_CREDENTIALS = (
    "api_key",
    "auth_token",
    "aws_access_key",
    "aws_profile",
    "aws_region",
    "project_id",
    "region",
)
"""What tells accounts of one address apart, as the SDK's clients name it."""

_learned: defaultdict[tuple[str, str], set[Way]] = defaultdict(set)
"""Ways of going on that a model at an address refuses; the process learns it once."""


class Protection(Middleware):
    """Runs each `POST /v1/messages` of a client as a protected call; everything else passes untouched."""

    def __init__(
        self,
        hooks: Hooks,
        client: _Client,
        retries: int = 0,
        *,
        store: Store | None = None,
        state_dir: Path | None = None,
    ) -> None:
        self.retries = retries
        """The SDK's, for requests that create no message."""
        self._hooks = hooks
        self._client = client
        self._store = store or MemoryStore()
        self._state_dir = state_dir

    def of(self, client: _Client, retries: int) -> "Protection":
        """Return the same protection of another client, which may have its own key, address and timeout."""
        return Protection(self._hooks, client, retries, store=self._store, state_dir=self._state_dir)

    def handle(self, request: APIRequest, call_next: CallNext) -> Any:
        """Run one call of a sync client."""
        if not is_message_request(request):
            return passed(self._client, self.retries, request, call_next)
        engine, exchange = self._begin(request, is_async=False)
        driver = SyncDriver(engine, exchange, call_next)
        frames = driver.frames()
        if request.stream and next(frames, None) is not None:
            return exchange.streamed(SyncBody(driver, frames))
        for _ in frames:
            pass
        return exchange.whole(driver.message)

    async def handle_async(self, request: APIRequest, call_next: AsyncCallNext) -> Any:
        """Run one call of an async client."""
        if not is_message_request(request):
            return await apassed(self._client, self.retries, request, call_next)
        engine, exchange = self._begin(request, is_async=True)
        driver = AsyncDriver(engine, exchange, call_next)
        frames = driver.frames()
        if request.stream and await anext(frames, None) is not None:
            return exchange.streamed(AsyncBody(driver, frames))
        async for _ in frames:
            pass
        return exchange.whole(driver.message)

    def _begin(self, request: APIRequest, *, is_async: bool) -> tuple[Engine, Exchange]:
        if request.retries_taken:
            _log.warning(
                "the SDK retries a call that was retried already; leave max_retries at 0 on protected clients"
            )
        body = cast("Mapping[str, Any]", request.json)  # is_message_request has seen to it
        call = Call(
            id=uuid.uuid4().hex[:12],
            params=body,
            stream=request.stream,
            beta=is_beta(request),
            host=httpx2.URL(str(self._client.base_url)).netloc.decode(),
            provider=getattr(self._client, "_gen_ai_provider_name", "anthropic"),
            account=account_of(self._client),  # now: keys are exchanged
            store=self._store,
            state_dir=self._state_dir,
            timeout=self._own_timeout()
            if isinstance(request.timeout, NotGiven)
            else _read_timeout(request.timeout),
            remaining=remaining_time(),
        )
        learned = _learned[str(self._client.base_url), call.model]
        return Engine(call, self._hooks, learned), Exchange(request, self._client, is_async=is_async)

    def _own_timeout(self) -> float | None:
        return None if _is_default(self._client.timeout) else _read_timeout(self._client.timeout)


def protect(
    client: AnyClient,
    *,
    settings: Mapping[str, Any] | None = None,
    plugins: Sequence[str | object] | None = None,
) -> AnyClient:
    """Return a client of the same type whose `messages` calls are protected; `client` itself stays as it is.

    Args:
        client: Any client of the SDK, sync or async. Its own middleware runs inside, once per attempt.
        settings: Overrides of files and environment, in the shape of `seawall.toml`.
        plugins: What runs instead of what is configured: names of installed plugins, instances of plugins, or
            both.

    Raises:
        ConfigError: A setting is wrong; nothing has been sent.
        StoreError: Another process keeps the file of the state locked.
        TypeError: `client` is none of the SDK's.
    """
    if isinstance(client, type) or not (hasattr(client, "with_options") and hasattr(client, "middleware")):
        what = f"the class {client.__name__}" if isinstance(client, type) else type(client).__name__
        raise TypeError(f"protect() takes a client of the anthropic SDK from 2.12 on, not {what}")
    configuration = Configuration(settings)
    hooks, store = load(configuration, plugins), configured_store(configuration)
    folder = configured_folder(configuration)
    others: list[Any] = [
        middleware for middleware in client.middleware if not isinstance(middleware, Protection)
    ]
    given = (known.retries for known in client.middleware if isinstance(known, Protection))
    retries = next(given, client.max_retries)
    protection = Protection(hooks, client, retries, store=store, state_dir=folder)
    protected = client.with_options(
        middleware=[protection, *others],
        max_retries=0,  # P6: one owner of retries
        timeout=_LONG_TIMEOUT if _is_default(client.timeout) else client.timeout,
    )
    _protect_copies(protected, protection)
    return cast("AnyClient", protected)  # each returns its own type; of a union mypy knows only the union


def _protect_copies(protected: _Client, protection: Protection) -> None:
    """Let `copy` and `with_options` of a client protect their copies as what those are."""
    make: Callable[..., _Client] = protected.copy

    @wraps(make)
    def copy(**options: Any) -> _Client:
        copied = make(**options)
        if protection not in copied.middleware:
            return copied
        # the SDK's own retries count where they were turned on again
        own = protection.of(copied, 0 if "max_retries" in options else protection.retries)
        options["middleware"] = [own if each is protection else each for each in copied.middleware]
        bound = make(**options)
        _protect_copies(bound, own)
        return bound

    vars(protected).update(copy=copy, with_options=copy)


def account_of(client: _Client) -> str:
    """Return a digest of whose limits a client uses."""
    said = [getattr(client, name, None) for name in _CREDENTIALS]
    known = [value if isinstance(value, str) else "" for value in (str(client.base_url), *said)]
    return hashlib.sha256("\0".join(known).encode()).hexdigest()[:16]


def _is_default(timeout: float | httpx2.Timeout | None) -> bool:
    return timeout in (anthropic.DEFAULT_TIMEOUT, _LONG_TIMEOUT)


def _read_timeout(timeout: float | httpx2.Timeout | None) -> float | None:
    """Seconds without a byte that a timeout of the SDK allows; `None` where it sets no limit."""
    return timeout.read if isinstance(timeout, httpx2.Timeout) else timeout
