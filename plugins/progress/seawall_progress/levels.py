"""What is left of budgets and rate limits, as the plugins tell it, at the moment metrics are collected."""

import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from seawall import Gauge, Panel
from seawall.state import new_lock

if TYPE_CHECKING:
    from opentelemetry.metrics import Observation

_MOST: Final = 64
"""Gauges that are told; a budget may have one for each caller."""


class Source(Protocol):
    """Who knows where to ask."""

    @property
    def describe(self) -> Callable[[float], Sequence[Panel]]:
        """`Call.describe` of the last call."""


class Levels:
    """Asks for what is left, in the thread of who collects, which may block.

    Args:
        clock: That of all who share the state.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251 - a default
        self._clock = clock
        self._lock = new_lock()
        self._sources: weakref.WeakSet[Source] = weakref.WeakSet()

    def add(self, source: Source) -> None:
        """Ask here, too, as long as the source is there."""
        with self._lock:
            self._sources.add(source)

    def observe(self, measures: str, _: Any = None) -> "Iterator[Observation]":
        """Yield one observation for each gauge of a kind; those of one name are told once."""
        # who collects has imported it
        from opentelemetry.metrics import Observation  # noqa: PLC0415

        for gauge in self._gauges(measures):
            attributes = {f"seawall.{measures}.name": gauge.label, f"seawall.{measures}.unit": gauge.unit}
            yield Observation(gauge.left, attributes)

    def _gauges(self, measures: str) -> list[Gauge]:
        with self._lock:
            sources = list(self._sources)
        now = self._clock()
        gauges = (gauge for source in sources for panel in source.describe(now) for gauge in panel.gauges)
        found = {gauge.label: gauge for gauge in gauges if gauge.measures == measures}
        return list(found.values())[:_MOST]
