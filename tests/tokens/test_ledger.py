"""What the ledger holds: against what the simulator billed, after kills, races, forks and broken files."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL, call, plugins
from seawall import Attempt, Call, Chunk, Offload, Outcome, Usage
from seawall_testkit import Fault, Simulator
from seawall_testkit.prose import pieces
from seawall_tokens import ledger_file, report
from seawall_tokens.ledger import Ledger
from seawall_tokens.prices import ModelPrice, Prices

HERE = Path(__file__).parent
CHEAP = Prices({MODEL: ModelPrice(input=1, output=10)})


class Accountant:
    """Drives a ledger from the hooks, as a plugin does; counts a text as the simulator counts it."""

    name = "accountant"

    def __init__(self, ledger: Ledger, caller: str = "tests") -> None:
        self.ledger = ledger
        self.caller = caller

    @seawall.hookimpl
    def pre_request(self, call: Call) -> Offload:
        return Offload(lambda: self.ledger.begun(call, self.caller))

    @seawall.hookimpl
    def on_chunk(self, call: Call, chunk: Chunk) -> None:
        self.ledger.streamed(call, chunk)

    @seawall.hookimpl
    def on_error(self, call: Call, error: Exception) -> Offload:
        return Offload(lambda: self.ledger.failed(call, error))

    @seawall.hookimpl
    def post_response(self, call: Call, outcome: Outcome) -> Offload:
        return Offload(lambda: self.ledger.ended(call, outcome))

    @seawall.hookimpl(tryfirst=True)
    def estimate_tokens(self, text: str, model: str) -> int:
        return len(pieces(text))


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite", prices=CHEAP)
    yield ledger
    ledger.close()


def rows(ledger: Ledger) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY id")]


def totals(ledger: Ledger) -> report.Sums:
    return report.read(ledger.path).totals


def a_call(model: str = MODEL, *, stream: bool = True) -> Call:
    return Call(id="c" * 12, params={"model": model, "max_tokens": 100}, stream=stream)


def delta(**content: str) -> Chunk:
    return Chunk("content_block_delta", {"type": "content_block_delta", "delta": content}, b"")


def start(**usage: Any) -> Chunk:
    return Chunk("message_start", {"type": "message_start", "message": {"usage": usage}}, b"")


def outcome(call: Call, status: Any = "completed", error: Exception | None = None) -> Outcome:
    return Outcome(status, tuple(call.attempts), {"usage": {}}, error)


def one_attempt(ledger: Ledger, *, output: int = 0, **attempt: Any) -> None:
    """A call of one attempt."""
    made = a_call()
    made.attempts.append(Attempt(1, "send", status=200, usage=Usage(10, output), **attempt))
    ledger.begun(made)
    ledger.ended(made, outcome(made))


# -- what was billed

BEFORE_THE_BODY = ("status", "reset_before_headers", "empty", "html")
IN_THE_BODY = ("eof", "fin", "cut_frame", "error_event")
EVENT = 4
"""Tokens of one delta: what was billed with the event in which a stream broke, and never came whole."""


def random_fault(rng: random.Random, attempt: int) -> Fault:
    kind = rng.choice(BEFORE_THE_BODY + IN_THE_BODY)
    if kind == "status":
        return Fault(kind, attempt, status=rng.choice((429, 500, 529)), retry_after="0")
    return Fault(kind, attempt, event=rng.randrange(120) if kind in IN_THE_BODY else None)


def random_calls(simulator: Simulator, ledger: Ledger, rng: random.Random, calls: int) -> None:
    surfaces = [(m, s) for m in ("sync", "async") for s in ("create", "stream=True", "messages.stream()")]
    system = [{"type": "text", "text": "Be brief. " * 900, "cache_control": {"type": "ephemeral"}}]
    for number in range(calls):
        mode, surface = rng.choice(surfaces)
        options: dict[str, Any] = {"model": rng.choice((MODEL, "claude-haiku-4-5"))}
        options["messages"] = [{"role": "user", "content": f"Report {number}. " * rng.randrange(1, 40)}]
        if rng.random() < 0.5:
            options["system"] = system
        enabled = [*plugins(hold="blocks", continue_after_tokens=rng.choice((0, 60))), Accountant(ledger)]
        with contextlib.suppress(anthropic.APIError):
            call(simulator, mode, surface, enabled, **options)


@pytest.mark.parametrize("seed", range(6))
def test_the_sums_are_what_was_billed_to_the_token(ledger, seed):
    rng = random.Random(seed)
    billed, requests = [0, 0, 0], []
    for _ in range(4):
        faults = [random_fault(rng, attempt) for attempt in range(1, rng.randrange(1, 9))]
        with Simulator(faults=faults, answer_tokens=rng.randrange(5, 400), seed=seed) as simulator:
            random_calls(simulator, ledger, rng, 10)
            simulator.wait_until(lambda sim=simulator: not sim.active_responses)
            was = simulator.billed
            requests += simulator.requests
        billed[0] += was.input_tokens
        billed[1] += was.cache_read_input_tokens
        billed[2] += was.cache_creation_input_tokens
        logging.getLogger(__name__).info("seed %d: %s", seed, faults)
    sums = totals(ledger)
    assert [sums.input_tokens, sums.cache_read_tokens, sums.cache_write_tokens] == billed
    pairs = list(zip(rows(ledger), requests, strict=True))
    exact = [(row["output_tokens"], sent.output_tokens) for row, sent in pairs if not row["is_estimated"]]
    assert len(exact) >= 40
    assert sum(mine for mine, _ in exact) == sum(theirs for _, theirs in exact)
    estimated = [(row["output_tokens"], sent.output_tokens) for row, sent in pairs if row["is_estimated"]]
    assert all(0 <= theirs - mine <= EVENT for mine, theirs in estimated)
    assert sums.output_tokens == sum(row["output_tokens"] for row, _ in pairs)


def test_an_answer_that_is_not_streamed_is_counted_as_it_tells(ledger):
    with Simulator(faults=[Fault("status", status=529)], answer_tokens=300) as simulator:
        call(simulator, "sync", "create", [*plugins(), Accountant(ledger)], max_tokens=400)
        billed = simulator.billed
    failed, whole = rows(ledger)
    assert (failed["output_tokens"], failed["is_estimated"]) == (0, 0)
    assert (whole["input_tokens"], whole["output_tokens"]) == (billed.input_tokens, billed.output_tokens)
    assert whole["is_estimated"] == 0


def test_every_attempt_says_how_it_ended_and_what_of_it_was_wasted(ledger):
    faults = [Fault("status", status=529), Fault("eof", attempt=2, event=40)]
    with Simulator(faults=faults, answer_tokens=300) as simulator:
        enabled = [*plugins(continue_after_tokens=10_000), Accountant(ledger)]
        call(simulator, "sync", "create", enabled)
        call(simulator, "async", "stream=True", enabled, messages=[{"role": "user", "content": "Another."}])
    found = rows(ledger)
    assert [row["attempt"] for row in found] == [1, 2, 3] * 2
    assert [row["ended"] for row in found] == ["OverloadedError", "TruncatedStreamError", "ok"] * 2
    begun_again, continued = found[1], found[4]
    assert begun_again["wasted_output_tokens"] == begun_again["output_tokens"] > 100
    assert continued["output_tokens"] > 100
    assert [row["wasted_output_tokens"] for row in found if row is not begun_again] == [0] * 5
    assert {(row["caller"], row["model"]) for row in found} == {("tests", MODEL)}
    assert len({row["call"] for row in found}) == 2
    assert found[2]["dollars"] == pytest.approx(
        (found[2]["input_tokens"] + 10 * found[2]["output_tokens"]) / 1e6
    )


def test_all_output_of_a_call_that_failed_is_wasted(ledger):
    with Simulator(faults=[Fault("eof", event=40, times=99)], answer_tokens=300) as simulator:
        enabled = [*plugins(continue_after_tokens=10_000), Accountant(ledger)]
        with pytest.raises(seawall.TruncatedStreamError):
            call(simulator, "sync", "create", enabled)
    sums = totals(ledger)
    assert sums.attempts == 6
    assert sums.wasted_output_tokens == sums.output_tokens > 600


def test_a_call_that_is_given_up_counts_what_had_come(ledger):
    with Simulator(faults=[Fault("stall", event=43)], answer_tokens=300) as simulator:
        bare = anthropic.Anthropic(base_url=simulator.base_url, api_key="test")
        client = seawall.protect(bare, plugins=[Accountant(ledger)])
        params: dict[str, Any] = {"model": MODEL, "max_tokens": 5000, "messages": MESSAGES}
        with bare, client.messages.create(stream=True, **params) as stream:
            for _, _event in zip(range(40), stream, strict=False):
                pass
    (row,) = rows(ledger)
    assert row["ended"] == "abandoned"
    assert row["output_tokens"] >= 140
    assert (row["wasted_output_tokens"], row["is_estimated"]) == (0, 1)


def test_a_stream_that_a_plugin_stops_counts_what_had_come(ledger):
    class Stopper:
        chunks = 0

        @seawall.hookimpl
        def on_chunk(self, call, chunk):
            self.chunks += 1
            return seawall.Stop("enough") if self.chunks == 40 else None

    with Simulator(answer_tokens=300) as simulator, pytest.raises(seawall.StreamStoppedError):
        call(simulator, "sync", "create", [*plugins(), Accountant(ledger), Stopper()])
    (row,) = rows(ledger)
    assert row["ended"] == "stopped"
    assert row["output_tokens"] == (40 - 3) * 4
    assert (row["wasted_output_tokens"], row["is_estimated"]) == (0, 1)


@pytest.mark.parametrize("decision", ["reject", "answer"])
def test_what_was_never_sent_has_no_row(ledger, decision):
    message = {"type": "message", "role": "assistant", "content": [], "usage": {"output_tokens": 7}}

    class Refuser:
        @seawall.hookimpl
        def pre_request(self, call):
            if decision == "answer":
                return seawall.Answer(message)
            return seawall.Reject(seawall.RequestRejectedError("no"))

    with Simulator() as simulator, contextlib.suppress(seawall.RequestRejectedError):
        call(simulator, "sync", "create", [Accountant(ledger), Refuser()])
    assert rows(ledger) == []


def test_an_attempt_that_waits_has_one_row(ledger):
    waits = iter([0.0, 0.0, 0.0])

    class Pacer:
        @seawall.hookimpl
        def pre_request(self, call):
            return next((seawall.Wait(wait, "a turn") for wait in waits), None)

    with Simulator() as simulator:
        call(simulator, "sync", "create", [*plugins(), Accountant(ledger), Pacer()])
    assert [row["ended"] for row in rows(ledger)] == ["ok"]


def test_thinking_and_what_only_the_api_tells_is_kept(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    made = a_call("claude-opus-5-5")
    made.attempts.append(Attempt(1, "send", status=200))
    ledger.begun(made)
    ledger.streamed(
        made, start(input_tokens=5, output_tokens=1, cache_creation={"ephemeral_1h_input_tokens": 1000})
    )
    usage = {"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 30}}
    ledger.streamed(made, Chunk("message_delta", {"type": "message_delta", "usage": usage}, b""))
    made.attempts[0].usage = Usage(5, 50, 1000, 0)
    ledger.ended(made, outcome(made))
    (row,) = rows(ledger)
    assert (row["input_tokens"], row["cache_write_tokens"]) == (5, 1000)
    assert (row["output_tokens"], row["thinking_tokens"], row["is_estimated"]) == (50, 30, 0)
    assert row["dollars"] == pytest.approx((5 * 4 + 1000 * 8 + 50 * 20) / 1e6)  # the hour-long write
    ledger.close()


def test_a_model_without_a_price_has_no_dollars(ledger):
    made = a_call("my-model")
    made.attempts.append(Attempt(1, "send", status=200, usage=Usage(10, 20)))
    ledger.begun(made)
    ledger.ended(made, outcome(made))
    assert rows(ledger)[0]["dollars"] is None


@pytest.mark.parametrize("wrong", [-5, float("nan"), float("inf"), "7", None, True, 10**30, {}])
def test_a_usage_that_is_none_is_0(ledger, wrong):
    made = a_call()
    made.attempts.append(Attempt(1, "send", status=200))
    ledger.begun(made)
    ledger.streamed(made, start(input_tokens=wrong, output_tokens=wrong, cache_creation=wrong))
    made.attempts[0].usage = Usage(wrong, wrong, wrong, wrong)
    ledger.ended(made, outcome(made))
    (row,) = rows(ledger)
    assert [row[f"{kind}_tokens"] for kind in ("input", "output", "cache_read", "cache_write")] == [0] * 4


# -- what is in the file


def test_neither_prompt_nor_answer_nor_key_is_in_the_file(ledger):
    secret, prompt = "sk-ant-secret", "Ptolemaios was here."
    with (
        Simulator(faults=[Fault("eof", event=5)], answer="Hipparchos measured it all.") as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key=secret) as bare,
    ):
        client = seawall.protect(bare, plugins=[*plugins(), Accountant(ledger)])
        messages: list[Any] = [{"role": "user", "content": prompt}]
        client.messages.create(model=MODEL, max_tokens=5000, system=prompt, messages=messages)
    ledger.flush()
    kept = b"".join(path.read_bytes() for path in ledger.path.parent.iterdir())
    assert MODEL.encode() in kept
    assert not any(word in kept for word in (secret.encode(), b"Ptolemaios", b"Hipparchos"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_the_file_is_its_users_alone(tmp_path):
    ledger = Ledger(tmp_path / "new" / "folder" / "ledger.sqlite", prices=CHEAP)
    one_attempt(ledger)
    assert ledger.path.parent.stat().st_mode & 0o777 == 0o700
    files = sorted(ledger.path.parent.iterdir())
    assert [path.name.removeprefix("ledger.sqlite") for path in files] == ["", "-shm", "-wal", ".lock"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    ledger.close()
    ledger.path.chmod(0o644)
    one_attempt(ledger)
    assert ledger.path.stat().st_mode & 0o777 == 0o600
    ledger.close()


def test_an_attempt_in_flight_is_counted_by_what_has_streamed(ledger):
    made = a_call()
    made.estimate = lambda text: len(pieces(text))
    made.attempts.append(Attempt(1, "send", usage=Usage(input_tokens=12)))
    ledger.begun(made)
    ledger.streamed(made, start(input_tokens=12, output_tokens=1))
    ledger.streamed(made, delta(type="text_delta", text="some words of text "))
    ledger.flush()
    assert rows(ledger)[0]["output_tokens"] == len(pieces("some words of text "))
    ledger.streamed(made, delta(type="thinking_delta", thinking="a thought "))
    ledger.streamed(made, delta(type="input_json_delta", partial_json="{}"))
    ledger.flush()
    (row,) = rows(ledger)
    assert row["output_tokens"] == sum(len(pieces(text)) for text in ("some words of text ", "a thought {}"))
    assert (row["input_tokens"], row["ended"], row["wasted_output_tokens"]) == (12, None, None)
    assert row["dollars"] == pytest.approx((12 + 10 * row["output_tokens"]) / 1e6)
    found = report.read(ledger.path)
    assert (found.lost, found.totals.wasted_output_tokens) == (0, 0)


def test_an_estimator_that_fails_does_not_stop_the_count(ledger):
    made = a_call()
    made.estimate = lambda text: 1 // 0
    made.attempts.append(Attempt(1, "send"))
    ledger.begun(made)
    ledger.streamed(made, delta(type="text_delta", text="x" * 40))
    ledger.flush()
    assert rows(ledger)[0]["output_tokens"] == 10


def test_nothing_on_the_path_of_a_chunk_touches_the_disk(ledger, caplog):
    made = a_call()
    made.attempts.append(Attempt(1, "send"))
    ledger.begun(made)
    with contextlib.closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")  # whoever touches the file now waits, and says that it failed
        for _ in range(10_000):
            ledger.streamed(made, delta(type="text_delta", text="word "))
        other.execute("ROLLBACK")
    assert caplog.records == []
    ledger.ended(made, outcome(made, "abandoned"))
    assert rows(ledger)[0]["output_tokens"] == 12_500


def test_the_connection_goes_with_the_ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite", prices=CHEAP)
    one_attempt(ledger)
    log = tmp_path / "ledger.sqlite-wal"
    assert log.exists()
    if (follower := ledger._mine().pulse) is not None:
        follower.join()
        del follower
    del ledger
    gc.collect()
    assert not log.exists()


# -- threads, processes, kills


def test_16_threads_lose_and_double_nothing(ledger):
    start_together = threading.Barrier(16)

    def work(number: int) -> None:
        start_together.wait()
        for turn in range(25):
            made = a_call()
            made.attempts.append(Attempt(1, "send", status=200, usage=Usage(number, turn)))
            ledger.begun(made, f"caller {number}")
            ledger.streamed(made, delta(type="text_delta", text="word"))
            ledger.flush()
            made.attempts[0].error = ValueError()
            ledger.failed(made, ValueError())
            made.attempts.append(Attempt(2, "restart", status=200, usage=Usage(number, turn)))
            ledger.begun(made, f"caller {number}")
            ledger.ended(made, outcome(made))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    found = rows(ledger)
    assert sorted(row["ended"] for row in found) == ["ValueError"] * 400 + ["ok"] * 400
    sums = totals(ledger)
    assert (sums.attempts, sums.input_tokens) == (800, 2 * 25 * sum(range(16)))
    for row in found:
        assert row["caller"] == f"caller {row['input_tokens']}"


HEAD = """
import os, sys
from seawall import Attempt, Call, Outcome, Usage
from seawall_tokens.ledger import Ledger
from seawall_tokens.prices import ModelPrice, Prices

ledger = Ledger(sys.argv[1], prices=Prices({"m": ModelPrice(input=1, output=10)}))

def begin(output):
    call = Call(id=os.urandom(6).hex(), params={"model": "m"}, stream=True)
    call.attempts.append(Attempt(1, "send", status=200, usage=Usage(1, output)))
    ledger.begun(call, "child")
    return call

def end(call):
    ledger.ended(call, Outcome("completed", tuple(call.attempts), {}))
"""


def start_child(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HEAD + code, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)


CROWD = """
import genai_prices
gate, opened = os.pipe()
children = []
for number in range(8):
    children.append(os.fork())
    if not children[-1]:
        os.close(opened)
        os.read(gate, 1)  # until the last one is there
        for turn in range(40):
            end(begin(turn))
        os._exit(0)
os.close(opened)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_8_processes_that_begin_at_once_share_one_file(tmp_path):
    child = start_child(CROWD, tmp_path / "ledger.sqlite")
    assert child.communicate(timeout=120) == ("", "")
    assert child.returncode == 0
    sums = report.read(tmp_path / "ledger.sqlite").totals
    assert (sums.attempts, sums.input_tokens, sums.output_tokens) == (320, 320, 8 * sum(range(40)))
    assert aside(tmp_path) == []


KILLED = """
import anthropic, seawall
sys.path += sys.argv[3:]
from test_ledger import Accountant, CHEAP
ledger = Ledger(sys.argv[1], prices=CHEAP, interval=0.01)
client = seawall.protect(
    anthropic.Anthropic(base_url=sys.argv[2], api_key="k"), plugins=["streaming", Accountant(ledger)])
for words in ("first", "second"):
    stream = client.messages.create(
        stream=True, model="claude-opus-5-5", max_tokens=5000, messages=[{"role": "user", "content": words}])
    for event in stream:
        pass
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_process_loses_nothing_but_the_end_of_what_was_in_flight(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Simulator(faults=[Fault("stall", event=43)], answer_tokens=300) as simulator:
        child = start_child(KILLED, path, simulator.base_url, HERE, HERE.parent)
        streamed = 0
        while streamed < (43 - 3) * EVENT and child.poll() is None:
            # every read is of a real file that a real process writes; it ends when the process wrote or died
            if path.exists():
                streamed = report.read(path).totals.output_tokens
        child.send_signal(signal.SIGKILL)
        _, said = child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL, said
        (sent,) = simulator.requests
    found = report.read(path)
    assert (found.lost, found.totals.attempts) == (1, 1)
    assert found.totals.input_tokens == sent.input_tokens
    # the 44th event was billed and never came
    tokens = sent.output_tokens - EVENT
    assert found.totals.output_tokens == found.totals.wasted_output_tokens == tokens
    assert found.totals.dollars == pytest.approx((sent.input_tokens + 10 * tokens) / 1e6)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_what_had_ended_before_a_kill_is_there(tmp_path):
    path = tmp_path / "ledger.sqlite"
    child = start_child("end(begin(7)); begin(5); print('done', flush=True); input()", path)
    assert child.stdout.readline() == "done\n"
    assert report.read(path).lost == 0
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    ledger = Ledger(path, prices=CHEAP)
    one_attempt(ledger, output=1)
    assert [(row["ended"], row["output_tokens"]) for row in rows(ledger)] == [("ok", 7), (None, 0), ("ok", 1)]
    assert report.read(path).lost == 1
    ledger.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_writes_its_own_rows(tmp_path):
    path = tmp_path / "ledger.sqlite"
    code = """
mine = begin(1)
pid = os.fork()
if pid == 0:
    end(begin(10))
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
end(mine)
end(begin(100))
"""
    child = start_child(code, path)
    out, said = child.communicate(timeout=60)
    assert (child.returncode, out) == (0, ""), said
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = connection.execute("SELECT output_tokens, ended, owner FROM attempts ORDER BY 1").fetchall()
    assert [(output, ended) for output, ended, _ in found] == [(1, "ok"), (10, "ok"), (100, "ok")]
    assert found[0][2] == found[2][2] != found[1][2]


def test_a_row_of_another_machine_is_lost_when_nobody_has_updated_it_for_long(ledger):
    made = a_call()
    made.attempts.append(Attempt(1, "send"))
    ledger.begun(made)
    now = datetime.now(UTC)
    for ago, lost in ((timedelta(minutes=1), 0), (timedelta(minutes=11), 1)):
        with contextlib.closing(sqlite3.connect(ledger.path)) as connection, connection:
            values = ("elsewhere 7 12345", (now - ago).timestamp())
            connection.execute("UPDATE attempts SET owner = ?, updated = ?", values)
        assert report.read(ledger.path).lost == lost


# -- files that are broken, places that cannot be written


def aside(folder: Path) -> list[str]:
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if "corrupt-" in name or "newer-" in name]


def test_a_corrupt_file_is_set_aside_and_work_goes_on(ledger, caplog):
    ledger.path.write_bytes(b"no database at all" * 500)
    one_attempt(ledger, output=3)
    one_attempt(ledger, output=4)
    assert totals(ledger).output_tokens == 7
    (name,) = aside(ledger.path.parent)
    assert (ledger.path.parent / name).read_bytes() == b"no database at all" * 500
    (record,) = caplog.records
    assert name in record.getMessage()
    assert "is corrupt" in record.getMessage()


def test_a_newer_file_is_set_aside_whole(ledger, caplog):
    one_attempt(ledger, output=3)
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    ledger.close()
    one_attempt(ledger, output=4)
    assert totals(ledger).output_tokens == 4
    (name,) = aside(ledger.path.parent)
    with contextlib.closing(sqlite3.connect(ledger.path.parent / name)) as connection:
        assert connection.execute("SELECT output_tokens FROM attempts").fetchall() == [(3,)]
    (record,) = caplog.records
    assert "newer version" in record.getMessage()


def test_damage_that_is_found_later_is_set_aside_too(ledger, caplog):
    for _ in range(150):
        one_attempt(ledger)
    ledger.close()
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'attempts'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with ledger.path.open("r+b") as file:
        file.seek((root - 1) * size + 8)
        last = int.from_bytes(file.read(4), "big")  # file format, section 1.6: the right-most child
        file.seek((last - 1) * size)
        file.write(bytes(size))
    one_attempt(ledger, output=9)
    assert totals(ledger).output_tokens == 9
    assert len(aside(ledger.path.parent)) == 1
    assert len(caplog.records) == 1


def test_another_programs_database_is_left_alone(ledger, caplog):
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("CREATE TABLE treasure (coins)")
    before = ledger.path.read_bytes()
    one_attempt(ledger)
    one_attempt(ledger)
    assert ledger.path.read_bytes() == before
    assert aside(ledger.path.parent) == []
    (record,) = caplog.records
    assert "another program's database" in record.getMessage()


def test_a_place_that_cannot_be_written_is_said_once_and_calls_go_on(tmp_path, caplog):
    (tmp_path / "file").touch()
    ledger = Ledger(tmp_path / "file" / "ledger.sqlite", prices=CHEAP)
    with Simulator(answer_tokens=20) as simulator:
        for _ in range(3):
            assert call(simulator, "sync", "create", [*plugins(), Accountant(ledger)]).text
    ledger.flush()
    said = [record for record in caplog.records if record.name == "seawall.tokens.ledger"]
    assert len(said) == 1
    assert "no ledger is kept" in said[0].getMessage()


FULL = """
import logging, resource
logging.basicConfig(format="%(message)s", stream=sys.stdout)
end(begin(1))
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
calls = [begin(n) for n in range(300)]
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
for call in calls: end(call)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of the size of files")
def test_a_full_disk_is_said_once_and_rows_are_written_again_when_there_is_space(tmp_path):
    path = tmp_path / "ledger.sqlite"
    child = start_child(FULL, path)
    out, said = child.communicate(timeout=120)
    assert (child.returncode, said) == (0, "")
    first, second = out.splitlines()
    assert "the ledger cannot be written, calls go on" in first
    assert "written again" in second
    sums = report.read(path).totals
    assert (sums.attempts, sums.output_tokens) == (301, 1 + sum(range(300)))


def test_a_name_that_is_no_unicode_is_written_all_the_same(ledger, caplog):
    made = a_call("model \ud800" + "x" * 1000)
    made.attempts.append(Attempt(1, "send", status=200))
    ledger.begun(made, "caller \udfff")
    ledger.ended(made, outcome(made))
    (row,) = rows(ledger)
    assert (row["model"][:8], len(row["model"]), row["caller"]) == ("model ?x", 200, "caller ?")
    assert caplog.records == []


def test_the_default_place_is_the_users_state_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Ledger().path == ledger_file.default_path()
    assert Ledger().path.name == "ledger.sqlite"
    assert Ledger().path.parent.name == "seawall"


def test_concurrent_calls_of_one_event_loop_have_their_own_rows(ledger):
    async def run() -> None:
        with Simulator(answer_tokens=50) as simulator:
            async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
                client = seawall.protect(bare, plugins=[*plugins(), Accountant(ledger)])
                asks = [[{"role": "user", "content": f"Say {n}."}] for n in range(20)]
                params: dict[str, Any] = {"model": MODEL, "max_tokens": 5000}
                await asyncio.gather(*(client.messages.create(messages=ask, **params) for ask in asks))
            assert totals(ledger).output_tokens == simulator.billed.output_tokens

    asyncio.run(run())
    assert [row["ended"] for row in rows(ledger)] == ["ok"] * 20
