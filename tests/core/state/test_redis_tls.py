"""A Redis server behind TLS: what goes over a connection is encrypted, and the store does not notice."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

from seawall.state import READ, RedisStore, StoreError
from seawall_testkit.stores import COUNT, SET, StoreConformance, new_key, without_lua


class Tunnel:
    """Speaks TLS on a free port, and hands what it hears to a port where nobody does."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._writers: list[asyncio.StreamWriter] = []
        self._server = self._done(
            asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context, ssl_shutdown_timeout=0.1)
        )
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def accepted(self) -> int:
        """How many connections there have been."""
        return len(self._writers) // 2

    def drop_connections(self) -> None:
        """Close all that there are, as a server does that was restarted."""
        self._done(self._drop())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self.drop_connections()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _done(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _drop(self) -> None:
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, inner_writer]
        await asyncio.gather(self._copy(reader, inner_writer), self._copy(inner_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100_000):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tunnel(redis_server, authority) -> Iterator[Tunnel]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    tunnel = Tunnel(redis_server.port, context)
    yield tunnel
    tunnel.close()


@pytest.fixture
def store(tunnel, authority, tmp_path) -> Iterator[RedisStore]:
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    url = f"rediss://127.0.0.1:{tunnel.port}/0?ssl_ca_certs={tmp_path}/authority.pem"
    with RedisStore(url) as store:
        yield store


class TestConformance(StoreConformance):
    """It is a store like any other."""


@pytest.mark.parametrize("step", [SET, without_lua(SET)])
def test_a_document_of_many_records_arrives_whole(store, step):
    key, value = new_key(), {"text": "ä\x00🌊" * 200_000}
    store.step(step, key=key, to=value)
    assert store.step(READ, key=key) == value


def test_steps_of_many_threads_have_their_own_answers(store, tunnel):
    keys = [new_key() for _ in range(8)]

    def count(key: str) -> list[int]:
        return [store.step(COUNT, key=key) for _ in range(50)]

    with ThreadPoolExecutor(len(keys)) as pool:
        assert list(pool.map(count, keys)) == [list(range(1, 51))] * len(keys)
    assert tunnel.accepted <= len(keys)


def test_one_connection_serves_steps_that_follow_each_other(store, tunnel):
    key = new_key()
    assert [store.step(COUNT, key=key) for _ in range(50)] == list(range(1, 51))
    assert tunnel.accepted == 1


def test_a_connection_that_was_closed_is_noticed_before_a_step_is_sent(store, tunnel):
    key = new_key()
    store.step(COUNT, key=key)
    tunnel.drop_connections()
    assert [store.step(COUNT, key=key) for _ in range(3)] == [2, 3, 4]


def test_a_server_that_nobody_vouches_for_gets_no_step(tunnel):
    with (
        RedisStore(f"rediss://:hunter2@127.0.0.1:{tunnel.port}/0") as store,
        pytest.raises(StoreError, match="certificate verify failed") as caught,
    ):
        store.step(COUNT, key=new_key())
    assert "hunter2" not in str(caught.value)
