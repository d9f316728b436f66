"""Whether anything leaks: protected calls without pause on a network that fails at random.

    uv run python benchmarks/soak.py --minutes 10 [--calls 200] [--seed 1]

Half of the calls run in threads with one sync client, half in tasks with one async client; each is made by a
drawn surface, and some are abandoned half-way, cancelled or ended by a deadline. The simulators run in a
process of their own, each with faults of its own; every transient kind comes on some of them. Where every
call gets an error status once, a circuit would hold all but a few, so there calls know nothing of each other
(`mode = "off"`); outages are what `outage.py` is about.

After a warm-up of a fifth of the time the table tells the least, median and greatest of every figure, and how
it grows by the minute. The exit code is 1 when an answer was not exact or a call failed or hung, when the
memory still grew by more than a twentieth from the middle to the last fifth of what was measured, or when at
the end, with the clients closed, anything is left that was not there before.
"""

import argparse
import asyncio
import gc
import multiprocessing
import os
import random
import sys
import threading
import time
import weakref
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import anthropic
from arguments import at_least
from own_state import own_state
from soak_calls import ANSWER, arun, chosen, drawn, run

import seawall
from seawall_testkit import Fault, Simulator

TOKENS_PER_SECOND = 150.0
SETTINGS = {
    "backoff": {"base": 0.05, "cap": 1.0, "max_attempts": 30},
    "streaming": {"idle_timeout": 2.0, "content_timeout": 1.5},
}
WHERE_IT_REFUSES = {**SETTINGS, "backoff": {**SETTINGS["backoff"], "mode": "off"}}
WARM_UP = 0.2
GROWTH = 0.05
"""Share by which the memory may grow, once the allocator has what it needs."""
SAMPLES = 100
PATIENCE = 90.0
"""Seconds the last calls, which a circuit may hold, and then what they leave behind, may take to end."""
MIDWAY = ("reset", "fin", "eof", "error_event", "malformed_json", "invalid_utf8")
SILENT = ("stall", "stall_with_pings")
STATUSES = (429, 500, 502, 503, 504, 529)
EARLY = ("refuse", "reset_before_headers", "ramp_limit_exceeded", "html", "empty")
KINDS = (*MIDWAY, *SILENT, *EARLY, "cut_frame", "drip", *map(str, STATUSES))
ERRORS = ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
MISBEHAVIOURS = ("exact", "exact", "repeat", "preamble", "whitespace", "start_over")
SIMULATORS = 2 * len(KINDS)
_EVENTS = range(2, 54)
_BYTES_PER_EVENT = 180


def fault_of(kind: str, attempt: int, rng: random.Random) -> Fault:
    """A fault of a kind, at a drawn place."""
    event = rng.choice(_EVENTS)
    if kind in EARLY:
        options: dict[str, Any] = {"refuse": {"seconds": 0.1}, "ramp_limit_exceeded": {"retry_after": "0"}}
        return Fault(kind, attempt=attempt, **options.get(kind, {}))
    if kind.isdigit():
        asked: dict[str, Any] = {"retry_after": "", "retry_after_ms": "50"} if kind == "429" else {}
        return Fault("status", attempt=attempt, status=int(kind), **asked)
    if kind in {"cut_frame", "drip"}:
        return Fault(kind, attempt=attempt, byte=event * _BYTES_PER_EVENT)
    error = rng.choice(ERRORS) if kind == "error_event" else None
    return Fault(kind, attempt=attempt, event=event, error_type=error)


def serve(pipe: Connection, seed: int) -> None:
    """Run the simulators; answers every message with the connections that are open, until `None` comes."""
    simulators, drawn_faults = [], []
    for number in range(SIMULATORS):
        rng = random.Random(f"{seed} simulator {number}")
        faults = [fault_of(KINDS[number % len(KINDS)], 1, rng)]
        faults += [fault_of(rng.choice(KINDS), attempt, rng) for attempt in (2, 3) if rng.random() < 0.4]
        drawn_faults.append(faults)
        how: Any = rng.choice(MISBEHAVIOURS)
        simulators.append(
            Simulator(faults=faults, misbehaviour=how, tokens_per_second=TOKENS_PER_SECOND, **ANSWER).start()
        )
    hangs = [any(fault.kind == "stall_with_pings" for fault in faults) for faults in drawn_faults]
    refuses = [any(fault.place == "head" for fault in faults) for faults in drawn_faults]
    pipe.send(list(zip([simulator.base_url for simulator in simulators], hangs, refuses, strict=True)))
    while pipe.recv() is not None:
        pipe.send(sum(simulator.open_connections for simulator in simulators))
    for simulator in simulators:
        simulator.stop()


class Alive:
    """A plugin that knows which calls have not been freed."""

    name = "alive"

    def __init__(self) -> None:
        self.calls: weakref.WeakSet[seawall.Call] = weakref.WeakSet()
        self.attempts = 0
        self._lock = threading.Lock()

    @seawall.hookimpl
    def pre_request(self, call: seawall.Call) -> None:
        with self._lock:
            self.calls.add(call)
            self.attempts += 1


@dataclass
class Tally:
    """What became of the calls; counted under its lock."""

    ended: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, way: str, text: str, whole: str, *, is_finished: bool) -> None:
        """Compare what a caller has with what it must be."""
        is_right = text == whole if is_finished else whole.startswith(text)
        with self.lock:
            self.ended[way if is_finished else f"{way}: unfinished"] += 1
            self.wrong[f"inexact: {way}"] += not is_right

    def fail(self, way: str, error: BaseException) -> None:
        """Count a call that ended in an error."""
        name = f"{way}: {type(error).__name__}: {error}"[:100]
        said = " ".join([name, *getattr(error, "__notes__", ())])
        with self.lock:
            self.wrong[said] += 1


class Soak:
    """The calls, and what is seen of them from outside."""

    def __init__(self, seed: int, pipe: Connection) -> None:
        self._seed = seed
        self._pipe = pipe
        self._simulators: list[tuple[str, bool, bool]] = pipe.recv()
        self.alive = Alive()
        self.tally = Tally()
        self.until = 0.0
        self._plugins = ["streaming", "backoff", "tokens", "progress", "files", self.alive]

    def sample(self) -> dict[str, float]:
        """Every figure, now; in the event loop."""
        self._pipe.send("?")
        return {
            "memory, MB": memory() / 1e6,
            "connections": self._pipe.recv(),
            "file descriptors": descriptors(),
            "threads": threading.active_count(),
            "tasks": len(asyncio.all_tasks()),
            "calls": len(self.alive.calls),
        }

    def warm(self) -> None:
        """Make one call: what a process keeps open from then on, its ledger and its state, is no leak."""
        with anthropic.Anthropic(api_key="test") as bare:
            client, _ = self._protected(bare)[0]
            client.messages.create(
                model="claude-opus-5-5", max_tokens=4096, messages=[{"role": "user", "content": "Warm up."}]
            )

    async def soak(self, calls: int, seconds: float) -> list[tuple[float, dict[str, float]]]:
        """Run so many calls at a time; returns samples with their moments."""
        samples = []
        self.until = time.monotonic() + seconds
        with anthropic.Anthropic(api_key="test") as bare:
            clients = self._protected(bare)
            threads = [
                threading.Thread(target=self._thread, args=(number, clients), daemon=True)
                for number in range(calls // 2)
            ]
            async with anthropic.AsyncAnthropic(api_key="test") as abare:
                aclients = self._protected(abare)
                tasks = [
                    asyncio.create_task(self._task(number, aclients)) for number in range(calls - calls // 2)
                ]
                for thread in threads:
                    thread.start()
                while time.monotonic() < self.until:
                    await asyncio.sleep(max(seconds / SAMPLES, 0.5))
                    samples.append((time.monotonic() - self.until + seconds, self.sample()))
                done, hung = await asyncio.wait(tasks, timeout=PATIENCE)
                for task in done:
                    task.result()
            deadline = time.monotonic() + PATIENCE
            for thread in threads:
                await asyncio.to_thread(thread.join, max(deadline - time.monotonic(), 0.0))
        self.tally.wrong["hung"] = len(hung) + sum(thread.is_alive() for thread in threads)
        return samples

    def _protected(self, bare: Any) -> list[tuple[Any, bool]]:
        """One client for each simulator, all with the connections of `bare`."""
        clients = []
        for url, hangs, refuses in self._simulators:
            settings = WHERE_IT_REFUSES if refuses else SETTINGS
            client = bare.with_options(base_url=url)
            clients.append((seawall.protect(client, settings=settings, plugins=self._plugins), hangs))
        return clients

    def _thread(self, number: int, clients: list[tuple[anthropic.Anthropic, bool]]) -> None:
        rng, count = random.Random(f"{self._seed} thread {number}"), 0
        while time.monotonic() < self.until:
            count += 1
            task = drawn(f"{self._seed} thread {number} {count}", rng)
            try:
                text, is_finished = run(chosen(clients, task, rng), task)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                self.tally.fail(task.way, error)
            else:
                self.tally.note(task.way, text, task.whole, is_finished=is_finished)

    async def _task(self, number: int, clients: list[tuple[anthropic.AsyncAnthropic, bool]]) -> None:
        rng, count = random.Random(f"{self._seed} task {number}"), 0
        while time.monotonic() < self.until:
            count += 1
            task = drawn(f"{self._seed} task {number} {count}", rng)
            try:
                text, is_finished = await arun(chosen(clients, task, rng), task)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                self.tally.fail(task.way, error)
            else:
                self.tally.note(task.way, text, task.whole, is_finished=is_finished)

    async def settled(self, base: dict[str, float]) -> dict[str, float]:
        """What is left when all has ended, once it is no more than there was, or patience is over."""
        deadline = time.monotonic() + PATIENCE
        while True:
            gc.collect()
            left = self.sample()
            if time.monotonic() > deadline or not leaks(base, left):
                return left
            await asyncio.sleep(0.2)


def memory() -> int:
    """Bytes of this process that are in memory."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import psutil  # type: ignore[import-untyped]  # noqa: PLC0415 - where there is no /proc

    return int(psutil.Process().memory_info().rss)


def descriptors() -> int:
    """File descriptors that are open; 0 where that cannot be told."""
    folders = filter(Path.exists, map(Path, ("/proc/self/fd", "/dev/fd")))
    return next((len(list(folder.iterdir())) for folder in folders), 0)


def leaks(base: dict[str, float], left: dict[str, float]) -> list[str]:
    """What is left and was not there before; memory is judged by its growth."""
    return [
        f"{name}: {left[name]:.0f} left, {before:.0f} before"
        for name, before in base.items()
        if not name.startswith("memory") and left[name] > before
    ]


def show(
    measured: list[tuple[float, dict[str, float]]], base: dict[str, float], left: dict[str, float]
) -> None:
    """Print the table."""
    print(f"\n{'':<18}{'before':>9}{'min':>9}{'median':>9}{'max':>9}{'at the end':>12}{'growth/minute':>15}")
    minutes = [moment / 60 for moment, _ in measured]
    for name, before in base.items():
        values = [sample[name] for _, sample in measured]
        slope = linear_regression(minutes, values).slope
        print(
            f"{name:<18}{before:>9.1f}{min(values):>9.1f}{median(values):>9.1f}{max(values):>9.1f}"
            f"{left[name]:>12.1f}{slope:>+15.2f}"
        )


def growth(measured: list[tuple[float, dict[str, float]]]) -> float:
    """The share by which the memory grew from the middle to the last fifth."""
    values = [sample["memory, MB"] for _, sample in measured]
    fifth = max(len(values) // 5, 1)
    return median(values[-fifth:]) / median(values[2 * fifth : 3 * fifth]) - 1


def judged(soak: Soak, calls: int, seconds: float) -> list[str]:
    """Soak, print, and return what is not as it must be."""
    # event loops of their own: one that ends takes its worker threads along
    soak.warm()
    base = asyncio.run(soak.settled({}))
    samples = asyncio.run(soak.soak(calls, seconds))
    left = asyncio.run(soak.settled(base))
    measured = [sample for sample in samples if sample[0] >= WARM_UP * seconds]
    show(measured, base, left)
    tally = soak.tally
    print(f"\n{tally.ended.total()} calls, {soak.alive.attempts} attempts:")
    print("\n".join(f"{count:>8}  {way}" for way, count in sorted(tally.ended.items())))
    grown = growth(measured)
    print(f"memory grew by {grown:+.1%}")
    wrong = [f"{count} times: {what}" for what, count in tally.wrong.items() if count]
    wrong += leaks(base, left)
    if left["threads"] > base["threads"]:
        wrong.append(f"the threads: {', '.join(sorted(thread.name for thread in threading.enumerate()))}")
    return wrong + ([f"memory grew by {grown:.1%}, more than {GROWTH:.0%}"] if grown > GROWTH else [])


def main() -> None:
    """Run, print, and say whether anything leaked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=at_least(0.1), default=10.0, help="in less than 5 the memory still finds its level"
    )
    parser.add_argument("--calls", type=at_least(2), default=200, help="at a time, 2 or more")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.calls} calls at a time for {options.minutes} minutes")
    pipe, other = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(other, options.seed), daemon=True
    )
    server.start()
    try:
        wrong = judged(Soak(options.seed, pipe), options.calls, options.minutes * 60)
    finally:
        server.terminate()
        server.join()
    print("\n".join(["failed:", *wrong]) if wrong else "nothing leaked, every answer was exact")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    with own_state():
        main()
