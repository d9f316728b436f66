"""Which of the ways to show calls on the terminal is taken, if any."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import IO, Final, Literal, Protocol, TypeAlias

from seawall.state import new_lock
from seawall_progress.display import Display
from seawall_progress.events import Event, Listener
from seawall_progress.lines import Lines
from seawall_progress.subscription import Subscription
from seawall_progress.values import CallProgress

Wish: TypeAlias = Literal["auto", "on", "off"]
_WAITING: Final = 1000
"""Lines that wait for a pipe that is not read."""


class Shown(Listener, Protocol):
    """Shows calls."""

    def settle(self, seconds: float) -> bool:
        """Wait until all is shown and the terminal is free, at most so long; returns whether it is."""


class Terminal:
    """What shows the calls of this process; one for all clients."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._shown: dict[int, Shown] = {}
        """By the stream."""

    def shown(
        self, wish: Wish, *, interval: float, file: IO[str] | None, environ: Mapping[str, str] = os.environ
    ) -> Shown | None:
        """Return what shows calls; `None` where nothing is to be shown.

        Args:
            wish: The setting.
            interval: Seconds between two lines about a call, where lines are written.
            file: Where to; `None` where a process has no stderr.
            environ: Has `TERM`.
        """
        if file is None or wish == "off":
            return None
        is_live = _is_terminal(file) and environ.get("TERM") not in ("dumb", "unknown")
        if wish == "auto" and not (is_live and _is_command() and not _is_logged()):
            return None
        with self._lock:
            if id(file) not in self._shown:
                self._shown = {id(file): Display(file) if is_live else _plain(file, interval)}
            return self._shown[id(file)]


def _plain(file: IO[str], interval: float) -> Shown:
    """Return what writes lines, from a thread of its own: a pipe may be full."""
    encoding = getattr(file, "encoding", None) or "utf-8"

    def write(text: str, progress: CallProgress) -> None:
        said = f"seawall: {progress.model or 'call'} {progress.call}: {text}\n"
        file.write(said.encode(encoding, "backslashreplace").decode(encoding))
        file.flush()

    lines = Lines(interval, write)
    subscription = Subscription(every=lines.period, size=_WAITING)

    def hear(event: object) -> None:
        if isinstance(event, Event):
            try:
                lines.hear(event)
            except (OSError, ValueError):
                # nobody reads it any more
                subscription.close()

    subscription.call(hear)
    return subscription


def _is_terminal(file: IO[str]) -> bool:
    try:
        return file.isatty()
    except (AttributeError, ValueError):
        # an application's own, of which `print` wants no more than `write`; or one that was closed
        return False


def _is_command() -> bool:
    """Whether a command of `seawall` runs here."""
    click = sys.modules.get("click")
    context = None if click is None else click.get_current_context(silent=True)
    return context is not None and context.find_root().info_name == "seawall"


def _is_logged() -> bool:
    """Whether the log says the same already, as with `seawall -v`."""
    return logging.getLogger("seawall.progress").isEnabledFor(logging.INFO)


TERMINAL: Final = Terminal()
