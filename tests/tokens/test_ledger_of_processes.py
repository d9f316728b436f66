"""A process that writes the ledger is killed: nothing is torn, and only what it had under way is missing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seawall_testkit import Simulator
from seawall_tokens.report import read

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNTANT = Path(__file__).with_name("accountant.py")
LEAVER = ACCOUNTANT.with_name("leaver.py")
THREADS = 4

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEAWALL_STATE_DIR", str(tmp_path))
    return tmp_path / "ledger.sqlite"


@contextmanager
def accountant(simulator: Simulator, threads: int, *, max_tokens: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(ACCOUNTANT), simulator.base_url, str(threads), str(max_tokens)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def rows(path: Path) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.row_factory = sqlite3.Row
        return connection.execute("SELECT * FROM attempts").fetchall()


def test_of_a_killed_process_all_calls_that_had_ended_are_there_as_they_were_billed(path):
    with Simulator(answer_tokens=20) as simulator:
        with accountant(simulator, THREADS, max_tokens=100) as process:
            told = [process.stdout.readline().strip() for _ in range(60)]
            process.send_signal(signal.SIGKILL)
            # what it told before it died
            told += process.stdout.read().split()
        assert simulator.wait_until(lambda: not simulator.active_responses)
        sent = {said.body["messages"][0]["content"]: said for said in simulator.requests}
    found = {row["caller"]: row for row in rows(path) if row["ended"] == "ok"}
    assert set(told) <= set(found)
    assert len(sent) - len(found) <= THREADS
    for number, row in found.items():
        said = sent[f"Write report {number}."]
        assert (row["input_tokens"], row["output_tokens"]) == (said.input_tokens, said.output_tokens)


def test_of_a_killed_process_what_streamed_is_counted_as_far_as_it_had_been_written(path):
    with Simulator(answer_tokens=60_000, tokens_per_second=500) as simulator:
        with accountant(simulator, 1, max_tokens=64_000) as process:
            # its thread has written how far the answer has come
            assert simulator.wait_until(lambda: read(path).totals.output_tokens > 50, timeout=60)
            process.send_signal(signal.SIGKILL)
        assert simulator.wait_until(lambda: not simulator.active_responses)
        (sent,) = simulator.requests
    (row,) = rows(path)
    assert (row["ended"], row["input_tokens"]) == (None, sent.input_tokens)
    assert 50 < row["output_tokens"] < 1.5 * sent.output_tokens
    found = read(path)
    assert (found.lost, found.totals.wasted_output_tokens) == (1, row["output_tokens"])


def test_others_go_on_with_the_file_of_a_killed_process(path):
    with Simulator(answer_tokens=20) as simulator, accountant(simulator, THREADS, max_tokens=100) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = read(path).totals.attempts
        with accountant(simulator, 1, max_tokens=100) as other:
            assert other.stdout.readline()
    assert read(path).totals.attempts > before > 0
    assert list(path.parent.glob("*damaged*")) == []


def test_a_program_that_ends_while_a_daemon_thread_streams_has_told_how_far_that_had_come(path):
    with Simulator(answer_tokens=60_000, tokens_per_second=500) as simulator:
        subprocess.run([sys.executable, str(LEAVER), simulator.base_url, "1"], check=True)
        assert simulator.wait_until(lambda: not simulator.active_responses)
        (sent,) = simulator.requests
    (row,) = rows(path)
    assert (row["ended"], row["input_tokens"]) == (None, sent.input_tokens)
    assert row["output_tokens"] > 0
