"""Virtual time: an API that takes so many calls a second, and for a minute none."""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

CLIENTS, HOSTS = 1_000, 10
CYCLE = 10.0
"""Seconds from one call of a client to its next, when all is well."""
SERVICE = 2.0
"""Seconds that a successful call takes."""
CAPACITY = 150.0
"""Calls a second that the API takes."""
BEGIN, OUTAGE, AFTER = 120.0, 60.0, 180.0
"""Seconds before, in and after the outage."""
END = BEGIN + OUTAGE

Process = Generator[float, None, bool]
"""Performs a task: yields the seconds it sleeps, returns whether it was done."""
OnHost = Callable[[int], Callable[[], Process]]
"""From the number of a host to what performs a task there."""


@dataclass
class World:
    """Runs processes in virtual time, and is the API to them."""

    rng: random.Random
    now: float = 0.0
    attempts: Counter[int] = field(default_factory=Counter)
    """By second, as the next ones."""
    successes: Counter[int] = field(default_factory=Counter)
    rejected: int = 0
    begun: int = 0
    failed: int = 0
    _order: Iterator[int] = field(default_factory=itertools.count)
    _due: list[tuple[float, int, Generator[float, None, object]]] = field(default_factory=list)
    _level: float = CAPACITY
    _filled: float = 0.0

    def clock(self) -> float:
        """The virtual time."""
        return self.now

    def start(self, process: Generator[float, None, object], after: float = 0.0) -> None:
        """Have a process begin."""
        heapq.heappush(self._due, (self.now + after, next(self._order), process))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._due and self._due[0][0] <= until:
            self.now, _, process = heapq.heappop(self._due)
            for pause in process:
                self.start(process, pause)
                break

    def close(self) -> None:
        """Have what has not ended abandoned."""
        for _, _, process in self._due:
            process.close()

    def ask(self) -> bool:
        """Send an attempt; returns whether it is accepted."""
        self.attempts[int(self.now)] += 1
        if BEGIN <= self.now < END:
            return False
        self._level = min(self._level + (self.now - self._filled) * CAPACITY, CAPACITY)
        self._filled = self.now
        if self._level < 1:
            self.rejected += self.now >= END
            return False
        self._level -= 1
        self.successes[int(self.now)] += 1
        return True

    def client(self, perform: Callable[[], Process]) -> Generator[float, None, None]:
        """Call again and again; think so long that a cycle takes `CYCLE` seconds."""
        yield self.rng.uniform(0, CYCLE)
        while True:
            began = self.now
            is_done = yield from perform()
            if began >= BEGIN:
                self.begun += 1
                self.failed += not is_done
            yield self.rng.expovariate(1 / (CYCLE - SERVICE))
