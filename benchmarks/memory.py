"""What a running stream holds in memory, protected and with the bare SDK, interleaved in one run.

    uv run python benchmarks/memory.py [--streams 1000]

Streams of one process, in tasks, all pause half-way, are measured, and are then read to their end, which must
be exact. "after a break": each was reset before that and has been continued.

It is the server that pauses, when every byte it sent has been read. What is measured while more comes holds
what the network brought besides: up to 64 kB a stream in the buffers of h11 and anyio, which are the same for
both cases and as large as the moment has it.

- added: what tracemalloc counts for a protected stream more than for a bare one, of texts of several lengths;
  the bar is twice the text that was delivered and 32 kB
- at once: `--streams` streams, by the memory the process takes from the system

The exit code is 1 when the bar is missed or an answer is not exact. The simulator runs in a process of its
own, and so does each case, so that none finds memory that another one left.
"""

import argparse
import asyncio
import gc
import multiprocessing
import os
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anthropic
import httpx2
from arguments import at_least
from own_state import own_state

import seawall
from seawall_testkit import Fault, Simulator

TOKENS_PER_EVENT = 16
BAR_TEXTS, BAR_BYTES = 2, 32_000
_LENGTHS = {2_000: 40, 8_000: 20, 32_000: 5}
"""Tokens of an answer, and how many streams are measured at a time."""
_AT_ONCE = 2_000
"""Tokens of an answer where there are very many."""
_BREAK, _HALF = 0.25, 0.5
"""Share of the answer after which it breaks, and pauses."""
_QUIET = 1.0
"""Seconds in which nothing comes, once every stream pauses; longer than the wait before a first retry."""

Client = Callable[[str], anthropic.AsyncAnthropic]


@dataclass(frozen=True)
class Held:
    """What streams held half-way, each in the mean."""

    text: float
    """Bytes of UTF-8 it had delivered."""
    traced: float
    """Bytes that tracemalloc counts for it."""
    resident: float
    """Bytes by which the process grew for it."""
    is_exact: bool


def serve(pipe: Connection) -> None:
    """Run simulators: for streams, tokens and whether answers break, answer the address; `None` ends it."""
    while (asked := pipe.recv()) is not None:
        count, tokens, breaks = asked
        broken, half = (int(tokens * share / TOKENS_PER_EVENT) for share in (_BREAK, _HALF))
        seconds = 4 + count / 60
        faults = [Fault("stall", event=half, seconds=seconds)]
        if breaks:
            rest = Fault("stall", attempt=2, event=half - broken, seconds=seconds)
            faults = [Fault("reset", event=broken), rest]
        simulator = Simulator(faults=faults, **answer(tokens)).start()
        pipe.send(simulator.base_url)
        pipe.recv()
        simulator.stop()


def answer(tokens: int) -> dict[str, Any]:
    """The simulator's options that decide about the answer."""
    return {"answer_tokens": tokens, "tokens_per_event": TOKENS_PER_EVENT}


def resident() -> int:
    """Bytes of this process that are in memory; 0 where that cannot be told."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def bare(url: str) -> anthropic.AsyncAnthropic:
    """A client of the SDK, which lets so many connections be."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    http_client = anthropic.DefaultAsyncHttpxClient(limits=limits)
    return anthropic.AsyncAnthropic(api_key="test", base_url=url, http_client=http_client)


def protected(url: str) -> anthropic.AsyncAnthropic:
    """The same, protected as everyone's is."""
    return seawall.protect(bare(url), plugins=["streaming", "backoff", "tokens", "progress", "files"])


async def held(client_of: Client, url: str, count: int, tokens: int, *, is_traced: bool) -> Held:
    """Read so many streams, measure when all pause, and read them to their end; tracing costs memory."""
    simulator = Simulator(**answer(tokens))
    streams = [Reading(simulator, f"Write report {number}.") for number in range(count)]
    async with client_of(url) as client:
        # what is loaded at a first call is nobody's
        await Reading(simulator, "Warm up.").run(client)
        gc.collect()
        if is_traced:
            tracemalloc.start()
        before = resident()
        tasks = [asyncio.create_task(stream.run(client)) for stream in streams]
        delivered, before_that = 0, -1
        while before_that < delivered or not all(stream.delivered for stream in streams):
            await asyncio.sleep(_QUIET)
            delivered, before_that = sum(stream.delivered for stream in streams), delivered
        gc.collect()
        after, traced = resident(), tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        await asyncio.gather(*tasks)
    is_exact = all(stream.is_exact for stream in streams)
    return Held(delivered / count, traced / count, (after - before) / count, is_exact)


class Reading:
    """One stream that is read and compared; nothing of it is kept."""

    def __init__(self, simulator: Simulator, question: str) -> None:
        self._messages: Any = [{"role": "user", "content": question}]
        self._whole = simulator.text_for(self._messages)
        self.delivered = 0
        """Bytes of UTF-8."""
        self.is_exact = False
        """It came to its end as it should."""

    async def run(self, client: anthropic.AsyncAnthropic) -> None:
        """Read it to its end."""
        place, is_exact = 0, True
        stream = await client.messages.create(
            model="claude-opus-5-5", max_tokens=100_000, messages=self._messages, stream=True
        )
        async for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text = event.delta.text
                is_exact = is_exact and self._whole.startswith(text, place)
                place += len(text)
                self.delivered += len(text.encode())
        self.is_exact = is_exact and place == len(self._whole)


def run_case(case: str, url: str, count: int, tokens: int, is_traced: bool) -> Held:  # noqa: FBT001 - pickled
    """One case, in this process."""
    allow_connections(count)
    return asyncio.run(held(bare if case == "bare" else protected, url, count, tokens, is_traced=is_traced))


def measured(pipe: Connection, case: str, count: int, tokens: int, *, is_traced: bool) -> Held:
    """One case, in a process of its own."""
    pipe.send((count, tokens, case == "after a break"))
    url = pipe.recv()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        found = process.submit(run_case, case, url, count, tokens, is_traced).result()
    pipe.send("done")
    return found


CASES = ("bare", "protected", "after a break")


def one_by_one(pipe: Connection) -> list[str]:
    """Streams of several lengths; returns what missed the bar."""
    missed = []
    print(f"{'text':>9}{'':>3}{'case':<15}{'a stream':>12}{'added':>12}{'bar':>12}{'of bar':>8}{'exact':>7}")
    for tokens, count in _LENGTHS.items():
        found = {case: measured(pipe, case, count, tokens, is_traced=True) for case in CASES}
        for case, row in found.items():
            added = row.traced - found["bare"].traced
            bar = BAR_TEXTS * row.text + BAR_BYTES
            print(
                f"{row.text:>9.0f}{'':>3}{case:<15}{row.traced / 1e3:>9.1f} kB{added / 1e3:>9.1f} kB"
                f"{bar / 1e3:>9.1f} kB{added / bar:>8.2f}{'yes' if row.is_exact else 'NO':>7}"
            )
            if added > bar:
                missed.append(f"{case}, {row.text:.0f} bytes of text: {added:.0f} bytes, more than {bar:.0f}")
            if not row.is_exact:
                missed.append(f"{case}, {row.text:.0f} bytes of text: not exact")
    return missed


def at_once(pipe: Connection, count: int) -> list[str]:
    """Very many streams; returns what was not exact."""
    found = {case: measured(pipe, case, count, _AT_ONCE, is_traced=False) for case in CASES}
    print(f"\n{count} streams at once, each with {found['bare'].text:.0f} bytes of text half-way")
    for case, row in found.items():
        ratio = row.resident / found["bare"].resident if found["bare"].resident else float("nan")
        print(
            f"{case:<15}{row.resident * count / 1e6:>9.1f} MB{row.resident / 1e3:>9.1f} kB a stream"
            f"{ratio:>7.2f} of bare, {'exact' if row.is_exact else 'NOT exact'}"
        )
    return [f"{count} streams, {case}: not exact" for case, row in found.items() if not row.is_exact]


def allow_connections(count: int) -> None:
    """Raise the limit of open files of this process and of those it starts, as far as it may be."""
    try:
        import resource  # noqa: PLC0415 - not on Windows, which has no such limit
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count + 200
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


def main() -> None:
    """Measure, print, and say whether the bar is met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=at_least(1), default=1000, help="at once")
    options = parser.parse_args()
    allow_connections(options.streams)
    pipe, other = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(other,), daemon=True)
    server.start()
    try:
        missed = at_once(pipe, options.streams) + one_by_one(pipe)
    finally:
        server.terminate()
        server.join()
    print("\n".join(["the bar is missed:", *missed]) if missed else "the bar is met")
    sys.exit(bool(missed))


if __name__ == "__main__":
    with own_state():
        main()
