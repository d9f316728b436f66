"""What a simulator saw and did, for tests to look at from another thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seawall_testkit.conversation import Way

_SECRETS = frozenset({"x-api-key", "authorization", "proxy-authorization", "cookie"})


@dataclass(frozen=True)
class Received:
    """One request and how it was answered, as of the moment `Simulator.requests` was read."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    """Names in lower case; credentials are replaced by `redacted`."""
    body: dict[str, Any]
    """Empty when the request had no JSON object."""
    conversation: str = ""
    """The conversation's key; empty for anything but a well-formed `POST /v1/messages`."""
    attempt: int = 0
    """Counts the conversation's requests from 1."""
    stream: bool = False
    way: Way = "plain"
    continuation: int = 0
    """Counts the conversation's continuations from 1; 0 for a request that is none."""
    misbehaviour: str = ""
    """How the continued answer began; empty for a request that is no continuation."""
    blocks: tuple[str, ...] = ()
    """The types of the answer's content blocks, sent or not."""
    stop_reason: str = ""
    """Of the answer, sent or not."""
    input_tokens: int = 0
    """Input tokens that were neither read from the prompt cache nor written to it."""
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    error: str = ""
    """The message of the HTTP error it was answered with."""
    status: int | None = None
    """HTTP status, None while no headers were sent."""
    events_sent: int = 0
    """SSE events of the body that were sent whole, pings included."""
    tokens_sent: int = 0
    """Those of `output_tokens` that were sent in whole events: what a client that reads all can know of."""
    bytes_sent: int = 0
    """Bytes of the body that were sent."""
    output_tokens: int = 0
    """Output tokens that were generated, which is what is billed."""
    ended: str = ""
    """`complete`, `fault:<kind>` or `client_closed`; empty while the request is being answered."""


@dataclass(frozen=True)
class Billed:
    """Tokens billed in all."""

    input_tokens: int = 0
    """Neither read from the prompt cache nor written to it."""
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


class Journal:
    """Requests, connections and bills of a simulator; every method may be called from any thread."""

    def __init__(self, observer: Callable[[Received], None] | None = None) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._observer = observer
        self._requests: list[Received] = []
        self._attempts: dict[str, int] = {}
        self._continuations: dict[str, int] = {}
        self._billed = Billed()
        self._connections = 0
        self._responses = 0

    @property
    def requests(self) -> list[Received]:
        """The requests in the order in which they came, as of now."""
        with self._changed:
            return list(self._requests)

    @property
    def billed(self) -> Billed:
        """What was billed so far."""
        with self._changed:
            return self._billed

    @property
    def connections(self) -> int:
        """Open TCP connections."""
        with self._changed:
            return self._connections

    @property
    def responses(self) -> int:
        """Requests that are being answered."""
        with self._changed:
            return self._responses

    def begin(self, received: Received) -> Entry:
        """Enters a request that is going to be answered."""
        with self._changed:
            self._requests.append(replace(received, headers=redacted(received.headers)))
            self._responses += 1
            self._changed.notify_all()
            return Entry(self, len(self._requests) - 1)

    def next_attempt(self, conversation: str) -> int:
        """Counts one more request of the conversation."""
        with self._changed:
            self._attempts[conversation] = self._attempts.get(conversation, 0) + 1
            return self._attempts[conversation]

    def next_continuation(self, conversation: str) -> int:
        """Counts one more continuation of the conversation."""
        with self._changed:
            self._continuations[conversation] = self._continuations.get(conversation, 0) + 1
            return self._continuations[conversation]

    def count_connection(self, change: int) -> None:
        """Adds 1 for an opened connection or -1 for a closed one."""
        with self._changed:
            self._connections += change
            self._changed.notify_all()

    def bill(self, **tokens: int) -> None:
        """Adds to the fields of the bill."""
        with self._changed:
            sums = {name: getattr(self._billed, name) + count for name, count in tokens.items()}
            self._billed = replace(self._billed, **sums)

    def wait_until(self, predicate: Callable[[], object], timeout: float) -> bool:
        """Waits until `predicate()` holds; it is asked again after every change.

        Raises:
            TimeoutError: it did not hold within `timeout` seconds.
        """
        with self._changed:
            if self._changed.wait_for(predicate, timeout):
                return True
            state = [
                f"{seen.method} {seen.path} {seen.status} {seen.ended or 'active'}" for seen in self._requests
            ]
            raise TimeoutError(
                f"condition not met within {timeout} s: {self._connections} connections, "
                f"{self._responses} responses, requests {state}"
            )

    def update(self, index: int, changes: Mapping[str, Any]) -> None:
        """Changes fields of a request's entry."""
        with self._changed:
            self._requests[index] = replace(self._requests[index], **changes)
            self._changed.notify_all()

    def at(self, index: int) -> Received:
        """The entry of a request, as of now."""
        with self._changed:
            return self._requests[index]

    def end(self, index: int, ended: str) -> None:
        """The request is answered; only the first call for it counts."""
        with self._changed:
            if self._requests[index].ended:
                return
            self._responses -= 1
            self.update(index, {"ended": ended})
        if self._observer is not None:
            self._observer(self.at(index))


class Entry:
    """The journal's entry of one request, while it is being answered."""

    def __init__(self, journal: Journal, index: int) -> None:
        self._journal = journal
        self._index = index

    @property
    def now(self) -> Received:
        """The entry as it stands."""
        return self._journal.at(self._index)

    def update(self, **changes: Any) -> None:
        """Changes fields."""
        self._journal.update(self._index, changes)

    def generated(self, tokens: int) -> None:
        """Bills output tokens to this request."""
        if tokens:
            self._journal.bill(output_tokens=tokens)
            self.update(output_tokens=self.now.output_tokens + tokens)

    def end(self, ended: str) -> None:
        """The request is answered."""
        self._journal.end(self._index, ended)


def redacted(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with credentials replaced."""
    return {name: "redacted" if name in _SECRETS else value for name, value in headers.items()}
