"""The governor beside other ways to share a rate limit, in virtual time.

    uv run python benchmarks/governor.py [--minutes 20] [--seeds 3] [--quick]

256 callers always want more than the limit (1,000 requests, 2M input and 400k output tokens a minute), of
which others take a fifth in bursts. It is the shipped code that runs (`seawall_tokens.governor` on a memory
store), but for the clock and for the thread that reports; its rivals are re-implemented by their rules:

- SDK: 2 retries, `retry-after` kept, then the task fails
- fixed 90 %: each worker has its part of a bucket of 90 % of the limits, by actual input and 2,500 of output
- token-throttle: one bucket of the whole limit for all workers, reserves 2,500 of output and refunds the rest

good: our tokens of the binding limit over what the others left; 429: per 1,000 tasks served; waste: input
uploaded and refused over input served. The exit code is 1 when the governor misses a bar.
"""

import argparse
import random
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

from arguments import at_least
from governor_world import MODEL, Process, Server, Tally, Task, World, task

from seawall import Call, Wait
from seawall.call import Attempt, Usage
from seawall.state import MemoryStore
from seawall_testkit.errors import RequestError
from seawall_testkit.limits import Bucket, Limits
from seawall_tokens.callers import Caller
from seawall_tokens.governor import Governor
from seawall_tokens.settings import TokensSettings

SLOTS = 256
START = Limits(rpm=1_000, itpm=2_000_000, otpm=400_000)
OUTPUT_BOUND = Limits(rpm=1_000, itpm=2_000_000, otpm=200_000)
SHALLOW = Limits(rpm=1_000, itpm=2_000_000, otpm=400_000, depth=10.0)

Design = Callable[[World, Server, int], Callable[[Task], Process]]
"""From the worker's number to what performs a task for it."""


def governed(world: World, server: Server, workers: int) -> Callable[[Task], Process]:
    """The governor: all workers share a store."""
    store = MemoryStore()
    governors = [
        Governor(TokensSettings(), clock=world.clock, rng=random.Random(number), interval=None)
        for number in range(workers)
    ]

    def reporting(governor: Governor) -> Process:
        while True:
            yield 1.0
            governor.report()

    for number, governor in enumerate(governors):
        world.start(reporting(governor), number / workers)

    def perform(wanted: Task) -> Process:
        governor = world.rng.choice(governors)
        params = {"model": MODEL, "max_tokens": wanted.max_tokens, "messages": []}
        call = Call(id="call", params=params, stream=True, host="api", account="org", store=store)
        estimate = round(wanted.input * world.rng.lognormvariate(0.0, 0.05))
        while True:
            attempt = Attempt(call.attempt + 1, "send")
            call.attempts.append(attempt)
            while decision := governor.admit(call, Caller(wanted.caller), input_tokens=estimate):
                assert isinstance(decision, Wait)
                yield decision.seconds
            answer = server.ask(wanted)
            if not isinstance(answer, RequestError):
                break
            attempt.status, attempt.headers, attempt.error = 429, answer.headers or {}, answer
            governor.settle(call)

        def written(tokens: int) -> None:
            attempt.status, attempt.headers, attempt.written = 200, answer, round(tokens * 3.5)

        yield from server.stream(wanted, written)
        attempt.usage = Usage(input_tokens=wanted.input, output_tokens=wanted.output)
        governor.settle(call)

    return perform


def sdk(_world: World, server: Server, _workers: int) -> Callable[[Task], Process]:
    """The SDK's own retries."""

    def perform(wanted: Task) -> Process:
        for retry in range(3):
            answer = server.ask(wanted)
            if not isinstance(answer, RequestError):
                yield from server.stream(wanted)
                return
            if retry < 2:
                yield float((answer.headers or {}).get("retry-after", 0.5 * 2**retry))
        server.tally.failed += 1

    return perform


def limited(part: float, *, is_shared: bool, refunds: bool) -> Design:
    """A limiter that knows the limits, and not what others take of them."""

    def design(world: World, server: Server, workers: int) -> Callable[[Task], Process]:
        count = 1 if is_shared else workers
        limits = server.limits
        shares = [
            [
                Bucket(max(1, round((limit or 0) * part / count)), 60.0, world.now)
                for limit in (limits.rpm, limits.itpm, limits.otpm)
            ]
            for _ in range(count)
        ]

        def perform(wanted: Task) -> Process:
            buckets = world.rng.choice(shares)
            needs = (1, wanted.input, 2_500)
            while True:
                while wait := max(b.wait(n, world.now) for b, n in zip(buckets, needs, strict=True)):
                    yield wait + world.rng.uniform(0, 0.1)
                for bucket, need in zip(buckets, needs, strict=True):
                    bucket.take(need, world.now)
                answer = server.ask(wanted)
                if not isinstance(answer, RequestError):
                    break
                yield float((answer.headers or {}).get("retry-after", 1.0))
            yield from server.stream(wanted)
            if refunds:
                buckets[2].take(wanted.output - 2_500, world.now)

        return perform

    return design


DESIGNS: dict[str, Design] = {
    "SDK, 2 retries": sdk,
    "fixed 90 %": limited(0.9, is_shared=False, refunds=False),
    "token-throttle": limited(1.0, is_shared=True, refunds=True),
    "Seawall": governed,
}


@dataclass
class Found:
    """What a design came to, over all seeds."""

    good: float
    refused: float
    waste: float
    failed: float
    delays: dict[str, list[float]]


def measured(
    design: Design, workers: int, limits: Limits, minutes: float, seeds: int, *, light: bool = False
) -> Found:
    """Run a design for some seeds."""
    tallies, goods = [], []
    for seed in range(seeds):
        world = World(seed)
        server = Server(world, limits, others=0.2)
        perform = design(world, server, workers)
        for _ in range(SLOTS):
            world.start(_backlog(world, perform, "heavy" if light else ""), world.rng.uniform(0, 1))
        if light:
            world.start(_light(world, perform))
        world.run(minutes * 60)
        tallies.append(server.tally)
        goods.append(server.good(minutes * 60)[1 if limits.otpm == OUTPUT_BOUND.otpm else 0])
    return _found(goods, tallies)


def _backlog(world: World, perform: Callable[[Task], Process], caller: str) -> Process:
    while True:
        wanted = task(world)
        wanted.caller = caller
        yield from perform(wanted)


def _light(world: World, perform: Callable[[Task], Process]) -> Process:
    """A person who asks something short now and then."""
    while True:
        yield world.rng.expovariate(0.3)
        world.start(perform(Task(1_500, 1_000, 300, world.elapsed, "light")))


def _found(goods: list[float], tallies: list[Tally]) -> Found:
    served = sum(tally.served for tally in tallies)
    delays: dict[str, list[float]] = {}
    for tally in tallies:
        for caller, some in tally.delays.items():
            delays.setdefault(caller, []).extend(some)
    return Found(
        good=statistics.mean(goods),
        refused=1_000 * sum(tally.refused for tally in tallies) / served,
        waste=sum(tally.wasted for tally in tallies) / sum(tally.input for tally in tallies),
        failed=sum(tally.failed for tally in tallies) / served,
        delays=delays,
    )


def _quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def row(name: str, workers: int, found: Found) -> str:
    """One line of the table."""
    delays = [delay for some in found.delays.values() for delay in some]
    return (
        f"{name:<28}{workers:>4} {found.good:>8.1%} {found.refused:>10.1f} {found.waste:>8.1%}"
        f" {found.failed:>8.1%} {_quantile(delays, 0.5):>7.0f} / {_quantile(delays, 0.99):.0f}"
    )


def main() -> int:
    """Print the tables; return 1 when the governor misses a bar."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=at_least(4.0), default=20.0)
    parser.add_argument("--seeds", type=at_least(1), default=3)
    parser.add_argument("--quick", action="store_true", help="the governor alone, one seed, 8 workers")
    options = parser.parse_args()
    seeds, fleet = (1, (8,)) if options.quick else (options.seeds, (1, 8, 64))
    missed = []

    def check(what: str, *, is_met: bool) -> None:
        if not is_met:
            missed.append(what)

    print(
        f"{'design':<28}{'W':>4} {'good':>8} {'429/1,000':>10} {'waste':>8} {'failed':>8}   wait p50 / p99 s"
    )
    for name, design in DESIGNS.items():
        if options.quick and name != "Seawall":
            continue
        for workers in fleet:
            found = measured(design, workers, START, options.minutes, seeds)
            print(row(name, workers, found), flush=True)
            if name == "Seawall":
                check(f"good, {workers} workers", is_met=found.good >= 0.99)
                check(f"429s, {workers} workers", is_met=found.refused < 1)
                check(f"waste, {workers} workers", is_met=found.waste < 0.01)
    for name, limits in (("Seawall, output binds", OUTPUT_BOUND), ("Seawall, 10 s deep", SHALLOW)):
        found = measured(governed, 8, limits, options.minutes, seeds)
        print(row(name, 8, found), flush=True)
        check(name, is_met=found.good >= 0.96)
    found = measured(governed, 8, START, options.minutes, seeds, light=True)
    print(row("Seawall, with a light caller", 8, found))
    light, heavy = found.delays["light"], found.delays["heavy"]
    for name, delays in (("light", light), ("heavy", heavy)):
        print(f"  {name}: p50 {_quantile(delays, 0.5):.1f} s, p99 {_quantile(delays, 0.99):.1f} s")
    check("the light caller's p99", is_met=_quantile(light, 0.99) <= 3.0)
    print("all bars are met" if not missed else f"missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
