"""Pytest plugin that puts a middleware in front of every client that the SDK's own tests construct.

The variable `SEAWALL_SDK_TESTS_MIDDLEWARE` names it:

- `noop` hands every call on: what fails with it fails with every middleware.
- `repair` also wraps the error response of a call with `cast_to=httpx2.Response`, which SDK 2.12 otherwise
  neither retries nor raises when there is a middleware.
- `seawall` is what `seawall.protect` puts in front of a client, with the standard plugins but for backoff.
- `limit-zero` is `seawall` with every call streamed on the wire, however small, by mocks that can stream.

Unlike `protect`, the plugin leaves `max_retries` and `timeout` of a client as the test set them.
"""

import functools
import os
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import httpx2
import pytest
from anthropic import (
    AnthropicBedrock,
    APIRequest,
    APIResponse,
    AsyncAnthropicBedrock,
    AsyncAPIResponse,
    AsyncCallNext,
    CallNext,
    Middleware,
    _base_client,
)
from anthropic._middleware import MiddlewareInput
from streamed import as_stream, is_json

VARIABLE: Final = "SEAWALL_SDK_TESTS_MIDDLEWARE"

BEDROCK: Final = (AnthropicBedrock, AsyncAnthropicBedrock)
"""The clients that read AWS event streams."""

Wrapper = TypeVar("Wrapper", bound=APIResponse[Any] | AsyncAPIResponse[Any])


class Noop(Middleware):
    """Hands every call on."""

    def handle(self, request: APIRequest, call_next: CallNext) -> APIResponse[Any]:
        """Answer with what the rest of the chain answers."""
        return call_next(request)

    async def handle_async(self, request: APIRequest, call_next: AsyncCallNext) -> AsyncAPIResponse[Any]:
        """Answer with what the rest of the chain answers."""
        return await call_next(request)


class Repair(Middleware):
    """Hands every call on, and wraps the bare error responses that come back."""

    def handle(self, request: APIRequest, call_next: CallNext) -> APIResponse[Any]:
        """Answer with what the rest of the chain answers, a bare error response wrapped."""
        return _wrapped(call_next(request), request, APIResponse)

    async def handle_async(self, request: APIRequest, call_next: AsyncCallNext) -> AsyncAPIResponse[Any]:
        """Answer with what the rest of the chain answers, a bare error response wrapped."""
        return _wrapped(await call_next(request), request, AsyncAPIResponse)


def _wrapped(response: Wrapper, request: APIRequest, wrapper: type[Wrapper]) -> Wrapper:
    bare: object = response  # against its type, `call_next` answers a call for an `httpx2.Response` with that
    if not isinstance(bare, httpx2.Response) or bare.is_success:
        return response
    unused: dict[str, Any] = {"client": None, "stream": False, "stream_cls": None}
    return wrapper(raw=bare, cast_to=request.cast_to, options=request.options, **unused)


def pytest_configure() -> None:
    """Patch the two constructors that every client ends in."""
    name = os.environ[VARIABLE]
    make = _maker(name)
    for client_class in (_base_client.SyncAPIClient, _base_client.AsyncAPIClient):
        _prepend(client_class, make)
    if name == "limit-zero":
        _stream_answers()


def _prepend(client_class: type[Any], make: Callable[[Any], Middleware]) -> None:
    """Let each client of the class get a middleware of its own, outermost; a copy keeps its origin's."""
    construct = client_class.__init__

    @functools.wraps(construct)
    def construct_protected(
        self: object, *, middleware: Iterable[MiddlewareInput] | None = None, **options: object
    ) -> None:
        ours, entries = make(self), tuple(middleware or ())
        if not any(isinstance(entry, type(ours)) for entry in entries):
            entries = (ours, *entries)
        construct(self, middleware=entries, **options)

    client_class.__init__ = construct_protected


def _stream_answers() -> None:
    """Let the mocks stream where a stream is asked for; most answer with JSON whatever is asked for."""
    attempt = vars(_base_client.SyncAPIClient)["_attempt_request"]  # every kind of mock is below it
    attempt_async = vars(_base_client.AsyncAPIClient)["_attempt_request"]

    @functools.wraps(attempt)
    def attempted(
        client: object, options: object, *, stream: bool = False, **others: object
    ) -> tuple[httpx2.Response, object]:
        response, sent = attempt(client, options, stream=stream, **others)
        if stream and is_json(response):
            response.read()
            response = as_stream(response, is_aws=isinstance(client, BEDROCK))
        return response, sent

    @functools.wraps(attempt_async)
    async def attempted_async(
        client: object, options: object, *, stream: bool = False, **others: object
    ) -> tuple[httpx2.Response, object]:
        response, sent = await attempt_async(client, options, stream=stream, **others)
        if stream and is_json(response):
            await response.aread()
            response = as_stream(response, is_aws=isinstance(client, BEDROCK))
        return response, sent

    patch = pytest.MonkeyPatch()  # for the whole process: never undone
    patch.setattr(_base_client.SyncAPIClient, "_attempt_request", attempted)
    patch.setattr(_base_client.AsyncAPIClient, "_attempt_request", attempted_async)


def _maker(name: str) -> Callable[[Any], Middleware]:
    if name == "noop":
        return lambda _client: Noop()
    if name == "repair":
        return lambda _client: Repair()
    import seawall.middleware  # noqa: PLC0415 - the two above work without it
    import seawall.registry  # noqa: PLC0415

    class StreamAll:
        @seawall.hookimpl
        def pre_request(self) -> seawall.Amend:
            return seawall.Amend(stream=True)

    # The standard plugins but for backoff: it would multiply the SDK's retries, which the tests count.
    plugins = ["streaming", "tokens", "progress", "files"]
    runs = [*plugins, StreamAll()] if name == "limit-zero" else plugins
    hooks = seawall.registry.load(plugins=runs)
    return lambda client: seawall.middleware.Protection(hooks, client)
