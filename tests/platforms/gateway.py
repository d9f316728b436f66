"""A platform in front of a simulator: takes the platform's requests, passes answers and faults through.

It is a server of its own with real sockets. What befalls the connection to the simulator befalls the
client's: a reset is a reset, an end without the last chunk an end without the last chunk, silence silence.
"""

import asyncio
import json
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import h11

from platforms.dialects import Dialect, Plain, Seen
from seawall_testkit import Simulator
from seawall_testkit.reset import reset_on_close

_HOST = "127.0.0.1"
_PATIENCE = 10.0
_ABOUT_THE_BODY = {b"content-length", b"transfer-encoding", b"content-type", b"connection"}


class _Peer:
    """One side of an exchange: h11 on an asyncio stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, role: Any) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(role)

    async def event(self) -> Any:
        """The next event; `h11.RemoteProtocolError` for an end that came too early."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(65_536))
        return event

    async def send(self, *events: Any) -> None:
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        await self._writer.drain()

    async def gone(self) -> None:
        """Wait until the other side closes."""
        with suppress(ConnectionError):
            await self._reader.read()

    async def reset(self) -> None:
        await reset_on_close(self._writer.get_extra_info("socket"))
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


class Gateway:
    """A platform at `base_url` for the simulator behind it; a context manager."""

    def __init__(self, dialect: Dialect, simulator: Simulator) -> None:
        self._dialect = dialect
        self._simulator = simulator
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        self._server: asyncio.Server | None = None
        self._failure: Exception | None = None
        self.seen: list[Seen] = []
        """Every request as it came."""
        self.answers: list[bytes] = []
        """Bodies to answer streams with, one each, before the simulator is asked."""

    @property
    def base_url(self) -> str:
        assert self._server is not None
        return f"http://{_HOST}:{self._server.sockets[0].getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, _HOST, 0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()
        if self._failure is not None:
            raise self._failure from error

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Peer(reader, writer, h11.SERVER)
        try:
            seen = await self._request(client)
            exchange = asyncio.ensure_future(self._exchange(client, seen))
            gone = asyncio.ensure_future(client.gone())
            gone.add_done_callback(lambda _: exchange.cancel())
            try:
                await exchange
            finally:
                gone.cancel()
        except ConnectionError:
            await client.reset()
        except (h11.RemoteProtocolError, asyncio.CancelledError):
            pass  # the simulator ended too early, or the client went away
        except Exception as error:  # noqa: BLE001 - told to the test when it ends
            self._failure = error
        finally:
            client.close()

    async def _request(self, client: _Peer) -> Seen:
        head = await client.event()
        content = b""
        while isinstance(event := await client.event(), h11.Data):
            content += event.data
        headers = {name.decode(): value.decode() for name, value in head.headers}
        seen = Seen(head.method.decode(), head.target.decode(), headers, content)
        self.seen.append(seen)
        return seen

    async def _exchange(self, client: _Peer, seen: Seen) -> None:
        if self.answers:
            stream = self._dialect.stream()
            head = self._head(200, stream.content_type)
            await client.send(head, h11.Data(self.answers.pop(0)), h11.EndOfMessage())
            return
        plain = self._dialect.plain(seen)
        upstream = _Peer(*await asyncio.open_connection(_HOST, self._simulator.port), h11.CLIENT)
        try:
            await upstream.send(*_request_of(plain, self._simulator))
            await self._answer(client, upstream)
        finally:
            upstream.close()

    async def _answer(self, client: _Peer, upstream: _Peer) -> None:
        head = await upstream.event()
        kind = dict(head.headers).get(b"content-type", b"").decode()
        kept = [(name, value) for name, value in head.headers if name not in _ABOUT_THE_BODY]
        if head.status_code != 200 and kind.startswith("application/json"):
            await self._error(client, upstream, head.status_code, kept)
            return
        stream = self._dialect.stream() if kind.startswith("text/event-stream") else Dialect().stream()
        content_type = stream.content_type if kind.startswith("text/event-stream") else kind
        await client.send(self._head(head.status_code, content_type, kept))
        try:
            while isinstance(event := await upstream.event(), h11.Data):
                await client.send(*(h11.Data(piece) for piece in stream.feed(bytes(event.data))))
        finally:
            if rest := stream.rest():
                await client.send(h11.Data(rest))
        await client.send(h11.EndOfMessage())

    async def _error(self, client: _Peer, upstream: _Peer, status: int, kept: list[Any]) -> None:
        content = b""
        while isinstance(event := await upstream.event(), h11.Data):
            content += event.data
        headers, body = self._dialect.error(status, json.loads(content))
        head = self._head(status, "application/json", [*kept, *headers.items()])
        await client.send(head, h11.Data(json.dumps(body).encode()), h11.EndOfMessage())

    @staticmethod
    def _head(status: int, content_type: str, others: Any = ()) -> h11.Response:
        about = [("content-type", content_type), ("connection", "close"), ("transfer-encoding", "chunked")]
        return h11.Response(status_code=status, headers=[*others, *about])


def _request_of(plain: Plain, simulator: Simulator) -> list[Any]:
    content = json.dumps(plain.body).encode()
    headers = {
        "host": simulator.base_url.removeprefix("http://"),
        "x-api-key": "test",
        "content-type": "application/json",
        "content-length": str(len(content)),
        **plain.headers,
    }
    request = h11.Request(method="POST", target=plain.path, headers=list(headers.items()))
    return [request, h11.Data(content), h11.EndOfMessage()]
