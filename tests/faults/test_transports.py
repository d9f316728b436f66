"""Transports that are not of `httpx2`, as programs bring them that need curl or requests."""

import asyncio

import anthropic
import httpx2
import pytest

import seawall
from calls import ASYNC, MESSAGES, MODEL, SURFACES, SYNC, call, plugins
from seawall_testkit import Simulator

LARGE = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES}
BYTES = 4_000
"""What comes of the first answer."""


class Breaking(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that breaks with an error of the system."""

    def __init__(self, body):
        self._body, self._left = body, BYTES

    def __iter__(self):
        for piece in self._body:
            yield self._cut(piece)
            self._check()

    async def __aiter__(self):
        async for piece in self._body:
            yield self._cut(piece)
            self._check()

    def close(self):
        self._body.close()

    async def aclose(self):
        await self._body.aclose()

    def _cut(self, piece):
        kept = piece[: self._left]
        self._left -= len(kept)
        return kept

    def _check(self):
        if self._left == 0:
            raise ConnectionResetError("reset, said curl")


class Breaks:
    """Breaks the body of the first answer."""

    sent = 0

    def pass_on(self, response):
        self.sent += 1
        if self.sent == 1:
            response.stream = Breaking(response.stream)
        return response


class Transport(Breaks, httpx2.HTTPTransport):
    def handle_request(self, request):
        return self.pass_on(super().handle_request(request))


class AsyncTransport(Breaks, httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request):
        return self.pass_on(await super().handle_async_request(request))


def asked(mode, surface, simulator, transport):
    options = {"base_url": simulator.base_url, "api_key": "test"}

    async def run():
        http_client = httpx2.AsyncClient(transport=transport)
        async with anthropic.AsyncAnthropic(**options, http_client=http_client) as bare:
            return await ASYNC[surface](seawall.protect(bare, plugins=plugins()), **LARGE)

    if mode == "async":
        return asyncio.run(run())
    with anthropic.Anthropic(**options, http_client=httpx2.Client(transport=transport)) as bare:
        return SYNC[surface](seawall.protect(bare, plugins=plugins()), **LARGE)


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_an_answer_that_breaks_with_an_error_of_the_system_is_whole(mode, surface):
    transport = AsyncTransport() if mode == "async" else Transport()
    with Simulator() as simulator:
        whole = call(simulator, mode, surface, plugins())
        got = asked(mode, surface, simulator, transport)
    assert got.text == whole.text
    assert transport.sent == 2
