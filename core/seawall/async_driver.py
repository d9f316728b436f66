"""Performs the engine's steps for async clients, on asyncio or trio."""

import asyncio
import math
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

import anyio
import anyio.to_thread
import httpx2
from anthropic import AnthropicError, AsyncCallNext
from anyio.lowlevel import RunVar

from seawall.collector import outside_collector
from seawall.connections import CONNECTIONS, running_loop
from seawall.decisions import Offload
from seawall.driver import BODY_ERRORS, PATIENCE, SEND_ERRORS, Driver, outcome_of, running
from seawall.engine import Engine
from seawall.errors import SeawallError
from seawall.exchange import Exchange
from seawall.reception import Reception
from seawall.steps import Abandoned, Accepted, Close, Send, Sleep, Step

_loops: Final = weakref.WeakSet[asyncio.AbstractEventLoop]()
"""Those that calls were made in."""
_threads: Final = RunVar[anyio.CapacityLimiter]("seawall_threads")
"""What bounds the worker threads of an event loop: those of the program may all wait for its calls."""
_MOST_THREADS: Final = 40


class AsyncDriver(Driver):
    """Runs one call for an async client, on asyncio or trio."""

    def __init__(self, engine: Engine, exchange: Exchange, call_next: AsyncCallNext) -> None:
        self._loop = running_loop()
        if self._loop is not None:
            _abandon_stranded(self._loop)
        # from here on loops of other threads look at it
        super().__init__(engine, exchange)
        self._call_next = call_next
        self._body: AsyncIterable[bytes] = httpx2.ByteStream(b"")
        self._woken = anyio.Event()

    @property
    def is_stranded(self) -> bool:
        """Whether the event loop of the call was closed, so that nothing of it can be awaited any more."""
        return self._loop is not None and self._loop.is_closed()

    async def frames(self) -> AsyncGenerator[bytes, None]:  # noqa: C901 - a chunk has one generator to pass
        """Run the engine to its end."""
        answer: Any = None
        _stranded = _Stranded(self)  # goes with this frame
        try:
            while True:
                step = self.steps.send(answer)
                answer = None
                if step.__class__ is Reception:
                    try:
                        body = aiter(self._body)
                        async for data in body:
                            if delivered := step.take(data):
                                yield delivered
                            if step.is_over:
                                break
                        if step.is_whole:
                            async for delivered in self._rest(step, body):
                                yield delivered
                    except BODY_ERRORS as error:
                        answer = self.wire_error(error)
                elif step.__class__ is bytes:
                    yield step
                else:
                    answer = await self._perform(step)
        except StopIteration as done:
            self.message = done.value
            running.discard(self)
        except BaseException as error:
            await self._abandon(error)
            raise

    async def _abandon(self, cause: BaseException) -> None:
        """End the call, if it has not ended."""
        if self.is_stranded:
            outside_collector(self.abandon_stranded, cause)
            return
        try:
            # the task may be cancelled already
            with (
                anyio.CancelScope(shield=True),
                suppress(StopIteration, Abandoned, AnthropicError, SeawallError),
            ):
                while True:
                    try:
                        step = self.steps.throw(Abandoned(cause))
                        while True:
                            step = self.steps.send(await self._perform(step))
                    except anyio.get_cancelled_exc_class() as again:
                        # asyncio knows no shield: go on with what is left of the end
                        cause = again
        finally:
            running.discard(self)

    def abandon_stranded(self, cause: BaseException) -> None:
        """End a call whose event loop was closed, if it has not ended."""
        with suppress(KeyError):  # another thread does
            running.remove(self)
            self.abandon(cause, self._perform_stranded)

    def _perform_stranded(self, step: Step) -> Any:
        if isinstance(step, Offload):
            return outcome_of(step.work)
        # without its loop the connection cannot be closed, nor serve another call
        self.shut_down()
        return None

    async def _perform(self, step: Step) -> Any:
        match step:
            case Send():
                return await self._send(step)
            case Sleep(seconds):
                with anyio.move_on_after(seconds):
                    await self._woken.wait()
                self.check()
            case Offload(work):
                whole = _Whole(work)
                try:
                    return await _in_thread(whole)
                except Exception as error:  # noqa: BLE001 - the engine isolates the plugin it came from
                    return error
                finally:
                    with anyio.CancelScope(shield=True):
                        await whole.finish()
            case Close() if self.exchange.response is not None:
                await self.exchange.response.aclose()
                self.exchange.note_elapsed()
        return None

    def interrupt(self) -> None:
        """End a call that another task runs: wake it, let it do no more."""
        super().interrupt()
        self._woken.set()

    async def _send(self, send: Send) -> Accepted | Exception:
        self.check()
        CONNECTIONS.leave_closed_loops()
        try:
            with anyio.move_on_after(self._seconds_left()) as scope:
                response = self.exchange.take(await self._call_next(self.exchange.derived(send)))
                CONNECTIONS.note(response, self._loop)
                if response is not None and self.exchange.must_read(send):
                    try:
                        await response.aread()
                    except BODY_ERRORS as error:
                        return self.wire_error(error)
        except AnthropicError as error:
            return self.exchange.told(error)
        except SEND_ERRORS as error:
            return self.wire_error(error)
        if scope.cancelled_caught:
            return self.wire_error(TimeoutError("the deadline passed"))
        self.check()
        self._body = self.exchange.body(send)
        if self._seconds_left() is not None:
            self._body = _until(self._seconds_left, self._body)
        return self.exchange.accepted(send)

    def _seconds_left(self) -> float | None:
        seconds = self.remaining()
        return None if seconds == math.inf else max(seconds, 0.0)

    async def _rest(self, reception: Reception, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Read on to the end of the body of a whole message, so that its connection can be used again."""
        end = anyio.current_time() + PATIENCE
        async for data in _until(lambda: max(end - anyio.current_time(), 0.0), body):
            if delivered := reception.take(data):
                yield delivered


async def _until(
    seconds_left: Callable[[], float | None], body: AsyncIterable[bytes]
) -> AsyncIterator[bytes]:
    """Pass on `body` until no seconds are left, however lively it is."""
    pieces = aiter(body)
    data: bytes | None = b""
    while data is not None:
        with anyio.move_on_after(seconds_left()) as scope:
            data = await anext(pieces, None)
        if scope.cancelled_caught:
            return
        if data:
            yield data


async def _in_thread(work: Callable[[], Any]) -> Any:
    limiter = _threads.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(_MOST_THREADS)
        _threads.set(limiter)
    return await anyio.to_thread.run_sync(work, limiter=limiter)


class _Stranded:
    """Ends the call of a stream that nobody has any more, where asyncio cannot: its loop was closed."""

    def __init__(self, driver: AsyncDriver) -> None:
        self._driver = driver

    def __del__(self) -> None:
        if self._driver.is_stranded:
            outside_collector(self._driver.abandon_stranded, GeneratorExit())


def _abandon_stranded(loop: asyncio.AbstractEventLoop) -> None:
    """End what runs in loops that were closed, the first time that a call is made in `loop`.

    A task that waited for the network then is kept as long as the connections of its client.
    """
    if loop in _loops:
        return
    _loops.add(loop)
    for driver in list(running):
        if isinstance(driver, AsyncDriver) and driver.is_stranded:
            loop.run_in_executor(None, driver.abandon_stranded, GeneratorExit())


class _Whole:
    """Work that is done, once, before a task that was cancelled goes on.

    asyncio cancels the wait for a thread, not the thread: what follows would meet the work half done.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._has_begun = False
        self._ended = threading.Event()

    def __call__(self) -> Any:
        with self._lock:
            if self._has_begun:
                return None
            self._has_begun = True
        try:
            return self._work()
        finally:
            self._ended.set()

    async def finish(self) -> None:
        """Return when the work is done; do it, if no thread has begun it."""
        while not self._ended.is_set():
            # the task is cancelled, and again perhaps: nobody hears what the work returns or raises
            with suppress(Exception, anyio.get_cancelled_exc_class()):
                await _in_thread(self._finish)

    def _finish(self) -> None:
        self()
        self._ended.wait()


class AsyncBody(httpx2.AsyncByteStream):
    """What an async caller that streams reads, and closes from any task at any time."""

    def __init__(self, driver: AsyncDriver, frames: AsyncGenerator[bytes, None]) -> None:
        self._driver = driver
        self._frames = frames

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._frames

    async def aclose(self) -> None:
        """Close the connection and end the call."""
        try:
            await self._frames.aclose()
        except RuntimeError:
            # another task is reading; woken by this, it ends the call
            self._driver.interrupt()
