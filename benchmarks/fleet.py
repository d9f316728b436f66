"""Real processes under one enforced limit, over real sockets, on each store; one is killed half-way.

    uv run python benchmarks/fleet.py [--seconds 120] [--processes 8] [--stores sqlite redis]

A simulator enforces limits of which the processes together want several times as much, each with 12 tasks
that never stop asking. After a warm-up it is counted: input tokens served over what the limit allows (it is
the one that binds), 429s per 1,000 requests served, input tokens uploaded for nothing. The exit code is 1
when a bar is missed: 99 %, less than 1, less than 1 %.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anthropic
from arguments import at_least

import seawall
from seawall_testkit import Limits, Simulator
from stores import redis_server

TASKS = 12
MODEL = "claude-opus-5-5"
LIMITS = Limits(rpm=6_000, itpm=900_000, otpm=300_000, depth=20.0)
WARM_UP = 0.5
"""Share of the time that does not count: the ramp, and a full bucket at the start."""


async def work(url: str, seed: int) -> None:
    """Ask for ever: inputs of 100 to 20,000 tokens, whose words the simulator counts as four characters."""
    rng = random.Random(seed)

    async def ask(client: anthropic.AsyncAnthropic) -> None:
        while True:
            text = "word " * min(20_000, max(100, round(rng.lognormvariate(7.2, 1.0))))
            await client.messages.create(
                model=MODEL,
                max_tokens=rng.choice((200, 400, 800)),
                messages=[{"role": "user", "content": text}],
            )

    async with anthropic.AsyncAnthropic(base_url=url, api_key="test") as bare:
        client = seawall.protect(bare, plugins=["streaming", "backoff", "tokens"])
        async with asyncio.TaskGroup() as tasks:
            for _ in range(TASKS):
                tasks.create_task(ask(client))


@contextmanager
def running(url: str, count: int, store: str, folder: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run so many processes that work."""
    environment = {**os.environ, "SEAWALL_STATE": store, "SEAWALL_STATE_DIR": folder}
    command = [sys.executable, str(Path(__file__)), "--work", url]
    started = [
        subprocess.Popen([*command, str(seed)], env=environment)  # noqa: S603 - ourselves
        for seed in range(count)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Seen:
    """What the simulator has counted so far."""

    served: int
    refused: int
    tokens: int
    wasted: int

    @classmethod
    def by(cls, simulator: Simulator) -> "Seen":
        """What it has counted."""
        requests = simulator.requests
        refused = [request for request in requests if request.status == 429]
        wasted = sum(len(str(request.body)) // 4 for request in refused)
        return cls(len(requests) - len(refused), len(refused), simulator.billed.input_tokens, wasted)


def measure(store: str, count: int, seconds: float) -> bool:
    """Run a fleet; print what was seen, and return whether the bars were met."""
    with ExitStack() as stack:
        simulator = stack.enter_context(Simulator(limits=LIMITS, answer_tokens=100, tokens_per_event=50))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(redis_server()) if store == "redis" else store
        processes = stack.enter_context(running(simulator.base_url, count, url, folder))
        wait = threading.Event().wait
        wait(WARM_UP * seconds)
        before, begun = Seen.by(simulator), time.monotonic()
        wait((1 - WARM_UP) / 3 * seconds)
        processes[0].send_signal(signal.SIGKILL)
        wait((1 - WARM_UP) * 2 / 3 * seconds)
        after, took = Seen.by(simulator), time.monotonic() - begun
    served = after.served - before.served
    if not served:
        print(f"{store:<8} {count} processes: nothing was served in {took:.0f} s; give them more --seconds")
        return False
    good = (after.tokens - before.tokens) / ((LIMITS.itpm or 0) * took / 60)
    refused = 1_000 * (after.refused - before.refused) / served
    waste = (after.wasted - before.wasted) / (after.tokens - before.tokens)
    print(f"{store:<8} {count} processes: {served:,} served, {good:.1%} of the limit, ", end="")
    print(f"{refused:.2f} 429s per 1,000, {waste:.2%} uploaded for nothing")
    return good >= 0.99 and refused < 1 and waste < 0.01


def main() -> int:
    """Measure each store; return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=at_least(10.0), default=120.0)
    parser.add_argument("--processes", type=at_least(1), default=8)
    parser.add_argument("--stores", nargs="+", default=["sqlite", "redis"])
    parser.add_argument("--work", nargs=2, metavar=("URL", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        asyncio.run(work(options.work[0], int(options.work[1])))
    met = [measure(store, options.processes, options.seconds) for store in options.stores]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
