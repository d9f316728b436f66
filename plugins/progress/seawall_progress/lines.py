"""Says in lines what calls do: when they change phase, and every some seconds in between."""

import logging
from collections.abc import Callable
from typing import Any, Final

from seawall_progress.events import Advanced, Ended, Event, Started
from seawall_progress.sentences import sentence
from seawall_progress.values import CallProgress

_log = logging.getLogger("seawall.progress")


class Lines:
    """Writes a line about a call when it is time for one.

    Args:
        interval: Seconds between two lines about a call whose phase does not change.
        write: Takes the line, and what it is of.
        is_wanted: Whether any line is wanted at this moment.
    """

    def __init__(
        self,
        interval: float,
        write: Callable[[str, CallProgress], None],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.period = min(interval, 1.0)
        self._interval = interval
        self._write = write
        self._is_wanted = is_wanted
        self._said: dict[str, float] = {}
        """How old each call was when it was last spoken of."""

    @property
    def is_open(self) -> bool:
        """Whether lines are wanted."""
        return self._is_wanted()

    def hear(self, event: Event) -> None:
        """Write a line about an event, or not."""
        progress = event.progress
        match event:
            case Started():
                self._said[progress.call] = progress.elapsed
                return
            case Advanced() if progress.elapsed - self._said.get(progress.call, 0.0) < self._interval:
                return
            case Ended():
                self._said.pop(progress.call, None)
            case _:
                self._said[progress.call] = progress.elapsed
        self._write(sentence(progress), progress)


def log_lines(interval: float) -> Lines:
    """Return what writes to the log `seawall.progress`, at level INFO."""
    return Lines(interval, _log_line, lambda: _log.isEnabledFor(logging.INFO))


def _log_line(line: str, progress: CallProgress) -> None:
    _log.info("call %s: %s", progress.call, line, extra=_fields(progress))


_FIELDS: Final = {
    "call": "call",
    "model": "model",
    "caller": "caller",
    "phase": "phase",
    "reason": "reason",
    "status": "status",
    "elapsed": "elapsed",
    "tokens": "output_tokens",
    "is_exact": "is_exact",
    "rate": "tokens_per_second",
    "percent": "percent",
    "eta": "eta",
    "first_token": "first_token",
    "longest_gap": "longest_gap",
    "attempts": "attempts",
    "continuations": "continuations",
}
"""Attributes of the progress, and what the record calls them, behind `seawall_`."""


def _fields(progress: CallProgress) -> dict[str, Any]:
    return {f"seawall_{field}": getattr(progress, name) for name, field in _FIELDS.items()}
