"""An outage of a minute, and what ways to retry make of it, in virtual time.

    uv run --group bench python benchmarks/outage.py [--seeds 3] [--quick]

1,000 clients on 10 hosts, each of which calls again some seconds after its last call ended: 100 calls a second
of the 150 that the API takes. Then the API fails everything for 60 seconds. It is the shipped code that runs:
the engine with the backoff plugin, one plugin and one store for each host (`Seawall`), or one store for all
(`Seawall, one Redis`). Its rivals are re-implemented by their rules, tenacity draws its waits itself:

- SDK default: 2 retries after 0.5 and 1 s, less up to a quarter
- tenacity full jitter: 10 attempts, `wait_random_exponential(multiplier=0.5, max=60)`
- the same with the retry budget of the AWS SDKs for each host: 500, 5 a retry, 1 back for a success
- the same with a breaker for each host that fails calls: 5 failures open it for 15 s

attempts/s: in the outage; peak/s: the busiest 5 seconds after it; rejected: over capacity after it; recovered:
seconds after its end until 5 seconds brought 90 % of the successes of before; failed: tasks, of all those begun
from the outage on. The exit code is 1 when Seawall misses a bar.
"""

import argparse
import heapq
import itertools
import logging
import math
import random
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field

import anthropic
import httpx2
import tenacity

from seawall import Call, SeawallError
from seawall.engine import Engine
from seawall.hooks import Hooks
from seawall.registry import manager_of
from seawall.state import MemoryStore
from seawall.steps import Abandoned, Accepted, Send, Sleep, Work
from seawall_backoff import Backoff, BackoffSettings

CLIENTS, HOSTS, CYCLE = 1_000, 10, 10.0
CAPACITY = 150.0
BEGIN, OUTAGE, AFTER = 120.0, 60.0, 180.0
END = BEGIN + OUTAGE
WINDOW = 5
BARS = {"attempts": 3.0, "failed": 0.0, "peak": 1.25, "recovered": 20.0}
REQUEST = httpx2.Request("POST", "https://api.anthropic.com/v1/messages")
OVERLOADED = httpx2.Response(529, headers={"content-type": "application/json"}, request=REQUEST)
FINE = httpx2.Response(200, request=REQUEST)
Process = Generator[float, None, bool]
"""Yields the seconds it sleeps; returns whether its task was done."""


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
    _order: itertools.count = field(default_factory=itertools.count)
    _due: list = field(default_factory=list)
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


SERVICE = 2.0
"""Seconds that a successful call takes."""


def seawall(world: World, stores: Callable[[int], MemoryStore]) -> Callable[[int], Callable[[], Process]]:
    """The engine and the plugin, as they are shipped."""
    plugins = [
        Backoff(
            BackoffSettings(),
            rng=random.Random(world.rng.random()),
            clock=world.clock,
            wall_clock=world.clock,
        )
        for _ in range(HOSTS)
    ]
    hooks = [Hooks.of(manager_of({"backoff": plugin})) for plugin in plugins]

    def on(host: int) -> Callable[[], Process]:
        def perform() -> Process:
            params = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": []}
            call = Call(id="c", params=params, stream=False, host="api", store=stores(host))
            steps, heard = Engine(call, hooks[host]).run(), None
            try:
                while True:
                    step, heard = steps.send(heard), None
                    match step:
                        case Sleep(seconds):
                            yield seconds
                        case Work(work):
                            heard = work()
                        case Send():
                            if world.ask():
                                heard = Accepted(FINE, 200, b'{"type": "message"}')
                                yield SERVICE
                            else:
                                heard = anthropic.OverloadedError("busy", response=OVERLOADED, body=None)
            except StopIteration:
                return True
            except (anthropic.APIError, SeawallError):
                return False
            except GeneratorExit as left:
                # the world ended
                with suppress(StopIteration, Abandoned):
                    steps.throw(Abandoned(left))
                    while True:
                        next(steps)
                raise

        return perform

    return on


def seawall_by_host(world: World) -> Callable[[int], Callable[[], Process]]:
    """Each host has a store of its own."""
    stores = [MemoryStore() for _ in range(HOSTS)]
    return seawall(world, lambda host: stores[host])


def seawall_as_fleet(world: World) -> Callable[[int], Callable[[], Process]]:
    """All hosts share a store."""
    store = MemoryStore()
    return seawall(world, lambda _: store)


def sdk(world: World) -> Callable[[int], Callable[[], Process]]:
    """The SDK's own retries."""

    def perform() -> Process:
        for retry in range(3):
            if world.ask():
                yield SERVICE
                return True
            if retry < 2:
                yield 0.5 * 2**retry * (1 - 0.25 * world.rng.random())
        return False

    return lambda _: perform


class Budget:
    """The retry budget of the AWS SDKs."""

    def __init__(self) -> None:
        self.level = 500

    def takes(self) -> bool:
        """Whether a retry may be made."""
        if self.level < 5:
            return False
        self.level -= 5
        return True

    def succeed(self) -> None:
        """A success puts one back."""
        self.level = min(500, self.level + 1)


class FailFast:
    """A breaker that fails calls while it is open."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.failures = 0
        self.until = -math.inf

    def lets(self) -> bool:
        """Whether an attempt may be sent; when the time is over, one."""
        if self.failures < 5:
            return True
        if self.clock() < self.until:
            return False
        self.until = self.clock() + 15
        return True

    def note(self, *, is_done: bool) -> None:
        """An attempt ended."""
        self.failures = 0 if is_done else self.failures + 1
        if self.failures == 5:
            self.until = self.clock() + 15


def tenacious(
    world: World, *, has_budget: bool = False, has_breaker: bool = False
) -> Callable[[int], Callable[[], Process]]:
    """Full jitter, ten attempts."""
    wait = tenacity.wait_random_exponential(multiplier=0.5, max=60)
    budgets = [Budget() for _ in range(HOSTS)]
    breakers = [FailFast(world.clock) for _ in range(HOSTS)]

    def on(host: int) -> Callable[[], Process]:
        budget, breaker = budgets[host], breakers[host]

        def perform() -> Process:
            state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
            for attempt in range(1, 11):
                if has_breaker and not breaker.lets():
                    return False
                is_done = world.ask()
                breaker.note(is_done=is_done)
                if is_done:
                    budget.succeed()
                    yield SERVICE
                    return True
                if attempt == 10 or (has_budget and not budget.takes()):
                    return False
                state.attempt_number = attempt
                yield wait(state)
            return False

        return perform

    return on


CONTENDERS: dict[str, Callable[[World], Callable[[int], Callable[[], Process]]]] = {
    "SDK default": sdk,
    "tenacity full jitter": tenacious,
    "  with an AWS budget": lambda world: tenacious(world, has_budget=True),
    "  with a fail-fast breaker": lambda world: tenacious(world, has_breaker=True),
    "Seawall": seawall_by_host,
    "Seawall, one Redis": seawall_as_fleet,
}


def measured(
    contender: Callable[[World], Callable[[int], Callable[[], Process]]], seed: int
) -> dict[str, float]:
    """What became of one outage."""
    random.seed(seed)  # tenacity draws from it
    world = World(random.Random(seed))
    on = contender(world)
    for number in range(CLIENTS):
        world.start(world.client(on(number % HOSTS)))
    world.run(END + AFTER)
    before = _mean(world.attempts, 60, BEGIN)
    windows = range(int(END), int(END + AFTER) - WINDOW)
    good = (at for at in windows if _mean(world.successes, at, at + WINDOW) >= 0.9 * before)
    return {
        "base": before,
        "attempts": sum(world.attempts[second] for second in range(int(BEGIN), int(END))) / OUTAGE,
        "peak": max(_mean(world.attempts, at, at + WINDOW) for at in windows),
        "rejected": world.rejected,
        "recovered": next(good, math.inf) - END,
        "failed": 100 * world.failed / world.begun,
    }


def _mean(counts: Counter[int], begin: float, end: float) -> float:
    return sum(counts[second] for second in range(int(begin), int(end))) / (end - begin)


def main() -> int:
    """Print the table; 1 when Seawall misses a bar."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one seed, Seawall only")
    options = parser.parse_args()
    logging.getLogger("seawall").setLevel(logging.ERROR)
    chosen = {name: c for name, c in CONTENDERS.items() if "Seawall" in name or not options.quick}
    print(f"{'':28} base/s  attempts/s  peak/s  rejected  recovered s  failed %")
    missed = []
    for name, contender in chosen.items():
        runs = [measured(contender, seed) for seed in range(1 if options.quick else options.seeds)]
        row = {key: statistics.fmean(run[key] for run in runs) for key in runs[0]}
        print(
            f"{name:28} {row['base']:6.0f}  {row['attempts']:10.1f}  {row['peak']:6.0f}  {row['rejected']:8.0f}"
            f"  {row['recovered']:11.0f}  {row['failed']:8.1f}"
        )
        if "Seawall" in name:
            found = {**row, "peak": row["peak"] / row["base"]}
            missed += [
                f"{name}: {key} {found[key]:.2f} > {bar}" for key, bar in BARS.items() if found[key] > bar
            ]
    print(*missed, sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
