"""An outage over real sockets: eight processes that share a store have one probe that speaks for all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from seawall_testkit import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seawall_testkit.journal import Received

WORKER = Path(__file__).parent / "worker.py"
PATIENCE = 60.0


@contextmanager
def worker(base_url: str, state: dict[str, str], threads: int = 3) -> Iterator[subprocess.Popen[str]]:
    """A process that calls until the block ends."""
    with subprocess.Popen(
        [sys.executable, str(WORKER), base_url, str(threads)],
        env={**os.environ, **state},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def results(process: subprocess.Popen[str]) -> Counter[str]:
    """Have a worker end; returns what became of its calls."""
    told, _ = process.communicate()
    return Counter(line.split()[1] for line in told.splitlines())


@pytest.fixture(params=["sqlite", "redis"])
def state(request: Any, tmp_path: Path) -> dict[str, str]:
    """The variables that name a store which is shared by this test's processes alone."""
    if request.param == "redis":
        server = request.getfixturevalue("own_redis_server")
        return {"SEAWALL_STATE": server.url}
    return {"SEAWALL_STATE": "sqlite", "SEAWALL_STATE_DIR": str(tmp_path)}


def test_eight_processes_have_one_probe_and_lose_no_call(state: dict[str, str]) -> None:
    at_once: list[int] = []

    def observe(received: Received) -> None:
        if received.stream and received.status == 529:
            at_once.append(simulator.active_responses)

    with Simulator(observer=observe) as simulator, ExitStack() as stack:
        processes = [stack.enter_context(worker(simulator.base_url, state)) for _ in range(8)]
        simulator.wait_until(lambda: len(workers_of(simulator.requests)) == 8, PATIENCE)
        simulator.begin_outage(529, seconds=0.3)
        simulator.wait_until(lambda: len(probes(simulator.requests, 529)) >= 2, PATIENCE)
        simulator.end_outage()
        before = len(served(simulator.requests))
        simulator.wait_until(lambda: len(served(simulator.requests)) > before + 50, PATIENCE)
        found = [results(process) for process in processes]
        requests = simulator.requests
    assert [result.keys() for result in found] == [{"ok"}] * 8
    assert at_once == [1] * len(at_once)
    places = [place for place, received in enumerate(requests) if received.stream]
    assert [received.stream for received in requests[places[0] : places[-1] + 1]] == [True] * len(places)
    assert requests[places[-1]].status == 200


def test_a_probe_that_is_killed_is_followed_by_another_at_once(state: dict[str, str]) -> None:
    with Simulator() as simulator, ExitStack() as stack:
        processes = [stack.enter_context(worker(simulator.base_url, state)) for _ in range(3)]
        simulator.wait_until(lambda: len(workers_of(simulator.requests)) == 3, PATIENCE)
        simulator.begin_outage(529)
        simulator.wait_until(lambda: probes(simulator.requests, 529), PATIENCE)
        # the next one hangs
        simulator.begin_outage(529, seconds=600.0)
        before = len(simulator.requests)
        simulator.wait_until(lambda: len(simulator.requests) > before, PATIENCE)
        hanging = simulator.requests[before].headers["x-worker"]
        killed = next(process for process in processes if str(process.pid) == hanging)
        simulator.end_outage()
        killed.kill()
        # its lease alone would last a minute
        simulator.wait_until(lambda: served(simulator.requests[before + 1 :]), 20.0)
        left = [process for process in processes if process is not killed]
        assert [results(process).keys() for process in left] == [{"ok"}] * 2


def test_connections_that_are_refused_hold_calls_as_well(state: dict[str, str]) -> None:
    with Simulator() as simulator, ExitStack() as stack:
        processes = [stack.enter_context(worker(simulator.base_url, state)) for _ in range(3)]
        simulator.wait_until(lambda: len(workers_of(simulator.requests)) == 3, PATIENCE)
        simulator.stop_listening()
        for process in processes:
            assert "is down (APIConnectionError)" in next(line for line in process.stderr if "down" in line)  # type: ignore[union-attr]
        before = len(simulator.requests)
        simulator.start_listening()
        simulator.wait_until(lambda: len(served(simulator.requests)) > before + 30, PATIENCE)
        assert [results(process).keys() for process in processes] == [{"ok"}] * 3


def workers_of(requests: list[Received]) -> set[str]:
    """The workers that were served."""
    return {received.headers["x-worker"] for received in served(requests)}


def probes(requests: list[Received], status: int) -> list[Received]:
    """The probes that were answered with a status: workers do not stream, so all that is streamed is one."""
    return [received for received in requests if received.stream and received.status == status]


def served(requests: list[Received]) -> list[Received]:
    return [received for received in requests if received.status == 200]
