"""Perform the engine's steps: one driver for sync clients, one for async ones. Neither knows a rule.

`frames` yields once without bytes when the caller may have its response, then what is delivered to a caller
that streams. So it has always begun, and a stream that is closed, dropped or cancelled ends its call (P3).
The body of the caller's response holds the driver, never the other way round: a cycle would leave a dropped
stream to the garbage collector.
"""

import math
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import anyio.to_thread
import httpx2
from anthropic import AnthropicError, AsyncCallNext, CallNext

from seawall import wire_errors
from seawall.engine import Engine
from seawall.exchange import Exchange, frame_of_sse
from seawall.reception import Reception
from seawall.steps import Abandoned, Accepted, Close, Send, Sleep, Step, Work

_BODY_ERRORS = (httpx2.RequestError, httpx2.StreamError)
"""What reading a body raises; `StreamError` when it was closed meanwhile."""


class _Driver:
    """What both drivers are."""

    def __init__(self, engine: Engine, exchange: Exchange) -> None:
        self.steps = engine.run()
        self.remaining = engine.call.remaining
        self.exchange = exchange
        self.message: dict[str, Any] | None = None
        """The message for a caller that waits, once `frames` is exhausted."""
        self._is_interrupted = False

    def wire_error(self, error: Exception) -> Exception:
        """The SDK's error for what reading the current response raised."""
        failure = wire_errors.transport_error(error, self.exchange.http_request)
        if self._is_interrupted:
            raise failure
        return failure

    def check(self) -> None:
        """Raise the SDK's error if the call was interrupted meanwhile."""
        if self._is_interrupted:
            raise wire_errors.transport_error(httpx2.StreamClosed(), self.exchange.http_request)

    def interrupt(self) -> None:
        """End a call that another thread or task runs: wake it if it waits for bytes, let it do no more."""
        self._is_interrupted = True
        self.shut_down()

    def shut_down(self) -> None:
        """Break the current connection, so that a read on it ends; from any thread."""
        stream = (
            self.exchange.response.extensions.get("network_stream")
            if self.exchange.response is not None
            else None
        )
        connection = stream.get_extra_info("socket") if stream is not None else None
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class SyncDriver(_Driver):
    """Runs one call for a sync client."""

    def __init__(self, engine: Engine, exchange: Exchange, call_next: CallNext) -> None:
        super().__init__(engine, exchange)
        self._call_next = call_next
        self._body: Iterator[bytes] = iter(())

    def frames(self) -> Generator[bytes, None, None]:
        """Run the engine to its end."""
        answer: Any = None
        try:
            while True:
                step = self.steps.send(answer)
                answer = None
                if step.__class__ is Reception:
                    try:
                        with self._until_deadline():
                            for data in self._body:
                                if delivered := step.take(data):
                                    yield delivered
                                if step.is_over:
                                    break
                    except _BODY_ERRORS as error:
                        answer = self.wire_error(error)
                elif step.__class__ is bytes:
                    yield step
                else:
                    answer = self._perform(step)
        except StopIteration as done:
            self.message = done.value
        except BaseException as error:
            self._abandon(error)
            raise

    def _abandon(self, cause: BaseException) -> None:
        """End the call, if it has not ended."""
        with suppress(StopIteration, Abandoned):
            step = self.steps.throw(Abandoned(cause))
            while not sys.is_finalizing():
                step = self.steps.send(self._perform(step))

    def _perform(self, step: Step) -> Any:
        match step:
            case Send():
                return self._send(step)
            case Sleep(seconds):
                time.sleep(seconds)  # noqa: TID251 - the one place where a sync call waits
            case Work(work):
                try:
                    return work()
                except Exception as error:  # noqa: BLE001 - the engine isolates the plugin it came from
                    return error
            case Close() if self.exchange.response is not None:
                self.exchange.response.close()
                self.exchange.note_elapsed()
        return None

    @contextmanager
    def _until_deadline(self) -> Iterator[None]:
        """Break the connection when the caller's deadline passes, however lively it is."""
        seconds = self.remaining()
        if seconds == math.inf:
            yield
            return
        timer = threading.Timer(max(seconds, 0.0), self.shut_down)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _send(self, send: Send) -> Accepted | Exception:
        self.check()
        try:
            with self._until_deadline():
                response = self.exchange.take(self._call_next(self.exchange.derived(send)))
                if response is not None and self.exchange.must_read(send):
                    response.read()
        except AnthropicError as error:
            return wire_errors.told(error)
        except _BODY_ERRORS as error:
            return self.wire_error(error)
        if (whole := self.exchange.whole_body(send)) is not None:
            self._body = iter([whole])
        elif response is not None and send.stream:
            decoder = self.exchange.foreign_decoder()
            body = response.iter_raw() if self.exchange.is_plain else response.iter_bytes()
            self._body = body if decoder is None else map(frame_of_sse, decoder.iter_bytes(body))
        return self.exchange.accepted(send)


class SyncBody(httpx2.SyncByteStream):
    """What a sync caller that streams reads, and closes from any thread at any time."""

    def __init__(self, driver: SyncDriver, frames: Generator[bytes, None, None]) -> None:
        self._driver = driver
        self._frames = frames

    def __iter__(self) -> Iterator[bytes]:
        return self._frames

    def close(self) -> None:
        """Close the connection and end the call."""
        try:
            self._frames.close()
        except ValueError:
            # P4: another thread is reading; woken by this, it ends the call
            self._driver.interrupt()


class AsyncDriver(_Driver):
    """Runs one call for an async client, on asyncio or trio."""

    def __init__(self, engine: Engine, exchange: Exchange, call_next: AsyncCallNext) -> None:
        super().__init__(engine, exchange)
        self._call_next = call_next
        self._body: AsyncIterator[bytes] = _whole(b"")

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Run the engine to its end."""
        answer: Any = None
        try:
            while True:
                step = self.steps.send(answer)
                answer = None
                if step.__class__ is Reception:
                    try:
                        async for data in self._body:
                            if delivered := step.take(data):
                                yield delivered
                            if step.is_over:
                                break
                    except _BODY_ERRORS as error:
                        answer = self.wire_error(error)
                elif step.__class__ is bytes:
                    yield step
                else:
                    answer = await self._perform(step)
        except StopIteration as done:
            self.message = done.value
        except BaseException as error:
            # the task may be cancelled already
            with anyio.CancelScope(shield=True):
                await self._abandon(error)
            raise

    async def _abandon(self, cause: BaseException) -> None:
        """End the call, if it has not ended."""
        with suppress(StopIteration, Abandoned):
            step = self.steps.throw(Abandoned(cause))
            while True:
                step = self.steps.send(await self._perform(step))

    async def _perform(self, step: Step) -> Any:
        match step:
            case Send():
                return await self._send(step)
            case Sleep(seconds):
                await anyio.sleep(seconds)
            case Work(work):
                try:
                    return await anyio.to_thread.run_sync(work)
                except Exception as error:  # noqa: BLE001 - the engine isolates the plugin it came from
                    return error
            case Close() if self.exchange.response is not None:
                await self.exchange.response.aclose()
                self.exchange.note_elapsed()
        return None

    async def _send(self, send: Send) -> Accepted | Exception:
        self.check()
        try:
            with anyio.fail_after(self._seconds_left()):
                response = self.exchange.take(await self._call_next(self.exchange.derived(send)))
                if response is not None and self.exchange.must_read(send):
                    await response.aread()
        except TimeoutError as error:
            return error
        except AnthropicError as error:
            return wire_errors.told(error)
        except _BODY_ERRORS as error:
            return self.wire_error(error)
        if (whole := self.exchange.whole_body(send)) is not None:
            self._body = _whole(whole)
        elif response is not None and send.stream:
            decoder = self.exchange.foreign_decoder()
            body = response.aiter_raw() if self.exchange.is_plain else response.aiter_bytes()
            self._body = (
                body if decoder is None else (frame_of_sse(sse) async for sse in decoder.aiter_bytes(body))
            )
            if self._seconds_left() is not None:
                self._body = self._until_deadline(self._body)
        return self.exchange.accepted(send)

    def _seconds_left(self) -> float | None:
        seconds = self.remaining()
        return None if seconds == math.inf else max(seconds, 0.0)

    async def _until_deadline(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass on `body` until the caller's deadline, however lively it is."""
        data: bytes | None = b""
        while data is not None:
            with anyio.move_on_after(self._seconds_left()) as scope:
                data = await anext(body, None)
            if scope.cancelled_caught:
                return
            if data:
                yield data


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


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
