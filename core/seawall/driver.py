"""What performs the engine's steps: what is the same for sync and async clients.

`frames` of a driver yields once without bytes when the caller may have its response, then what is delivered
to a caller that streams. So it has always begun, and a stream that is closed, dropped or cancelled ends its
call (P3). The body of the caller's response holds the driver, never the other way round: a cycle would leave
a dropped stream to the garbage collector. Drivers know no rule.
"""

import errno
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import httpx2
from anthropic import AnthropicError

from seawall import wire_errors
from seawall.connections import break_connection
from seawall.ending import INTERRUPTS
from seawall.engine import Engine
from seawall.errors import SeawallError
from seawall.exchange import Exchange
from seawall.steps import Abandoned, Step

SEND_ERRORS: Final = (httpx2.RequestError, httpx2.StreamError)
"""What sending raises, and reading a body; `StreamError` when it was closed meanwhile."""
BODY_ERRORS: Final = (*SEND_ERRORS, OSError)
"""What reading a body raises; transports made of curl or requests raise `OSError`. Not each of these is of
the wire: a program's middleware may write what it reads to a disk that is full."""
_NETWORK: Final = (None, errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTUNREACH)
"""Numbers of an `OSError` of the wire that has no class; those libraries make of a text have none."""

PATIENCE: Final = 2.0
"""Seconds in which the body of a message that is whole must end for its connection to be used again."""

running: Final[set["Driver"]] = set()
"""Those whose call has not ended. What the garbage collector finds with a stream that nobody has any more it
takes apart in any order: a call must not be among it, or its end would meet the half of it."""


class Driver:
    """Runs one call; `frames` of the sync or the async driver does it."""

    def __init__(self, engine: Engine, exchange: Exchange) -> None:
        self.steps = engine.run()
        running.add(self)
        self.remaining = engine.call.remaining
        self.exchange = exchange
        self.message: dict[str, Any] | None = None
        """The message for a caller that waits, once `frames` is exhausted."""
        self._is_interrupted = False

    def abandon(self, cause: BaseException, perform: Callable[[Step], Any]) -> None:
        """End the call in this thread, if it has not ended."""
        try:
            with suppress(StopIteration, Abandoned, AnthropicError, SeawallError):
                while not sys.is_finalizing():
                    try:
                        step = self.steps.throw(Abandoned(cause))
                        while not sys.is_finalizing():
                            step = self.steps.send(perform(step))
                    except INTERRUPTS as again:
                        # Ctrl-C is pressed twice: go on with what is left of the end
                        cause = again
        finally:
            running.discard(self)

    def wire_error(self, error: Exception) -> Exception:
        """The SDK's error for what reading the current response raised; what is not of the wire is raised."""
        if isinstance(error, OSError) and not _is_of_wire(error):
            raise error
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
        response = self.exchange.response
        if response is not None and not response.is_closed:
            # else its connection may serve another call by now
            break_connection(response.extensions.get("network_stream"))


def outcome_of(work: Callable[[], Any]) -> Any:
    """Do the work of an `Offload` in this thread; return what it returns, or its error."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - the engine isolates the plugin it came from
        return error


def _is_of_wire(error: OSError) -> bool:
    if isinstance(error, SeawallError):
        return False
    return isinstance(error, (ConnectionError, TimeoutError, ssl.SSLError)) or error.errno in _NETWORK
