"""The ledger: what every attempt cost, in an SQLite file of the user's; no prompt, no answer, no key.

A row is written when its attempt fails and when its call ends, each time in a short transaction of the thread
that asks (`Offload`). How far the attempts under way have come one thread writes every few seconds: a kill
loses of them what was streamed since then, and nothing else.

Nothing here fails a call: that the file cannot be written is said once, and calls go on. What could not be
written is kept for a while, and that thread tries again.
"""

import functools
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from seawall import Call, Outcome, state
from seawall_tokens.prices import Prices
from seawall_tokens.rows import FILE, PUT, TABLE, VERSION, Row, Track

_log: Final = logging.getLogger("seawall.tokens.ledger")

_INTERVAL: Final = 2.0
_MOST_WAITING: Final = 10_000
"""Rows that are kept while they cannot be written; they take some 5 MB."""


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

    def __init__(
        self, path: Path, *, interval: float = _INTERVAL, clock: Callable[[], datetime] = _now
    ) -> None:
        self.path = path
        self._file = state.SQLiteFile(path, table=TABLE, version=VERSION)
        self._interval = interval
        self._clock = clock
        self._is_failing = False
        self.after_fork()
        state.call_after_fork(self)

    def begun(
        self, call: Call, caller: str, prices: Prices, estimate: Callable[[Mapping[str, Any]], int]
    ) -> None:
        """The current attempt is about to be sent, or will be when `pre_request` is asked again.

        Args:
            call: Whose attempt.
            caller: Who made it.
            prices: Tell what it costs.
            estimate: The input tokens of a request, for answers that break before they tell.
        """
        now = self._clock()
        with self._lock:
            is_first = not self._open
            track = self._open.setdefault(call, Track(caller, prices, estimate))
            # its row is found again by this time: the thread must not meet the track without
            track.times[call.attempt] = now
        self._pulse.start()
        if is_first:
            self._pulse.wake()

    def failed(self, call: Call) -> None:
        """The current attempt failed."""
        with self._lock:
            track = self._open.get(call)
        if track is not None:
            self._write(track.rows(call, self._clock(), self._owner)[-1:])

    def ended(self, call: Call, outcome: Outcome) -> None:
        """The call ended: of each attempt is known how, and what of it was wasted."""
        with self._lock:
            track = self._open.pop(call, None)
        if track is not None:
            self._write(track.last_rows(call, outcome, self._clock()))

    def flush(self) -> None:
        """Write how far the attempts under way have come, and what could not be written before."""
        # an attempt takes longer than to read the prices, and nobody waits here
        Prices.warm()
        with self._lock:
            under_way = list(self._open.items())
        now = self._clock()
        rows = [row for call, track in under_way for row in track.rows(call, now, self._owner)]
        with self._writing:
            self._put(rows)

    def close(self) -> None:
        """Close the file; nothing is written any more."""
        self._file.close()

    def after_fork(self) -> None:
        """Leave to the parent what is its own."""
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        """Held while rows are written: who comes after it finds them written."""
        self._open: weakref.WeakKeyDictionary[Call, Track] = weakref.WeakKeyDictionary()
        self._waiting: deque[Row] = deque()
        """Rows of attempts that have ended which are not in the file yet."""
        self._lost = 0
        self._pulse = state.Pulse(self.flush, self._is_needed, interval=self._interval, name="seawall-ledger")
        self._owner = state.owners.new_owner()

    def _is_needed(self) -> bool:
        with self._lock:
            return bool(self._open or self._waiting)

    def _write(self, rows: Sequence[Row]) -> None:
        """Write rows of attempts that have ended, and what others have come with meanwhile."""
        with self._lock:
            self._waiting.extend(rows)
        # a call does not wait for what fails, another thread will try again
        if not self._is_failing:
            with self._writing:
                if not self._is_failing:
                    self._put([])

    def _put(self, under_way: Sequence[Row]) -> None:
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
        rows = [*waiting, *under_way]
        if not rows:
            return
        try:
            self._file.run(lambda connection: connection.executemany(PUT, rows))
        except state.StoreError as error:
            self._put_off(waiting, error.reason)
        else:
            self._succeed()

    def _put_off(self, rows: Sequence[Row], why: str) -> None:
        with self._lock:
            self._waiting.extendleft(reversed(rows))
            while len(self._waiting) > _MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1
        # it may have ended while nothing was waiting
        self._pulse.start()
        if not self._is_failing:
            _log.warning("the ledger cannot be written, calls go on: %s: %s", self.path, why)
        self._is_failing = True

    def _succeed(self) -> None:
        if self._is_failing:
            missing = f"; {self._lost:,} attempts of the meantime are missing" if self._lost else ""
            _log.warning("the ledger is written again%s: %s", missing, self.path)
        self._is_failing, self._lost = False, 0


_ledgers: Final[dict[Path, Ledger]] = {}


def ledger_in(folder: Path | None) -> Ledger | None:
    """Return the ledger of a state directory, the same for all in this process; `None` where none can be."""
    if folder is None:
        _say_once("this user has no home directory; set `state_dir` to a folder")
        return None
    if (known := _ledgers.get(folder)) is not None:
        return known
    with suppress(ImportError):
        # of two threads that are the first, both get one
        return _ledgers.setdefault(folder, Ledger(folder / FILE))
    _say_once("this Python was built without sqlite3")
    return None


@functools.cache
def _say_once(why: str) -> None:
    _log.warning("no ledger is kept: %s", why)
