"""The ledger: what every attempt cost, in an SQLite file of the user's; no prompt, no answer, no key.

A row is written when its attempt fails and when its call ends, each time in a short transaction of the thread
that asks (`Offload`). How far the attempts under way have come one thread writes every few seconds: a kill
loses of them what was streamed since then, and nothing else.

Nothing here fails a call: a ledger that cannot be written is said once, and calls go on without it.
"""

import functools
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from seawall import Call, Outcome, state
from seawall_tokens.prices import Prices
from seawall_tokens.rows import FILE, PUT, TABLE, VERSION, Track, was_sent

_log: Final = logging.getLogger("seawall.tokens.ledger")


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """Writes the rows. All methods may be called from any thread, and after a fork.

    `begun` does not block; `failed`, `ended`, `flush` and `close` wait for the disk.

    Args:
        path: The file.
        interval: Seconds between two updates of the rows of attempts under way.
        clock: What time it is, aware of its zone.
    """

    def __init__(self, path: Path, *, interval: float = 2.0, clock: Callable[[], datetime] = _now) -> None:
        self.path = path
        self._file = state.SQLiteFile(path, table=TABLE, version=VERSION)
        self._interval = interval
        self._clock = clock
        self._is_failing = False
        self.after_fork()
        state.forks.call_after_fork(self)

    def begun(self, call: Call, caller: str, prices: Prices) -> None:
        """The current attempt is about to be sent, or will be when `pre_request` is asked again."""
        track: Track | None = call.state.get(self)
        if track is None:
            track = call.state[self] = Track(call, caller, prices)
        track.times[call.attempt] = self._clock()
        with self._lock:
            self._open.add(track)
            follower = None if self._follower else threading.Thread(target=self._follow, daemon=True)
            self._follower = self._follower or follower
        if follower is not None:
            follower.name = "seawall-ledger"
            self._start(follower)

    def failed(self, call: Call) -> None:
        """The current attempt failed."""
        if (track := call.state.get(self)) is not None:
            with self._writing:
                self._write([track.row(call.attempts[-1], self._clock(), owner=self._owner)])

    def ended(self, call: Call, outcome: Outcome) -> None:
        """The call ended: of each attempt is known how, and what of it was wasted."""
        track: Track | None = call.state.pop(self, None)
        if track is None:
            return
        with self._lock:
            self._open.discard(track)
        with self._writing:
            self._write(track.last_rows(outcome, self._clock()))

    def flush(self) -> None:
        """Write how far the attempts under way have come."""
        with self._writing:
            with self._lock:
                under_way = [(track, track.call.attempts[-1]) for track in self._open]
            self._write(
                [
                    track.row(attempt, self._clock(), owner=self._owner)
                    for track, attempt in under_way
                    if was_sent(attempt)
                ]
            )

    def close(self) -> None:
        """Close the file; nothing is written any more."""
        self._is_closed.set()
        self._file.close()

    def after_fork(self) -> None:
        """Leave to the parent what is its own."""
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        """Held while rows are made and written, so that none is replaced by an older one."""
        self._open: set[Track] = set()
        self._follower: threading.Thread | None = None
        self._is_closed = threading.Event()
        self._owner = state.owners.new_owner()

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        try:
            self._file.run(lambda connection: connection.executemany(PUT, rows))
        except state.StoreError as error:
            if not self._is_failing:
                _log.warning("the ledger cannot be written, calls go on: %s: %s", self.path, error.reason)
            self._is_failing = True
        else:
            if self._is_failing:
                _log.warning(
                    "the ledger is written again, what was spent meanwhile is missing: %s", self.path
                )
            self._is_failing = False

    # -- the thread that follows attempts under way

    def _start(self, follower: threading.Thread) -> None:
        try:
            follower.start()
        except RuntimeError:
            # none can be started while the interpreter ends, or when there are too many
            self._follower = None

    def _follow(self) -> None:
        # an attempt takes longer than to read the prices, and nobody waits here
        Prices.warm()
        while not self._is_closed.wait(self._interval):
            with self._lock:
                if not self._open:
                    self._follower = None
                    return
            self.flush()


@functools.cache
def ledger_in(folder: Path) -> Ledger | None:
    """Return the ledger of a state directory, the same for all in this process; `None` where none can be."""
    with suppress(ImportError):
        return Ledger(folder / FILE)
    _log.warning("no ledger is kept: this Python was built without sqlite3")
    return None
