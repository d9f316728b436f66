"""The live display of all calls of this process on one terminal, drawn by a thread of its own."""

import atexit
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from seawall.state import call_after_fork
from seawall_progress.events import Ended, Event
from seawall_progress.values import CallProgress

if TYPE_CHECKING:
    from rich.live import Live

_log = logging.getLogger("seawall.progress")

_PERIOD: Final = 0.2
"""Seconds between two drawings at least."""
_MOST_ENDED: Final = 200
"""Calls that ended since the last drawing; of more the first are not shown."""


class Display:
    """Shows the running calls below the cursor and leaves a line of each that ended.

    A terminal that is stopped, gone or slow holds up this display and no call.

    Args:
        file: The terminal.
        spawn: Has another thread do what it is given.
    """

    period = _PERIOD

    def __init__(self, file: IO[str], *, spawn: Callable[[Callable[[], None]], None] | None = None) -> None:
        self._file = file
        self._spawn = spawn or _spawn
        self.is_open = True
        """Whether the terminal could be written so far."""
        self.after_fork()
        call_after_fork(self)

    def after_fork(self) -> None:
        """Leave to the parent what it shows."""
        self._changed = threading.Condition()
        self._calls: dict[str, CallProgress] = {}
        self._ended: list[CallProgress] = []
        self._has_thread = False
        self._live: Live | None = None

    def hear(self, event: Event) -> None:
        """Show what an event tells, soon."""
        with self._changed:
            progress = event.progress
            if isinstance(event, Ended):
                self._calls.pop(progress.call, None)
                self._ended = [*self._ended, progress][-_MOST_ENDED:]
            else:
                self._calls[progress.call] = progress
            self._changed.notify_all()
            if not self._has_thread:
                with suppress(RuntimeError):
                    # as in `Running`: the next event tries again
                    self._spawn(self._run)
                    self._has_thread = True

    def settle(self, seconds: float) -> bool:
        """Wait until the terminal is let go of, at most so long, if no call runs; returns whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._calls) or not self._has_thread, seconds)

    def _run(self) -> None:
        try:
            while self._draw():
                with self._changed:
                    # an end is shown at once, all else has time
                    self._changed.wait_for(lambda: not self._calls, _PERIOD)
        except (OSError, ValueError) as error:
            # ValueError: the stream was closed
            _log.info("the terminal shows no calls any more: %s", type(error).__name__)
            atexit.unregister(self._stop)
            with self._changed:
                self.is_open = self._has_thread = False
                self._changed.notify_all()

    def _draw(self) -> bool:
        """Draw once; returns whether there is more to come."""
        with self._changed:
            calls, ended = list(self._calls.values()), self._ended
            self._ended = []
        live = self._live or self._start()
        self._show(live, calls, ended)
        if calls:
            return True
        self._stop()
        with self._changed:
            self._has_thread = bool(self._calls or self._ended)
            self._changed.notify_all()
            return self._has_thread

    def _show(self, live: "Live", calls: list[CallProgress], ended: list[CallProgress]) -> None:
        from rich.text import Text  # noqa: PLC0415 - as in `_start`

        from seawall_progress.screen import line, lines  # noqa: PLC0415

        console = live.console
        size, encoding = console.size, console.encoding
        for progress in ended:
            console.print(line(progress, width=size.width, encoding=encoding), soft_wrap=True)
        height = max(size.height - 1, 1)
        rows = lines(calls, width=size.width, height=height, encoding=encoding)
        live.update(Text("\n").join(rows), refresh=True)

    def _start(self) -> "Live":
        from seawall_progress.live import live_on  # noqa: PLC0415 - only who shows something imports rich

        self._live = live = live_on(self._file)
        atexit.register(self._stop)
        live.start()
        return live

    def _stop(self) -> None:
        """Give the terminal back: no lines, and its cursor."""
        live, self._live = self._live, None
        if live is not None:
            atexit.unregister(self._stop)
            live.stop()


def _spawn(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="seawall-progress-display", daemon=True).start()
