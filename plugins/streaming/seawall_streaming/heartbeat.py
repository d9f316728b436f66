"""Says in the log, every some seconds, what the connection of each running call is doing."""

import logging
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from seawall import Call
from seawall.state import call_after_fork

_log = logging.getLogger("seawall.streaming")


@dataclass(slots=True)
class _Beat:
    """What was last said of a call."""

    began: float
    due: float
    attempt: int = 0
    events: int = 0


class Heartbeat:
    """Follows calls from a thread of its own, which runs while there are any.

    Args:
        interval: Seconds between two lines about a call.
    """

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self._interval = interval
        self._clock = clock
        self.after_fork()
        call_after_fork(self)

    def after_fork(self) -> None:
        """Leave to the parent its calls, and a lock that its thread may have held."""
        self._calls: weakref.WeakKeyDictionary[Call, _Beat] = weakref.WeakKeyDictionary()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def follow(self, call: Call) -> None:
        """Begin to speak of a call; may be said again."""
        if not _log.isEnabledFor(logging.INFO):
            return
        with self._changed:
            if call in self._calls:
                return
            now = self._clock()
            self._calls[call] = _Beat(now, now + self._interval)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="seawall-heartbeat", daemon=True)
                with suppress(RuntimeError):
                    # the interpreter ends, or there are too many: the call goes on without a word
                    self._thread.start()

    def leave(self, call: Call) -> None:
        """The call has ended."""
        with self._changed:
            if self._calls.pop(call, None) is not None:
                self._changed.notify_all()

    def beat(self) -> float | None:
        """Speak of the calls whose time has come; returns the seconds to the next, `None` without calls."""
        now = self._clock()
        with self._changed:
            due = [(call, beat) for call, beat in self._calls.items() if beat.due <= now]
            for call, beat in due:
                _log.info(
                    "call %s: %.0f s, %s", call.id, now - beat.began, _state(call, beat, self._interval)
                )
                beat.due = now + self._interval
            return min((beat.due - now for beat in self._calls.values()), default=None)

    def _run(self) -> None:
        with self._changed:
            while (seconds := self.beat()) is not None:
                # more would be an error: 50 days on Windows
                self._changed.wait(min(max(seconds, 0.0), threading.TIMEOUT_MAX))
            self._thread = None


def _state(call: Call, beat: _Beat, interval: float) -> str:
    """Return what a call has done since it was last spoken of."""
    if not call.attempts:
        return "waiting to be sent"
    attempt = call.attempts[-1]
    before = beat.events if beat.attempt == attempt.number else 0
    beat.attempt, beat.events = attempt.number, attempt.events
    where = f"attempt {attempt.number} ({attempt.way.replace('_', ' ')})"
    if not attempt.events:
        return f"{where}: no event yet"
    count = attempt.events - before
    return (
        f"{where}: {count} events in {interval:.0f} s" if count else f"{where}: silent for {interval:.0f} s"
    )
