"""Virtual time: a rate-limited server, other tenants, and callers who want more than there is.

As in the study behind the governor: three buckets of the simulator (`seawall_testkit.limits`), input charged
when a request comes, output as it is written, 80 tokens a second; headers are stamped when a request comes
and arrive with its first token; a 429 is free. Inputs are lognormal, 200 to 100,000 tokens (8,700 in the
mean), `max_tokens` 1,000 to 32,000, outputs a share of it that is not known before.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from seawall_testkit.errors import RequestError
from seawall_testkit.limits import Limits, RateLimiter
from seawall_testkit.options import Options

MODEL = "claude-opus-5-5"
SPEED = 80.0
"""Output tokens a second."""
FIRST_TOKEN = 1.0
"""Seconds until an answer begins."""
WARM_UP = 180.0
Process = Generator[float, None, None]
"""Yields the seconds it sleeps."""


class World:
    """Runs processes in virtual time."""

    def __init__(self, seed: int) -> None:
        self.now = 1_000_000.0
        self.rng = random.Random(seed)
        self._begun = self.now
        self._order = itertools.count()
        self._due: list[tuple[float, int, Process]] = []

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self.now - self._begun

    def clock(self) -> float:
        """The virtual time."""
        return self.now

    def start(self, process: Process, after: float = 0.0) -> None:
        """Have a process begin."""
        heapq.heappush(self._due, (self.now + after, next(self._order), process))

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self._begun + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, process = heapq.heappop(self._due)
            for pause in process:
                self.start(process, pause)
                break
        self.now = end


@dataclass
class Task:
    """What a caller wants."""

    input: int
    max_tokens: int
    output: int
    begun: float
    caller: str = ""


def task(world: World) -> Task:
    """A task as the study has them."""
    tokens = 0
    while not 200 <= tokens <= 100_000:
        tokens = round(world.rng.lognormvariate(math.log(3_200), 1.5))
    max_tokens = round(math.exp(world.rng.uniform(math.log(1_000), math.log(32_000))))
    share = min(world.rng.lognormvariate(math.log(0.11), 0.8), 1.0)
    return Task(tokens, max_tokens, max(1, round(share * max_tokens)), world.elapsed)


@dataclass
class Tally:
    """What happened after the warm-up."""

    input: float = 0.0
    output: float = 0.0
    others: dict[str, float] = field(default_factory=lambda: {"input-tokens": 0.0, "output-tokens": 0.0})
    served: int = 0
    refused: int = 0
    """429s."""
    wasted: float = 0.0
    """Input tokens of requests that were refused."""
    failed: int = 0
    delays: dict[str, list[float]] = field(default_factory=dict)
    """Seconds until a task was sent and taken, by caller."""


class Server:
    """The simulated API and its other tenants."""

    def __init__(self, world: World, limits: Limits, others: float) -> None:
        self.world = world
        self.limits = limits
        self.tally = Tally()
        self._limiter = RateLimiter(limits, Options(clock=world.clock))
        if others:
            world.start(self._others(others))

    @property
    def _counts(self) -> bool:
        return self.world.elapsed >= WARM_UP

    def _others(self, part: float) -> Process:
        """Take a part of the limit in bursts, as others with the same key do."""
        while True:
            seconds = self.world.rng.expovariate(1 / 10)
            for _ in range(max(1, round(seconds))):
                buckets = self._limiter._buckets(MODEL)  # noqa: SLF001 - others are part of the server
                for name in self.tally.others:
                    bucket = buckets[name]
                    amount = 2 * part * bucket.limit / 60
                    if bucket.level(self.world.now) > amount:
                        bucket.take(amount, self.world.now)
                        self.tally.others[name] += amount * self._counts
                yield 1.0
            yield self.world.rng.expovariate(1 / 10)

    def ask(self, wanted: Task) -> dict[str, str] | RequestError:
        """Take a request: the headers of its answer, or a 429."""
        try:
            self._limiter.admit(MODEL, wanted.input, wanted.max_tokens)
        except RequestError as refused:
            self.tally.refused += self._counts
            self.tally.wasted += wanted.input * self._counts
            return refused
        if self._counts:
            self.tally.served += 1
            self.tally.input += wanted.input
            delay = self.world.elapsed - wanted.begun
            self.tally.delays.setdefault(wanted.caller, []).append(delay)
        return self._limiter.headers(MODEL)

    def stream(self, wanted: Task, written: Callable[[int], None] = lambda _: None) -> Process:
        """Write an answer, in time; tells how many tokens there are so far."""
        yield FIRST_TOKEN
        done = 0
        while done < wanted.output:
            tokens = min(int(SPEED), wanted.output - done)
            self._limiter.charge_output(MODEL, tokens)
            done += tokens
            self.tally.output += tokens * self._counts
            written(done)
            yield tokens / SPEED

    def good(self, seconds: float) -> tuple[float, float]:
        """Our share of what others left, of input and output."""
        minutes = (seconds - WARM_UP) / 60
        of_input = (self.limits.itpm or 0) * minutes - self.tally.others["input-tokens"]
        of_output = (self.limits.otpm or 0) * minutes - self.tally.others["output-tokens"]
        return self.tally.input / of_input, self.tally.output / of_output
