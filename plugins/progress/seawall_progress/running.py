"""The running calls of this process, and those who listen to what they do."""

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from seawall import Call
from seawall.state import call_after_fork
from seawall_progress.events import Advanced, Ended, Event, Listener, PhaseChanged, Started
from seawall_progress.track import Track
from seawall_progress.values import CallProgress, Phase

_log = logging.getLogger("seawall.progress")


@dataclass(slots=True)
class _Followed:
    """A running call."""

    track: Track
    listeners: tuple[Listener, ...]
    """Who listens to this call, beside those who listen to all."""
    told: tuple[Phase, str, int] = ("queued", "", 0)
    """What was last told: phase, reason, attempt."""
    last: CallProgress | None = None
    """What it was last seen to do; `None` where nobody was told of it."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Events of one call are told one after another."""


_LEAST: Final = 0.02
"""Seconds from one look at all calls to the next at least."""
_MOST: Final = 60.0
"""Seconds that the thread waits at most: no more than a lock can be waited for."""


def _spawn(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="seawall-progress", daemon=True).start()


class Running:
    """Follows calls. Threads may share it.

    While there are calls and somebody listens, a thread looks at all of them, as often as is listened for.
    Without listeners nothing is worked out, and there is no thread. A call that is gone without its end, as
    the plugin was left out of it, has ended with the status `unknown`.

    Args:
        clock: Seconds that never go back: when who listens is told next.
        spawn: Has another thread do what it is given.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        spawn: Callable[[Callable[[], None]], None] = _spawn,
    ) -> None:
        self._clock = clock
        self._spawn = spawn
        self._listeners: tuple[Listener, ...] = ()
        self.after_fork()
        call_after_fork(self)

    def after_fork(self) -> None:
        """Leave to the parent the calls that run there; who listens hears of those of the child."""
        self._changed = threading.Condition()
        self._calls: dict[weakref.ref[Call], _Followed] = {}
        self._gone: deque[weakref.ref[Call]] = deque()
        """Calls that are gone without their end; the garbage collector appends, and takes no lock."""
        self._due: weakref.WeakKeyDictionary[Listener, float] = weakref.WeakKeyDictionary()
        self._has_thread = False
        self._is_asked = False
        """Somebody is to be told of calls who was not there when the thread looked last."""

    def calls(self) -> tuple[CallProgress, ...]:
        """Return what each running call is doing, the oldest first; may take milliseconds for each."""
        followed = sorted(self._there(), key=lambda item: item[1].track.began)
        return tuple(one.track.look(call) for call, one in followed)

    def listen(self, listener: Listener) -> None:
        """Let `listener` hear of all calls from now on."""
        with self._changed:
            self._listeners = (*self._listeners, listener)
            if self._calls:
                self._look_out((listener,))

    def unlisten(self, listener: Listener) -> None:
        """Let `listener` hear nothing more of all calls; one that does not listen may be named."""
        with self._changed:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

    # -- what the plugin tells

    def follow(self, call: Call, track: Track, listeners: Iterable[Listener] = ()) -> None:
        """A call began."""
        self._bury()
        followed = _Followed(track, tuple(listeners))
        with self._changed:
            self._calls[weakref.ref(call, self._gone.append)] = followed
            self._look_out(self._all(followed))
        self._tell(call, followed, Started)

    def changed(self, call: Call) -> None:
        """The call may do something else than before."""
        followed = self._calls.get(weakref.ref(call))
        if followed is None or not any(listener.is_open for listener in self._all(followed)):
            return
        # the call does not wait for who looks at it: that one is told a little later
        if followed.lock.acquire(blocking=False):
            try:
                self._look(call, followed, (), counts=False)
            finally:
                followed.lock.release()

    def leave(self, call: Call) -> None:
        """The call ended."""
        with self._changed:
            followed = self._calls.pop(weakref.ref(call), None)
        if followed is not None:
            self._tell(call, followed, Ended)

    # -- what is told

    def tick(self) -> float | None:
        """Tell those whose time has come of all calls; returns the seconds to the next, `None` for no one."""
        self._bury()
        now = self._clock()
        calls = self._there()
        everyone = {id(one): one for _, followed in calls for one in self._all(followed) if one.is_open}
        due = {key for key, one in everyone.items() if self._due.setdefault(one, now + one.period) <= now}
        for call, followed in calls if due else ():
            with followed.lock:
                self._look(call, followed, due, counts=True)
        for key in due:
            self._due[everyone[key]] = now + everyone[key].period
        return min((self._due[one] - now for one in everyone.values()), default=None)

    def _look(self, call: Call, followed: _Followed, due: Container[int], *, counts: bool) -> None:
        """Tell of a call: to all if it does something else than before, else to those in `due`."""
        progress = followed.track.look(call, counts=counts)
        before, *_ = followed.told
        now = (progress.phase, progress.reason, progress.attempts)
        if progress.phase == "done":
            return
        followed.last = progress
        if now != followed.told:
            followed.told = now
            self._send(followed, PhaseChanged(progress, before))
            return
        for listener in self._all(followed):
            if id(listener) in due:
                _say(listener, Advanced(progress))

    def _tell(self, call: Call, followed: _Followed, event: type[Started | Ended]) -> None:
        if any(listener.is_open for listener in self._all(followed)):
            with followed.lock:
                progress = followed.track.look(call)
                followed.told = (progress.phase, progress.reason, progress.attempts)
                followed.last = progress
                self._send(followed, event(progress))

    def _bury(self) -> None:
        """Tell of the end of calls that are gone without one."""
        with self._changed:
            gone = [self._calls.pop(self._gone.popleft(), None) for _ in range(len(self._gone))]
        for followed in gone:
            if followed is not None and followed.last is not None:
                with followed.lock:
                    self._send(followed, Ended(_unknown(followed.last)))

    def _there(self) -> list[tuple[Call, _Followed]]:
        with self._changed:
            calls = [(reference(), followed) for reference, followed in self._calls.items()]
        return [(call, followed) for call, followed in calls if call is not None]

    def _send(self, followed: _Followed, event: Event) -> None:
        for listener in self._all(followed):
            if listener.is_open:
                _say(listener, event)

    def _all(self, followed: _Followed) -> tuple[Listener, ...]:
        return (*followed.listeners, *self._listeners)

    def _look_out(self, listeners: Iterable[Listener]) -> None:
        """See to it that somebody looks, if one of them is open; called with the lock."""
        if not any(listener.is_open for listener in listeners):
            return
        self._is_asked = True
        if self._has_thread:
            self._changed.notify_all()
            return
        with suppress(RuntimeError):
            # no thread can be started while the interpreter ends, or when there are too many
            self._spawn(self._run)
            self._has_thread = True

    def _run(self) -> None:
        try:
            while self._is_needed():
                pass
        except BaseException:
            with self._changed:
                self._has_thread = False
            raise

    def _is_needed(self) -> bool:
        """Look at all calls, and wait until the next look; returns whether there is one."""
        with self._changed:
            self._is_asked = False
        seconds = self.tick()
        with self._changed:
            if seconds is None:
                # whoever comes next finds that it is gone
                self._has_thread = self._is_asked
                return self._is_asked
            self._changed.wait_for(lambda: self._is_asked, min(max(seconds, _LEAST), _MOST))
        return True


def _say(listener: Listener, event: Event) -> None:
    try:
        listener.hear(event)
    except Exception as error:  # noqa: BLE001 - a handler of the log may raise anything, and is not the call's
        with suppress(Exception):
            # it may be that very handler
            told = type(listener).__name__, type(error).__name__
            _log.warning("%s was told what a call does, and raised %s", *told)


def _unknown(last: CallProgress) -> CallProgress:
    """Return the end of a call that was last seen to do this."""
    return replace(
        last,
        phase="done",
        status="unknown",
        reason="",
        in_phase=0.0,
        wait_left=None,
        rate=None,
        silent=None,
        eta=None,
    )


RUNNING: Final = Running()
"""Those of this process, of all clients."""
