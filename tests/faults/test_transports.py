"""Transports that are not of `httpx2`, as programs bring them that need curl or requests."""

import asyncio
import errno
import ssl

import anthropic
import httpx2
import pytest

import seawall
from calls import ASYNC, MESSAGES, MODEL, SURFACES, SYNC, call, plugins
from seawall_testkit import Fault, Simulator

LARGE = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES}
RESET = ConnectionResetError("reset, said curl")
FULL = OSError(errno.ENOSPC, "no space left for the copy")


class Breaking(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that breaks after so many bytes."""

    def __init__(self, body, size, error):
        self._body, self._left, self._error = body, size, error

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
            raise self._error


class Breaks:
    """Breaks the body of the first answer."""

    def __init__(self, error, size):
        super().__init__()
        self._error, self._size = error, size
        self.sent = 0

    def pass_on(self, response):
        self.sent += 1
        if self.sent == 1:
            response.stream = Breaking(response.stream, self._size, self._error)
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


def breaking(mode, error, size=4_000):
    return AsyncTransport(error, size) if mode == "async" else Transport(error, size)


@pytest.mark.parametrize(
    "error", [RESET, TimeoutError("late"), OSError("curl: (56)"), ssl.SSLError(1, "bad record")]
)
@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_an_answer_that_breaks_with_an_error_of_the_system_is_whole(mode, surface, error):
    transport = breaking(mode, error)
    with Simulator() as simulator:
        whole = call(simulator, mode, surface, plugins())
        got = asked(mode, surface, simulator, transport)
    assert got.text == whole.text
    assert transport.sent == 2


@pytest.mark.parametrize("error", [RESET, TimeoutError("late")])
@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_an_answer_that_is_an_error_and_breaks_is_tried_again(mode, surface, error):
    transport = breaking(mode, error, size=10)
    with Simulator(faults=[Fault("status", status=529)]) as simulator:
        assert asked(mode, surface, simulator, transport).text
    assert transport.sent == 2


@pytest.mark.parametrize("error", [FULL, seawall.DeadlineExceededError("of another call")])
@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_what_is_not_of_the_wire_goes_to_the_caller(mode, surface, error):
    transport = breaking(mode, error)
    with Simulator() as simulator:
        with pytest.raises(type(error)) as raised:
            asked(mode, surface, simulator, transport)
        simulator.wait_until(lambda: simulator.open_connections == 0)
    assert raised.value is error
    assert transport.sent == 1
