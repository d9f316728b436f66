"""An outage of a minute, and what ways to retry make of it, in virtual time.

    uv run --group bench python benchmarks/outage.py [--seeds 3] [--quick]

1,000 clients on 10 hosts, each of which calls again some seconds after its last call: 100 calls a second of
the 150 that the API takes. Then the API fails everything for 60 seconds. It is the shipped code that runs,
the engine with the backoff plugin: one plugin for each host, with a store for each host (`Seawall`) or one
for all (`one store`). Its rivals are re-implemented by their rules:

- SDK default: 2 retries after 0.5 and 1 s, less up to a quarter
- tenacity full jitter: 10 attempts, `wait_random_exponential(multiplier=0.5, max=60)`
- the same with the retry budget of the AWS SDKs for each host: 500, 5 a retry, 1 back for a success
- the same with a breaker for each host that fails calls: 5 failures open it for 15 s

attempts/s: in the outage; peak/s: the busiest 5 seconds after it; rejected: over capacity after it;
recovered: seconds after its end until 5 seconds brought 90 % of the successes of before; failed: of the tasks
begun from the outage on. The exit code is 1 when Seawall misses a bar.
"""

import argparse
import logging
import math
import random
import statistics
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import anthropic
import httpx2
from arguments import at_least
from outage_contenders import sdk, tenacious
from outage_world import AFTER, BEGIN, CLIENTS, END, HOSTS, OUTAGE, SERVICE, OnHost, Process, World

from seawall import Call, SeawallError
from seawall.engine import Engine
from seawall.hooks import Hooks
from seawall.registry import manager_of
from seawall.state import MemoryStore
from seawall.steps import Abandoned, Accepted, Send, Sleep
from seawall_backoff import Backoff, BackoffSettings

WINDOW = 5
COLUMNS = {"base/s": 0, "attempts/s": 1, "peak/s": 0, "rejected": 0, "recovered s": 0, "failed %": 1}
"""With their digits."""
BARS = {"attempts/s": 3.0, "failed %": 0.0, "peak/s": 1.25, "recovered s": 20.0}
"""`peak/s` over `base/s`."""
REQUEST = httpx2.Request("POST", "https://api.anthropic.com/v1/messages")
OVERLOADED = httpx2.Response(529, request=REQUEST)
FINE = Accepted(httpx2.Response(200, request=REQUEST), 200, b'{"type": "message"}')


def seawall(world: World, stores: list[MemoryStore]) -> OnHost:
    """The engine and the plugin as they are shipped; each host has one of `stores`."""

    def plugin() -> Backoff:
        rng = random.Random(world.rng.random())
        return Backoff(BackoffSettings(), rng=rng, clock=world.clock, wall_clock=world.clock)

    hooks = [Hooks.of(manager_of({"backoff": plugin()})) for _ in range(HOSTS)]
    params = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": []}

    def begun(host: int) -> Engine:
        call = Call(id="c", params=params, stream=False, host="api", store=stores[host % len(stores)])
        return Engine(call, hooks[host])

    return lambda host: lambda: performed(world, begun(host))


def performed(world: World, engine: Engine) -> Process:
    """Perform the steps of a call."""
    steps, heard = engine.run(), None
    try:
        while True:
            step, heard = steps.send(heard), None
            if isinstance(step, Sleep):
                yield step.seconds
            elif isinstance(step, Send):
                is_accepted = world.ask()
                heard = FINE if is_accepted else anthropic.OverloadedError("", response=OVERLOADED, body=None)
                yield SERVICE if is_accepted else 0.0
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


CONTENDERS: dict[str, Callable[[World], OnHost]] = {
    "SDK default": sdk,
    "tenacity full jitter": tenacious,
    "  with an AWS budget": lambda world: tenacious(world, has_budget=True),
    "  with a fail-fast breaker": lambda world: tenacious(world, has_breaker=True),
    "Seawall": lambda world: seawall(world, [MemoryStore() for _ in range(HOSTS)]),
    "Seawall, one store": lambda world: seawall(world, [MemoryStore()]),
}


def measured(contender: Callable[[World], OnHost], seed: int) -> dict[str, float]:
    """What became of one outage."""
    random.seed(seed)  # tenacity draws from it
    world = World(random.Random(seed))
    on = contender(world)
    for number in range(CLIENTS):
        world.start(world.client(on(number % HOSTS)))
    world.run(END + AFTER)
    world.close()
    before = _mean(world.attempts, 60, BEGIN)
    windows = range(int(END), int(END + AFTER) - WINDOW)
    good = (at for at in windows if _mean(world.successes, at, at + WINDOW) >= 0.9 * before)
    return {
        "base/s": before,
        "attempts/s": sum(world.attempts[second] for second in range(int(BEGIN), int(END))) / OUTAGE,
        "peak/s": max(_mean(world.attempts, at, at + WINDOW) for at in windows),
        "rejected": world.rejected,
        "recovered s": next(good, math.inf) - END,
        "failed %": 100 * world.failed / world.begun,
    }


def _mean(counts: Counter[int], begin: float, end: float) -> float:
    return sum(counts[second] for second in range(int(begin), int(end))) / (end - begin)


def main() -> int:
    """Print the table; 1 when Seawall misses a bar."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=at_least(1), default=3)
    parser.add_argument("--quick", action="store_true", help="one seed, Seawall only")
    options = parser.parse_args()
    logging.getLogger("seawall").setLevel(logging.ERROR)
    chosen = {name: c for name, c in CONTENDERS.items() if "Seawall" in name or not options.quick}
    print(f"{'':28} {'  '.join(COLUMNS)}")
    missed = []
    for name, contender in chosen.items():
        runs = [measured(contender, seed) for seed in range(1 if options.quick else options.seeds)]
        row = {key: statistics.fmean(run[key] for run in runs) for key in runs[0]}
        shown = (f"{row[key]:{len(key)}.{digits}f}" for key, digits in COLUMNS.items())
        print(f"{name:28} {'  '.join(shown)}")
        if "Seawall" in name:
            found = {**row, "peak/s": row["peak/s"] / row["base/s"]}
            missed += [
                f"{name}: {key} {found[key]:.2f} > {bar}" for key, bar in BARS.items() if found[key] > bar
            ]
    print(*missed, sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
