"""One HTTP/1.1 connection: h11 over asyncio streams, with an ear on the client while it is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h11

from seawall_testkit.reset import reset_on_close

if TYPE_CHECKING:
    import asyncio
    import socket

MAX_BODY = 32 * 1024 * 1024
"""Bytes of the largest request body; a longer one is read to its end and dropped."""

_READ_SIZE = 65_536


@dataclass(frozen=True)
class Request:
    """A whole HTTP request."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    """Names in lower case; the values of a repeated header are joined by commas."""
    body: bytes = field(repr=False)
    is_too_large: bool = False
    """Whether the body was longer than `MAX_BODY`; then `body` is empty."""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class Wire:
    """Reads requests from a connection and writes responses to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)
        self.is_idle = True
        """Whether no request has arrived that is not yet answered."""
        self.close_after = False
        """Whether the connection ends with the running response."""
        writer.transport.set_write_buffer_limits(high=0)  # so that drain() waits until the kernel has it all

    async def request(self) -> Request | None:
        """The next request, None when the client has closed or does not speak HTTP."""
        try:
            head = await self._event()
            if not isinstance(head, h11.Request):
                return None
            self.is_idle = False
            body, is_too_large = await self._body()
        except (h11.RemoteProtocolError, OSError):
            return None
        headers: dict[str, str] = {}
        for name, value in (
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers
        ):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return Request(head.method.decode(), head.target.decode("latin-1"), headers, body, is_too_large)

    async def client_gone(self) -> None:
        """Returns when the client closes or resets; bytes of a next request are kept for later."""
        try:
            while data := await self._reader.read(_READ_SIZE):
                self._http.receive_data(data)
        except OSError:
            return

    async def head(self, status: int, headers: dict[str, str]) -> None:
        """Sends status and headers; without a content-length the body is chunked."""
        listed = list(headers.items())
        if "content-length" not in headers:
            listed.append(("transfer-encoding", "chunked"))
        if self.close_after:
            listed.append(("connection", "close"))
        await self._send(h11.Response(status_code=status, headers=listed))

    async def body(self, data: bytes) -> None:
        """Sends a piece of the body, as one chunk."""
        if data:
            await self._send(h11.Data(data=data))

    async def end(self) -> None:
        """Ends the body properly."""
        await self._send(h11.EndOfMessage())

    async def reset(self) -> None:
        """Ends the connection with a TCP reset."""
        sock: socket.socket | None = self._writer.get_extra_info("socket")
        if sock is not None:
            await reset_on_close(sock)
        self._writer.transport.abort()

    def close(self) -> None:
        """Closes the connection after what was written; an unfinished body stays unfinished."""
        self._writer.close()

    def abort(self) -> None:
        """Closes the connection at once."""
        self._writer.transport.abort()

    async def closed(self) -> None:
        """Returns when the connection is closed."""
        try:
            await self._writer.wait_closed()
        except OSError:
            return

    def start_next(self) -> bool:
        """Makes ready for the connection's next request; False when there can be none."""
        if self.close_after or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        self.is_idle = True
        return True

    async def _body(self) -> tuple[bytes, bool]:
        parts: list[bytes] = []
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            size += len(event.data)
            if size <= MAX_BODY:
                parts.append(bytes(event.data))
        return (b"", True) if size > MAX_BODY else (b"".join(parts), False)

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(_READ_SIZE))
        return event

    async def _send(self, event: h11.Event) -> None:
        if self._writer.transport.is_closing():
            raise ConnectionResetError
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()
