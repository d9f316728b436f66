"""What those are told who follow calls."""

from dataclasses import dataclass
from typing import Protocol

from seawall_progress.values import CallProgress, Phase


@dataclass(frozen=True, slots=True)
class Started:
    """A call began."""

    progress: CallProgress


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """A call does something else, or the same for another reason."""

    progress: CallProgress
    before: Phase


@dataclass(frozen=True, slots=True)
class Advanced:
    """Some time has passed."""

    progress: CallProgress


@dataclass(frozen=True, slots=True)
class Ended:
    """A call ended, well or not: `progress.status`."""

    progress: CallProgress


@dataclass(frozen=True, slots=True)
class Dropped:
    """Events were dropped, as those before them were not taken in time."""

    count: int


Event = Started | PhaseChanged | Advanced | Ended


class Listener(Protocol):
    """Hears of calls, in the threads of these and in another one, and does not wait."""

    @property
    def period(self) -> float:
        """Seconds between two `Advanced` of a call."""

    @property
    def is_open(self) -> bool:
        """Whether it wants to hear anything at this moment."""

    def hear(self, event: Event) -> None:
        """Take an event."""
