"""Performs the engine's steps for sync clients."""

import math
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import httpx2
from anthropic import AnthropicError, CallNext

from seawall.collector import outside_collector
from seawall.connections import CONNECTIONS
from seawall.decisions import Offload
from seawall.driver import BODY_ERRORS, PATIENCE, SEND_ERRORS, Driver, outcome_of, running
from seawall.engine import Engine
from seawall.exchange import Exchange
from seawall.reception import Reception
from seawall.steps import Accepted, Close, Send, Sleep, Step

_LONGEST_WAIT: Final = 0.2


class SyncDriver(Driver):
    """Runs one call for a sync client."""

    def __init__(self, engine: Engine, exchange: Exchange, call_next: CallNext) -> None:
        super().__init__(engine, exchange)
        self._call_next = call_next
        self._body: Iterable[bytes] = ()
        self._woken = threading.Event()

    def frames(self) -> Generator[bytes, None, None]:  # noqa: C901 - a chunk has one generator to pass
        """Run the engine to its end."""
        answer: Any = None
        try:
            while True:
                step = self.steps.send(answer)
                answer = None
                if step.__class__ is Reception:
                    try:
                        with self._within(self.remaining()):
                            body = iter(self._body)
                            for data in body:
                                if delivered := step.take(data):
                                    yield delivered
                                if step.is_over:
                                    break
                            if step.is_whole:
                                yield from self._rest(step, body)
                    except BODY_ERRORS as error:
                        answer = self.wire_error(error)
                elif step.__class__ is bytes:
                    yield step
                else:
                    answer = self._perform(step)
        except StopIteration as done:
            self.message = done.value
            running.discard(self)
        except BaseException as error:
            outside_collector(self.abandon, error, self._perform)
            raise

    def _perform(self, step: Step) -> Any:
        match step:
            case Send():
                return self._send(step)
            case Sleep(seconds):
                self._sleep(seconds)
                self.check()
            case Offload(work):
                return outcome_of(work)
            case Close() if self.exchange.response is not None:
                self.exchange.response.close()
                self.exchange.note_elapsed()
        return None

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._woken.is_set():
            # in parts: Windows hears Ctrl-C only between two of them
            self._woken.wait(min(left, _LONGEST_WAIT))

    def interrupt(self) -> None:
        """End a call that another thread runs: wake it, let it do no more."""
        super().interrupt()
        self._woken.set()

    def _rest(self, reception: Reception, body: Iterator[bytes]) -> Iterator[bytes]:
        """Read on to the end of the body of a whole message, so that its connection can be used again."""
        with self._within(PATIENCE):
            for data in body:
                if delivered := reception.take(data):
                    yield delivered

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Break the connection after so many seconds, however lively it is."""
        if seconds == math.inf:
            yield
            return
        # 50 days on Windows, where more would be an error in the thread
        timer = threading.Timer(min(max(seconds, 0.0), threading.TIMEOUT_MAX), self.shut_down)
        timer.daemon = True
        try:
            with suppress(RuntimeError):
                # there are too many threads: the timeout between two pieces has to do
                timer.start()
            yield
        finally:
            timer.cancel()

    def _send(self, send: Send) -> Accepted | Exception:
        self.check()
        try:
            with self._within(self.remaining()):
                response = self.exchange.take(self._call_next(self.exchange.derived(send)))
                CONNECTIONS.note(response)
                if response is not None and self.exchange.must_read(send):
                    try:
                        response.read()
                    except BODY_ERRORS as error:
                        return self.wire_error(error)
        except AnthropicError as error:
            return self.exchange.told(error)
        except SEND_ERRORS as error:
            return self.wire_error(error)
        self.check()
        self._body = self.exchange.body(send)
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
