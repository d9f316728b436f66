"""Events of calls for the application: by a callback, or to be iterated over, without holding a call up."""

import inspect
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Final, Self, TypeAlias

from seawall.scopes import scoped
from seawall.state import call_after_fork
from seawall_progress.events import Dropped, Event
from seawall_progress.loops import Wake, is_looping, waker
from seawall_progress.running import RUNNING, Running

_log = logging.getLogger("seawall.progress")

Told: TypeAlias = Event | Dropped
"""What a subscription gives, and a callback takes."""
_PATIENCE: Final = 2.0
"""Seconds that leaving a `with` waits for a callback to take what is there, outside of event loops."""
_LONGEST_WAIT: Final = 0.2 if os.name == "nt" else None
"""Seconds that a taker waits at a time: Windows hears Ctrl-C only between two waits."""


class Subscription:
    """Events of calls, in a queue that does not grow: of one that is full the oldest event is dropped.

    Iterate over it, by `for` or `async for`, in one place at a time; it ends when the subscription is closed
    and nothing is left. Any thread may close it. As a context manager it is closed at the end.

    Args:
        every: Seconds between two `Advanced` of a call.
        size: Events that wait to be taken.
        on_close: Called when it is closed.
    """

    def __init__(self, *, every: float, size: int, on_close: Callable[[], None] = lambda: None) -> None:
        if not every > 0 or size < 1 or not isinstance(size, int):
            raise ValueError(
                f"every={every!r}, size={size!r}: seconds above 0 and a whole number from 1 on are expected"
            )
        self.period = every
        self.is_open = True
        self.dropped = 0
        """Events that were dropped so far, as they were not taken in time."""
        self._untold = 0
        """Those of them that were not told by a `Dropped` yet."""
        self._is_event_next = False
        """A `Dropped` was taken last: who is always too slow still gets every other time an event."""
        self._size = size
        self._on_close = on_close
        self._callback: Callable[[Told], object] | None = None
        self.after_fork()
        call_after_fork(self)

    def after_fork(self) -> None:
        """Leave to the parent what it was told; a callback is called by a thread of the child."""
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._wake: Wake | None = None
        """Wakes the event loop that waits."""
        self._is_taking = False
        """One is taken that has not been dealt with."""
        self._thread: threading.Thread | None = None
        """Calls the callback, once there is something to tell."""

    def hear(self, event: Event) -> None:
        """Take an event; does not wait."""
        with self._changed:
            if not self.is_open:
                return
            if self._thread is None and self._callback is not None:
                self._start(self._callback)
            if len(self._events) == self._size:
                self._events.popleft()
                self.dropped += 1
                self._untold += 1
            self._events.append(event)
            self._tell()

    def close(self) -> None:
        """Hear of nothing more; what is there can still be taken. May be said again."""
        with self._changed:
            was_open, self.is_open = self.is_open, False
            self._tell()
        if was_open:
            self._on_close()

    def call(self, callback: Callable[[Told], object]) -> None:
        """Have a thread call `callback` with each event; say it once.

        Raises:
            TypeError: It is no function, or async, and a thread has no event loop for it.
        """
        if not callable(callback):
            raise TypeError(f"callback {callback!r} cannot be called: a function of one event is expected")
        if inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(type(callback).__call__):
            told = f"callback {callback!r} is async, and would be called in a thread without an event loop"
            raise TypeError(f"{told}: give none, and use `async for event in subscription`")
        self._callback = callback

    def _start(self, callback: Callable[[Told], object]) -> None:
        thread = threading.Thread(
            target=self._run, args=(callback,), name="seawall-progress-callback", daemon=True
        )
        with suppress(RuntimeError):
            # no thread can be started while the interpreter ends, or when there are too many
            thread.start()
            self._thread = thread

    def settle(self, seconds: float) -> bool:
        """Wait until everything was taken, at most so long; returns whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._events and not self._is_taking, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        thread = self._thread
        # an event loop would stand still; the thread takes what is there all the same
        if thread is not None and thread is not threading.current_thread() and not is_looping():
            thread.join(_PATIENCE)

    def __iter__(self) -> Iterator[Told]:
        while True:
            with self._changed:
                self._is_taking = False
                self._changed.notify_all()
                while not self._changed.wait_for(lambda: self._events or not self.is_open, _LONGEST_WAIT):
                    pass
                event = self._take()
                self._is_taking = event is not None
            if event is None:
                return
            yield event

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Told:
        import anyio  # noqa: PLC0415 - loaded where there is an event loop, and dear where there is none

        while True:
            ready = anyio.Event()
            with self._changed:
                event, self._wake = self._take(), waker(ready.set)
                if event is not None:
                    return event
                if not self.is_open:
                    raise StopAsyncIteration
            await ready.wait()

    def _take(self) -> Told | None:
        """Take the next event, if there is one; called with the lock."""
        if self._untold and not self._is_event_next:
            dropped, self._untold = Dropped(self._untold), 0
            self._is_event_next = True
            return dropped
        self._is_event_next = False
        return self._events.popleft() if self._events else None

    def _tell(self) -> None:
        self._changed.notify_all()
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def _run(self, callback: Callable[[Told], object]) -> None:
        has_failed = False
        for event in self:
            try:
                callback(event)
            except Exception as error:  # noqa: BLE001 - whatever it raises is the application's own failure
                level = logging.DEBUG if has_failed else logging.WARNING
                has_failed = True
                name = getattr(callback, "__qualname__", type(callback).__name__)
                _log.log(
                    level,
                    "the callback %s raised %s; it is called again for the next event",
                    *(name, type(error).__name__),
                    exc_info=_log.isEnabledFor(logging.DEBUG),
                )


def subscribe(
    callback: Callable[[Told], object] | None = None,
    *,
    every: float = 0.5,
    size: int = 1000,
    running: Running = RUNNING,
) -> Subscription:
    """Hear of all calls of this process, those that run included, until the subscription is closed.

    Args:
        callback: Called with each event, one after another, in a thread of its own; what it raises is logged.
            Without one, iterate over the subscription, by `async for` where an event loop runs.
        every: Seconds between two `Advanced` of a call.
        size: Events that wait for a slow taker; of more the oldest are dropped, which the next one it gets
            says: `Dropped`.
        running: Whose calls.

    Raises:
        TypeError: The callback is async, or no function.
    """
    subscription = Subscription(every=every, size=size, on_close=lambda: running.unlisten(subscription))
    if callback is not None:
        subscription.call(callback)
    running.listen(subscription)
    return subscription


_followers: ContextVar[tuple[Subscription, ...]] = ContextVar("seawall_progress_followers", default=())


@contextmanager
def follow(
    callback: Callable[[Told], object] | None = None, *, every: float = 0.5, size: int = 1000
) -> Iterator[Subscription]:
    """Hear of the calls made inside, in this thread or task and in tasks started there.

    With the block the subscription ends; otherwise it is as that of `subscribe`.
    """
    with Subscription(every=every, size=size) as subscription:
        if callback is not None:
            subscription.call(callback)
        with scoped(_followers, (*_followers.get(), subscription)):
            yield subscription


def followers() -> tuple[Subscription, ...]:
    """Return the subscriptions to calls that begin here."""
    return _followers.get()
