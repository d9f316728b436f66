"""Processes that spend one budget, over real sockets, and one that is killed."""

import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seawall.state import READ, leases, open_store
from seawall_testkit import Simulator
from seawall_tokens.budget import Budget

SPENDER = Path(__file__).with_name("spender.py")
LEAVER = SPENDER.with_name("leaver.py")
LINE = "There is nothing new in this line of the report. "


@pytest.fixture(params=["sqlite", "redis"])
def state(request, own_redis_server, tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("SEAWALL_STATE_DIR", str(tmp_path))
    return own_redis_server.url if request.param == "redis" else "sqlite"


@contextmanager
def lines_of(
    processes: int, simulator: Simulator, state: str, dollars: float
) -> Iterator[Iterator[tuple[int, str, float]]]:
    """Start processes; yield what each says, as `(pid, word, amount)`."""
    arguments = [simulator.base_url, state, str(dollars), str(processes)]
    pids = set()
    with subprocess.Popen([sys.executable, str(SPENDER), *arguments], stdout=subprocess.PIPE) as started:

        def lines() -> Iterator[tuple[int, str, float]]:
            for line in started.stdout:
                pid, word, amount = line.decode().split()
                pids.add(int(pid))
                yield int(pid), word, float(amount)

        try:
            yield lines()
        except BaseException:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            started.kill()
            raise


def on_the_way(tokens_per_second: float) -> float:
    """What may be written before the server hears that a stream is stopped, on a machine that is busy."""
    return 0.2 * tokens_per_second * 25 / 1e6


def cost(simulator: Simulator) -> float:
    return (5 * simulator.billed.input_tokens + 25 * simulator.billed.output_tokens) / 1e6


def test_eight_processes_race_for_the_last_dollar_and_none_passes_the_budget(state):
    said = defaultdict(list)
    with Simulator(answer=LINE * 80, tokens_per_second=1_000) as simulator:
        with lines_of(8, simulator, state, 1.0) as lines:
            for pid, word, amount in lines:
                said[pid].append((word, amount))
        assert simulator.wait_until(lambda: not simulator.active_responses)
        assert 0.9 < cost(simulator) <= 1.0 + 8 * on_the_way(1_000)
    assert len(said) == 8
    for words in said.values():
        assert words[-1][0] == "refused"
        assert words[-1][1] <= 1.0


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
def test_what_a_killed_process_had_told_stays_spent_and_what_it_held_comes_back(state, tmp_path):
    key = Budget(dollars=0.2, per="day").key("")
    with (
        Simulator(answer=LINE * 1_000, tokens_per_second=3_000) as simulator,
        open_store(state, tmp_path) as store,
    ):
        with lines_of(1, simulator, state, 0.2) as lines:
            pid, *_ = next(lines)
            # its input is, as soon as it is sent; what it writes, a second later
            assert simulator.wait_until(lambda: spent(store, key) > 0.01, timeout=30)
            os.kill(pid, signal.SIGKILL)
            assert not list(lines)
        assert simulator.wait_until(lambda: not simulator.active_responses)
        told, killed = spent(store, key), cost(simulator)
        assert leases.held(store.step(READ, key=key))
        with lines_of(1, simulator, state, 0.2) as lines:
            words = [word for _, word, _ in lines]
        assert (words[:2], words[-1]) == (["begun", "stopped"], "refused")
        assert simulator.wait_until(lambda: not simulator.active_responses)
        assert 0.15 < cost(simulator) <= 0.2 + max(killed - told, 0) + on_the_way(3_000)
        assert spent(store, key) >= told + (cost(simulator) - killed) * 0.9


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
def test_a_program_that_ends_while_a_daemon_thread_streams_has_told_what_that_had_spent(state, tmp_path):
    key = Budget(tokens=1_000_000, per="day").key("")
    with Simulator(answer_tokens=60_000, tokens_per_second=500) as simulator:
        subprocess.run([sys.executable, str(LEAVER), simulator.base_url, "20"], check=True)
    with open_store(state, tmp_path) as store:
        # the request's own are some 20
        assert spent(store, key) > 40


def spent(store, key):
    return sum(store.step(READ, key=key).get("spent", {}).values())
