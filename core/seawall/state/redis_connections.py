"""Connections to a Redis server that are at hand: whoever asks takes one, and puts it back.

`redis` makes them: addresses, TLS, passwords, options. A command goes past it, packed and read by `hiredis`,
as `redis` does it: what `redis` does around each one is a quarter of the time of a step where eight processes
push each other out of the caches of one core, and next to nothing where there is room (measured; redis 8.1).
"""

import os
import select
import socket
import struct
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.exceptions import InvalidResponse, RedisError, ResponseError
from redis.retry import Retry

from seawall.state.forks import call_after_fork

_Poll = Callable[[int], Any]
"""Asks for so many milliseconds whether anything came."""

_CHUNK: Final = 16_384
"""Bytes read at once."""
_MORE: Final = object()
"""What the reader returns while an answer is not complete."""


class RedisConnections:
    """As many connections as threads ever asked at once; usable from all of them, and after a fork.

    Nothing is ever sent twice. After an error the next command connects again.

    Args:
        url: As in `redis.Redis.from_url`.
        timeout: Seconds to wait for a connection, and for an answer.

    Raises:
        ValueError: `url` is none.
    """

    def __init__(self, url: str, *, timeout: float) -> None:
        self._url, self._timeout = url, timeout
        self._pool = self._new_pool()
        parts = urlsplit(url)
        if parts.scheme != "unix" and parts.path.strip("/") and "db" not in self._pool.connection_kwargs:
            # `redis` takes number 0, whose books are those of others
            raise ValueError("the database of the address is no number")
        try:
            # an option that there is not is an error of each connection, and not of the pool
            self._pool.connection_class(**self._pool.connection_kwargs)
        except (TypeError, RedisError) as error:
            raise ValueError(f"the options of the address cannot be used: {error}") from error
        self._idle: list[_Connection] = []
        place = self._pool.connection_kwargs
        self.place: Final[str] = (
            place.get("path") or f"{place.get('host', 'localhost')}:{place.get('port', 6379)}"
        )
        """Path, or host and port; never a password."""
        call_after_fork(self)

    def ask(self, *command: str | bytes) -> Any:
        """Send a command that is not answered by a list; return what the server answers, text as bytes.

        Raises:
            RedisError: The server cannot be reached, refused, or did not answer in time.
        """
        connection = self._taken()
        try:
            answer = connection.answer(command)
        except BaseException:
            # an answer that comes late must not be taken for that of another command
            self._drop(connection.made)
            raise
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close all connections."""
        self._idle.clear()
        self._pool.disconnect()

    def after_fork(self) -> None:
        """Leave to the parent what is its own: a pool, too, whose lock a thread may have held for ever."""
        self._idle = []
        self._pool = self._new_pool()

    def _new_pool(self) -> Any:
        # its own retries would apply a step twice whose answer was lost
        retry = Retry(NoBackoff(), 0)
        return redis.ConnectionPool.from_url(
            self._url, socket_timeout=self._timeout, socket_connect_timeout=self._timeout, retry=retry
        )

    def _taken(self) -> "_Connection":
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                # other threads take from it as well
                return self._connected()
            if connection.is_quiet():
                return connection
            self._drop(connection.made)

    def _connected(self) -> "_Connection":
        made = self._pool.get_connection()
        try:
            return _Connection(made)
        except ValueError as error:
            self._drop(made)
            raise redis.ConnectionError("it was closed meanwhile") from error

    def _drop(self, made: Any) -> None:
        made.disconnect()
        self._pool.release(made)


class _Connection:
    """What `redis` connected, asked without it.

    Raises:
        ValueError: Another thread closed it.
    """

    __slots__ = ("_poll", "_reader", "_socket", "_timeout", "made")

    def __init__(self, made: Any) -> None:
        self.made: Final = made
        self._socket = made._sock  # noqa: SLF001 - it has no other name
        if self._socket is None:
            raise ValueError("no socket")
        self._timeout = self._socket.gettimeout()
        _leave_timeout_to_kernel(self._socket)
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse, replyError=ResponseError, notEnoughData=_MORE
        )
        self._poll: _Poll = made.can_read
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            self._poll = poll.poll

    def is_quiet(self) -> bool:
        """Return whether the server has neither closed the connection nor sent what nobody asked for."""
        try:
            return not self._poll(0)
        except (RedisError, OSError):
            return False

    def answer(self, command: tuple[str | bytes, ...]) -> Any:
        """Send a command; return what comes back.

        Raises:
            RedisError: The server refused, closed the connection, or did not answer in time.
        """
        if self.made.health_check_interval:
            self.made.check_health()
        reader = self._reader
        try:
            self._socket.sendall(hiredis.pack_command(command))  # type: ignore[arg-type] # a stub of one item
            while (answer := reader.gets()) is _MORE or isinstance(answer, list):
                if answer is not _MORE:
                    # what the server tells unasked, such as that it moves
                    continue
                received = self._socket.recv(_CHUNK)
                if not received:
                    raise redis.ConnectionError("the server closed the connection")
                reader.feed(received)
        except (TimeoutError, BlockingIOError) as error:
            raise redis.TimeoutError(f"no answer within {self._timeout} s") from error
        except OSError as error:
            raise redis.ConnectionError(str(error)) from error
        if isinstance(answer, ResponseError):
            raise answer
        return answer


def _leave_timeout_to_kernel(connected: Any) -> None:
    # with a timeout of its own, Python polls before each call, and does not send or wait in the call itself
    seconds = connected.gettimeout()
    if os.name != "posix" or not seconds or type(connected) is not socket.socket:
        return
    whole, rest = divmod(seconds, 1)
    timeval = struct.pack("@ll", int(whole), max(1, int(rest * 1e6)))
    try:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    except OSError:
        return
    connected.settimeout(None)
    if not os.get_blocking(connected.fileno()):
        # a socket of gevent, which waits in a loop
        connected.settimeout(seconds)
