"""An outage over real sockets: eight processes call the simulator, which is switched off and on.

    uv run --group bench python benchmarks/outage_processes.py [--outage 30] [--refuse] [--state redis://…]

8 processes with 4 threads each call again 0.5 seconds after their last call. For some seconds the simulator
answers everything with 529, or with `--refuse` takes no connections. Once all processes run the shipped
plugin, which shares its state, and once the SDK retries by itself.

attempts/s: in the outage; at once: the most probes that were answered at the same moment (with `--refuse`
nobody sees them); peak: the busiest 5 seconds after it, over the rate before; recovered: seconds after its
end until 5 seconds brought 90 % of the rate before; failed: of all calls. The exit code is 1 when Seawall
misses a bar.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack

import anthropic
from arguments import at_least

import seawall
from seawall_testkit import Simulator
from seawall_testkit.journal import Received

PROCESSES, THREADS, PAUSE = 8, 4, 0.5
BEFORE, AFTER, WINDOW = 20.0, 40.0, 5.0
BARS = {"attempts/s": 3.0, "at once": 1.0, "peak": 1.25, "recovered s": 20.0, "failed %": 0.0}


def work(base_url: str, kind: str) -> None:
    """Call until standard input ends, in some threads; print the calls that failed, and all."""
    over = threading.Event()
    client = anthropic.Anthropic(base_url=base_url, api_key="test", timeout=60.0)
    if kind == "Seawall":
        client = seawall.protect(client, plugins=["backoff"])
    results: list[bool] = []

    def call() -> None:
        while not over.is_set():
            messages = [{"role": "user", "content": "Hello."}]
            try:
                client.messages.create(model="claude-opus-5-5", max_tokens=20, messages=messages)
                results.append(True)
            except Exception:  # noqa: BLE001 - it is counted
                results.append(False)
            over.wait(PAUSE)

    threads = [threading.Thread(target=call) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    print(results.count(False), len(results))


class Log:
    """When requests were answered, and how many probes were under way at once."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, int | None]] = []
        self.at_once = 0
        self.simulator: Simulator | None = None

    def __call__(self, received: Received) -> None:
        """Note the end of an answer."""
        self.ends.append((time.monotonic(), received.status))
        if received.stream and self.simulator is not None:
            others = sum(other.stream and not other.ended for other in self.simulator.requests)
            self.at_once = max(self.at_once, others + 1)

    def rate(self, begin: float, end: float, status: int | None = None) -> float:
        """Answers a second, of all or of one status."""
        found = sum(begin <= at < end and status in (None, was) for at, was in self.ends)
        return found / (end - begin)


def measured(kind: str, options: argparse.Namespace) -> dict[str, float]:
    """What became of one outage."""
    log = Log()
    with tempfile.TemporaryDirectory() as folder, Simulator(observer=log) as simulator, ExitStack() as stack:
        log.simulator = simulator
        state = {"SEAWALL_STATE": options.state, "SEAWALL_STATE_DIR": folder}
        processes = [
            stack.enter_context(
                subprocess.Popen(  # noqa: S603 - this file
                    [sys.executable, __file__, "--work", simulator.base_url, "--kind", kind],
                    env={**os.environ, **state},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(PROCESSES)
        ]
        simulator.wait_until(lambda: len(simulator.requests) > 10 * PROCESSES, 300.0)
        begin = _switch_off(simulator, refuse=options.refuse)
        time.sleep(options.outage)  # noqa: TID251 - it lasts so long
        end = time.monotonic()
        simulator.start_listening() if options.refuse else simulator.end_outage()
        time.sleep(AFTER)  # noqa: TID251 - what comes after is measured
        told = [process.communicate()[0].split() for process in processes]
    base = log.rate(begin - BEFORE, begin)
    moments = [end + step for step in range(int(AFTER - WINDOW))]
    good = (at for at in moments if log.rate(at, at + WINDOW, 200) >= 0.9 * base)
    return {
        "base/s": base,
        "attempts/s": log.rate(begin + 1.0, end),
        "at once": log.at_once if kind == "Seawall" else 0,
        "peak": max(log.rate(at, at + WINDOW) for at in moments) / base,
        "recovered s": next(good, end + AFTER) - end,
        "failed %": 100 * sum(int(failed) for failed, _ in told) / sum(int(made) for _, made in told),
    }


def _switch_off(simulator: Simulator, *, refuse: bool) -> float:
    time.sleep(BEFORE)  # noqa: TID251 - the rate before is measured
    simulator.stop_listening() if refuse else simulator.begin_outage(529, seconds=0.2)
    return time.monotonic()


def main() -> int:
    """Print the table; 1 when Seawall misses a bar."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--outage", type=at_least(1.0), default=30.0)
    parser.add_argument("--refuse", action="store_true")
    parser.add_argument("--state", default="sqlite")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.kind)
        return 0
    rows = {kind: measured(kind, options) for kind in ("SDK default", "Seawall")}
    print(f"{'':12} {'  '.join(f'{name:>11}' for name in rows['Seawall'])}")
    for kind, row in rows.items():
        print(f"{kind:12} {'  '.join(f'{value:11.2f}' for value in row.values())}")
    missed = [
        f"{name} {rows['Seawall'][name]:.2f} > {bar}"
        for name, bar in BARS.items()
        if rows["Seawall"][name] > bar
    ]
    print(*missed, sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
