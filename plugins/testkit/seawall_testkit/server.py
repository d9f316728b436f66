"""The listener and its connections, inside one event loop."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from seawall_testkit.faults import refusal_before
from seawall_testkit.journal import Entry, Journal, Received
from seawall_testkit.messages import REFUSED_FOR
from seawall_testkit.responder import Outage, Responder
from seawall_testkit.wire import Request, Wire

if TYPE_CHECKING:
    from seawall_testkit.options import Options

HOST = "127.0.0.1"

_BACKLOG = 1024


class Server:
    """Listens on `HOST`, closes and opens its listener, answers connections."""

    def __init__(self, options: Options, journal: Journal) -> None:
        self._options = options
        self._journal = journal
        self._responder = Responder(options, journal, self.refuse_connections)
        self._socket: socket.socket | None = None
        self._listener: asyncio.Server | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._wires: set[Wire] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self.port = 0
        self.failures: list[BaseException] = []
        """Exceptions of the simulator itself, or of a test's `answer` function."""

    async def start(self, port: int) -> None:
        """Binds to `port` (0: any free one) and listens, unless a `refuse` is meant for the first attempt.

        Raises:
            OSError: the port is in use.
        """
        self._socket = _bound(port)
        self.port = self._socket.getsockname()[1]
        refusal = refusal_before(self._options.faults, 1)
        if refusal is None:
            await self.listen()
        else:
            self._reopen_after(REFUSED_FOR if refusal.seconds is None else refusal.seconds)

    async def listen(self) -> None:
        """Accepts connections."""
        sock, self._socket = self._socket, None
        if sock is not None:
            self._listener = await asyncio.start_server(self._connected, sock=sock, backlog=_BACKLOG)

    def stop_listening(self) -> None:
        """Refuses connections, and closes those there are: idle ones at once, others after their response.

        The port stays bound by a socket that does not listen, so that nobody else gets it.
        """
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            self._socket = _bound(self.port)
        for wire in self._wires:
            wire.close_after = True
            if wire.is_idle:
                wire.close()

    def set_outage(self, outage: Outage | None) -> None:
        """Answers message requests with an error, or as usual."""
        self._responder.outage = outage

    def refuse_connections(self, seconds: float) -> None:
        """Refuses connections for so long."""
        if self._is_closing:
            return
        self.stop_listening()
        self._reopen_after(seconds)

    async def close(self) -> None:
        """Ends listener and connections; when it returns nothing is left open."""
        self._is_closing = True
        self.stop_listening()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _reopen_after(self, seconds: float) -> None:
        async def reopen() -> None:
            await asyncio.sleep(seconds)
            await self.listen()

        self._reopening = asyncio.create_task(reopen())

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        wire = Wire(reader, writer)
        if task is not None:
            self._tasks.add(task)
        self._wires.add(wire)
        self._journal.count_connection(1)
        try:
            await self._converse(wire)
            wire.close()
            await wire.closed()
        except asyncio.CancelledError:
            wire.abort()  # the server closes; asyncio would report a task that ends cancelled
        finally:
            self._wires.discard(wire)
            if task is not None:
                self._tasks.discard(task)
            self._journal.count_connection(-1)

    async def _converse(self, wire: Wire) -> None:
        while request := await wire.request():
            received = Received(request.method, request.target, request.headers, {})
            entry = self._journal.begin(received)
            try:
                await self._answer(wire, request, entry)
            finally:
                entry.end("client_closed")
            if not wire.start_next():
                return

    async def _answer(self, wire: Wire, request: Request, entry: Entry) -> None:
        """Answers a request until it is answered or the client has gone."""
        response = asyncio.create_task(self._responder.respond(wire, request, entry))
        absence = asyncio.create_task(wire.client_gone())
        try:
            await asyncio.wait({response, absence}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            response.cancel()
            absence.cancel()
            await asyncio.gather(response, absence, return_exceptions=True)
        error = None if response.cancelled() else response.exception()
        if error is not None and not isinstance(error, OSError):
            self.failures.append(error)
            entry.end("simulator_failed")
            wire.close_after = True


def _bound(port: int) -> socket.socket:
    """A socket bound to the port that does not listen: connections to it are refused."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option would let two programs share the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        raise
    return sock
