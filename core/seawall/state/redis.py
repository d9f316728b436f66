"""State of all hosts that use one Redis server, from version 6.2 on."""

import functools
import hashlib
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from pydantic_core import from_json
from redis.exceptions import RedisError, ResponseError, TimeoutError as RedisTimeoutError

from seawall.state.documents import Document, R, Step, decoded, encoded, to_text
from seawall.state.errors import StepError, StoreError
from seawall.state.jitter import waits
from seawall.state.lua_script import OPEN, SWAP, framed
from seawall.state.patience import Patience
from seawall.state.redis_connections import RedisConnections

_ATTEMPTS: Final = 64
"""Of a step without Lua, while others change the document."""
_BASE: Final = 0.001
_CAP: Final = 0.05
_STEP_FAILED: Final = "STEP "
"""What an error begins with that a step made, not the server."""


class RedisStore:
    """Keeps documents on a Redis server; each under one key, so that a cluster's node has all a step needs.

    Usable from all threads, and after a fork. A step written in Lua takes one round trip, another one two,
    and more when others change the document meanwhile. A step is never sent twice: after an error nothing is
    known that a second attempt could rely on. The next step connects again.

    Args:
        url: As in `redis.Redis.from_url`.
        prefix: What the names of all keys begin with.
        timeout: Seconds to wait for a connection, and for an answer; a tenth of it for ten seconds after none
            came, unless one comes meanwhile.
        clock: In seconds.

    Raises:
        ValueError: `url` is none.
    """

    blocks = True
    """Steps wait for the network."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "seawall:",
        timeout: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience = Patience(timeout, clock)
        self._connections = RedisConnections(url, timeout=self._patience.whole)
        self._hurried = RedisConnections(url, timeout=self._patience.short)
        self._prefix = prefix
        self._rng = random.SystemRandom()
        self._is_closed = False
        self.place: str = self._connections.place
        """Path, or host and port, for errors."""

    def step(self, step: Step[R], /, *, key: str, **arguments: Any) -> R:
        """Change the document of `key`; return the step's result.

        Raises:
            StoreError: The server cannot be reached, refused, or did not answer in time.
            StepError: The new document or the arguments are not JSON, or the step's Lua failed.
        """
        if self._is_closed:
            raise StoreError(self.place, "it was closed")
        try:
            if step.lua is None:
                return self._compare_and_set(step, key, arguments)
            return self._run(step, step.lua, key, arguments)
        except RedisError as error:
            if isinstance(error, ResponseError) and str(error).startswith(_STEP_FAILED):
                raise StepError(step.name, key, str(error).removeprefix(_STEP_FAILED)) from error
            raise StoreError(self.place, f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close all connections; a step after that raises `StoreError`."""
        self._is_closed = True
        self._connections.close()
        self._hurried.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, step: Step[R], lua: str, key: str, arguments: Mapping[str, Any]) -> R:
        try:
            sent = to_text(arguments)
        except (TypeError, ValueError, RecursionError) as error:
            raise StepError(step.name, key, f"the arguments are not JSON: {error}") from error
        answer: bytes = self._evaluated(framed(lua), key, sent)
        result: R = from_json(answer)
        return result

    def _compare_and_set(self, step: Step[R], key: str, arguments: Mapping[str, Any]) -> R:
        pauses = waits(_BASE, _CAP, self._rng)
        for _ in range(_ATTEMPTS):
            before: bytes = self._ask("GET", self._name(key)) or b""
            document, result = step.function(self._document(before, key), arguments)
            after = encoded(document, step.name, key).encode()
            if after == before or self._evaluated(SWAP, key, before, after):
                return result
            time.sleep(next(pauses))  # noqa: TID251 - who waits here was sent to a thread by `Offload`
        raise StoreError(
            self.place,
            f"others changed the document of {key!r} in all of {_ATTEMPTS} attempts of {step.name!r}",
        )

    def _name(self, key: str) -> str:
        # the part in braces decides which node of a cluster has it
        return f"{self._prefix}{{{key}}}"

    def _document(self, value: bytes, key: str) -> Document:
        if value and not value.startswith(b"{"):
            value = self._evaluated(OPEN, key, value)
        try:
            return decoded(value.decode())
        except (ValueError, RecursionError) as error:
            raise StoreError(self.place, f"the value of {self._name(key)} is no document") from error

    def _evaluated(self, script: str, key: str, *arguments: str | bytes) -> Any:
        # "1" and not 1: Ctrl-C while hiredis packs a number ends the process (hiredis 3.5)
        try:
            return self._ask("EVALSHA", _digest(script), "1", self._name(key), *arguments)
        except ResponseError as error:
            if not str(error).startswith("NOSCRIPT "):
                raise
            return self._ask("EVAL", script, "1", self._name(key), *arguments)

    def _ask(self, *command: str | bytes) -> Any:
        is_short = self._patience.is_short()
        try:
            answer = (self._hurried if is_short else self._connections).ask(*command)
        except RedisTimeoutError:
            self._patience.note_in_vain(was_short=is_short)
            raise
        self._patience.note_came()
        return answer


@functools.cache
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
