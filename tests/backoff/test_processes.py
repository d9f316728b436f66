"""An outage over real sockets: eight processes that share a store have one probe that speaks for all."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from backoff.worker import Worker
from seawall_testkit import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seawall_testkit.journal import Received

THREADS = 3
PATIENCE = 300.0
"""Seconds that no test takes: it is for machines with too much to do."""


@pytest.fixture(params=["sqlite", "redis"])
def state(request: Any, tmp_path: Path) -> dict[str, str]:
    """The variables that name a store which is shared by this test's processes alone."""
    if request.param == "redis":
        server = request.getfixturevalue("own_redis_server")
        return {"SEAWALL_STATE": server.url}
    return {"SEAWALL_STATE": "sqlite", "SEAWALL_STATE_DIR": str(tmp_path)}


@pytest.fixture
def make_workers(state: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., list[Worker]]]:
    """Start processes, and wait until the API has served each of them."""
    with ExitStack() as stack:

        def make(count: int, simulator: Simulator, threads: int = THREADS) -> list[Worker]:
            workers = []
            for number in range(count):
                file = tmp_path / f"worker-{number}"
                workers.append(Worker(simulator.base_url, threads, state, file))
                stack.callback(workers[-1].close)
            simulator.wait_until(lambda: len(workers_of(simulator.requests)) == count, PATIENCE)
            return workers

        yield make


def test_eight_processes_have_one_probe_and_lose_no_call(make_workers: Any) -> None:
    at_once: list[int] = []

    def observe(received: Received) -> None:
        if received.stream:
            # it has ended, so these are others
            at_once.append(sum(other.stream and not other.ended for other in simulator.requests))

    with Simulator(observer=observe) as simulator:
        workers = make_workers(8, simulator)
        before = len(simulator.requests)
        simulator.begin_outage(529, seconds=0.3)
        simulator.wait_until(lambda: len(probes(simulator.requests, 529)) >= 2, PATIENCE)
        simulator.end_outage()
        simulator.wait_until(lambda: probes(simulator.requests, 200), PATIENCE)
        closed = len(served(simulator.requests))
        simulator.wait_until(lambda: len(served(simulator.requests)) > closed + 8 * THREADS, PATIENCE)
        found = results(workers)
        requests = simulator.requests
    assert found == [{"ok"}] * 8
    assert set(at_once) == {0}
    assert len(probes(requests, 200)) == 1
    in_vain = [received for received in requests[before:] if received.status == 529 and not received.stream]
    # what was on its way, and the few that opened the circuit once more
    assert len(in_vain) <= 8 * THREADS + 5


def test_a_probe_that_is_killed_is_followed_by_another_at_once(make_workers: Any) -> None:
    with Simulator() as simulator:
        workers = make_workers(3, simulator)
        simulator.begin_outage(529)
        simulator.wait_until(lambda: probes(simulator.requests, 529), PATIENCE)
        # the next one hangs
        before = len(simulator.requests)
        simulator.begin_outage(529, seconds=600.0)
        simulator.wait_until(lambda: hanging(simulator.requests[before:]), PATIENCE)
        pid = hanging(simulator.requests[before:])[0].headers["x-worker"]
        killed = next(worker for worker in workers if str(worker.process.pid) == pid)
        simulator.end_outage()
        killed.process.kill()
        simulator.wait_until(lambda: probes(simulator.requests, 200), PATIENCE)
        left = [worker for worker in workers if worker is not killed]
        assert results(left) == [{"ok"}] * 2


def test_connections_that_are_refused_hold_calls_as_well(make_workers: Any) -> None:
    with Simulator() as simulator:
        # one connection each, so that none begins while the listener closes: asyncio would lose it unclosed
        workers = make_workers(3, simulator, threads=1)
        simulator.stop_listening()
        for worker in workers:
            worker.wait_for("is down (APIConnectionError: ")
        before = len(simulator.requests)
        simulator.start_listening()
        simulator.wait_until(lambda: len(served(simulator.requests)) > before + 12, PATIENCE)
        assert results(workers) == [{"ok"}] * 3
        assert len(probes(simulator.requests, 200)) == 1


def results(workers: list[Worker]) -> list[set[str]]:
    """Have them end, all at once; returns what became of their calls."""
    for worker in workers:
        worker.end()
    return [worker.result(PATIENCE) for worker in workers]


def workers_of(requests: list[Received]) -> set[str]:
    """The workers that were served."""
    return {received.headers["x-worker"] for received in served(requests)}


def probes(requests: list[Received], status: int) -> list[Received]:
    """The probes that were answered with a status: workers do not stream, so all that is streamed is one."""
    return [received for received in requests if received.stream and received.status == status]


def hanging(requests: list[Received]) -> list[Received]:
    """The probes that have no answer."""
    return [received for received in requests if received.stream and not received.ended]


def served(requests: list[Received]) -> list[Received]:
    """Those that were accepted."""
    return [received for received in requests if received.status == 200]
