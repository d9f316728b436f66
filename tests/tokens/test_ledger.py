"""The file of the ledger: threads, forks, kills, damage, full disks."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from seawall import Attempt, Call, Outcome, Usage
from seawall_tokens import report
from seawall_tokens.ledger import Ledger, ledger_in
from seawall_tokens.prices import ModelPrice, Prices
from seawall_tokens.rows import PUT, TABLE, Track

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHEAP = Prices({"m": ModelPrice(input=1, output=10)})
NEVER, OFTEN, PATIENCE = 3_600.0, 0.001, 30.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite", interval=NEVER)
    yield ledger
    ledger.close()


def rows(path: Path) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY time, attempt")]


def a_call(*, output: int = 0, **attempt: Any) -> Call:
    call = Call(id=os.urandom(6).hex(), params={"model": "m"}, stream=True)
    call.attempts.append(Attempt(1, "send", **{"status": 200, "usage": Usage(10, output), **attempt}))
    return call


def begun(ledger: Ledger, *, caller: str = "", **attempt: Any) -> Call:
    call = a_call(**attempt)
    ledger.begun(call, caller, CHEAP, lambda params: 0)
    return call


def end(ledger: Ledger, call: Call) -> None:
    ledger.ended(call, Outcome("completed", tuple(call.attempts)))


def one_call(ledger: Ledger, **attempt: Any) -> None:
    end(ledger, begun(ledger, **attempt))


# -- when what is written


def test_a_row_is_there_when_the_call_has_ended(ledger):
    one_call(ledger, output=7)
    (row,) = rows(ledger.path)
    assert (row["output_tokens"], row["ended"], row["owner"]) == (7, "ok", None)


def test_a_row_is_there_when_its_attempt_has_failed(ledger):
    call = begun(ledger, output=7)
    call.attempts[0].error = ValueError()
    ledger.failed(call)
    (row,) = rows(ledger.path)
    assert (row["output_tokens"], row["ended"], row["wasted_output_tokens"]) == (7, "ValueError", None)
    call.attempts.append(Attempt(2, "restart", status=200, usage=Usage(10, 5)))
    ledger.begun(call, "", CHEAP, lambda params: 0)
    end(ledger, call)
    assert [row["wasted_output_tokens"] for row in rows(ledger.path)] == [7, 0]


def test_asked_again_after_a_wait_an_attempt_has_one_row(ledger):
    call = begun(ledger)
    ledger.begun(call, "", CHEAP, lambda params: 0)
    ledger.flush()
    end(ledger, call)
    assert len(rows(ledger.path)) == 1


def test_a_call_that_begins_while_the_others_are_written_has_one_row(tmp_path):
    moments = iter(range(10))

    def clock() -> datetime:
        if (moment := next(moments)) == 0:
            ledger.flush()
        return datetime.fromtimestamp(moment, UTC)

    ledger = Ledger(tmp_path / "ledger.sqlite", interval=NEVER, clock=clock)
    one_call(ledger)
    assert len(rows(ledger.path)) == 1
    ledger.close()


def test_what_was_begun_and_never_sent_has_no_row(ledger):
    call = begun(ledger, status=None)
    ledger.flush()
    end(ledger, call)
    assert not ledger.path.exists()


def test_a_call_that_was_never_begun_is_nothing_to_the_ledger(ledger):
    call = Call(id="c", params={}, stream=True, attempts=[Attempt(1, "send", status=200, error=ValueError())])
    ledger.failed(call)
    end(ledger, call)
    assert not ledger.path.exists()


def test_an_attempt_under_way_is_written_every_few_seconds_as_far_as_it_has_come(tmp_path):
    written = threading.Event()

    class Watched(Ledger):
        def flush(self) -> None:
            super().flush()
            if self.path.exists() and rows(self.path)[0]["output_tokens"] > 100:
                written.set()

    ledger = Watched(tmp_path / "ledger.sqlite", interval=OFTEN)
    call = begun(ledger, written=4)
    call.attempts[0].written = 4_000
    assert written.wait(PATIENCE)
    assert rows(ledger.path)[0]["ended"] is None
    end(ledger, call)
    assert rows(ledger.path)[0]["ended"] == "ok"
    ledger.close()


def test_what_is_known_of_an_ended_attempt_is_not_replaced_by_less(ledger):
    call = a_call(output=7)
    track = Track("", CHEAP, lambda params: 0)
    under_way = track.rows(call, ledger._clock(), "me")[0]._replace(output_tokens=3)
    call.attempts[0].error = ValueError()
    failed = track.rows(call, ledger._clock(), "me")[0]
    last = failed._replace(owner=None, wasted_output_tokens=7)

    def kept(*put):
        ledger._file.run(lambda connection: connection.execute("DELETE FROM attempts"))
        ledger._file.run(lambda connection: connection.executemany(PUT, put))
        return rows(ledger.path)[0]

    assert kept(under_way, failed, last)["wasted_output_tokens"] == 7
    assert kept(last, failed)["wasted_output_tokens"] == 7
    assert kept(failed, under_way)["output_tokens"] == 7
    assert kept(under_way, under_way._replace(output_tokens=5))["output_tokens"] == 5


def test_its_statement_is_one_for_versions_of_sqlite_that_want_to_be_told_of_which_conflict():
    key = re.search(r"PRIMARY KEY (\(.*\))", TABLE)[1]
    assert f"ON CONFLICT {key}\n" in PUT


def test_a_call_that_nobody_has_any_more_is_forgotten(ledger):
    call = begun(ledger)
    assert len(ledger._open) == 1
    del call
    gc.collect()
    assert len(ledger._open) == 0


def test_one_ledger_serves_all_of_a_process(tmp_path):
    start_together = threading.Barrier(16)

    def find(_: int) -> Ledger | None:
        start_together.wait()
        return ledger_in(tmp_path)

    with ThreadPoolExecutor(16) as pool:
        (ledger,) = set(pool.map(find, range(16)))
    assert ledger is not None
    assert ledger.path == tmp_path / "ledger.sqlite"


def test_that_there_can_be_none_is_said_once(caplog):
    assert ledger_in(None) is None
    assert ledger_in(None) is None
    assert len([record for record in caplog.records if "no home directory" in record.getMessage()]) <= 1


# -- what is in the file


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_the_file_is_its_users_alone(tmp_path):
    ledger = Ledger(tmp_path / "new" / "folder" / "ledger.sqlite")
    one_call(ledger)
    assert ledger.path.parent.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in ledger.path.parent.iterdir()} == {0o600}
    ledger.close()


# -- threads, processes, kills


def test_16_threads_lose_and_double_nothing(ledger):
    start_together = threading.Barrier(16)

    def work(number: int) -> None:
        start_together.wait()
        for turn in range(25):
            call = begun(ledger, caller=f"caller {number}", usage=Usage(number, turn))
            ledger.flush()
            call.attempts[0].error = ValueError()
            ledger.failed(call)
            call.attempts.append(Attempt(2, "restart", status=200, usage=Usage(number, turn)))
            ledger.begun(call, f"caller {number}", CHEAP, lambda params: 0)
            end(ledger, call)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    found = rows(ledger.path)
    assert sorted(row["ended"] for row in found) == ["ValueError"] * 400 + ["ok"] * 400
    assert sum(row["input_tokens"] for row in found) == 2 * 25 * sum(range(16))
    for row in found:
        assert row["caller"] == f"caller {row['input_tokens']}"


HEAD = """
import os, sys
from pathlib import Path
from seawall import Attempt, Call, Outcome, Usage
from seawall_tokens.ledger import Ledger
from seawall_tokens.prices import ModelPrice, Prices

ledger = Ledger(Path(sys.argv[1]))
prices = Prices({"m": ModelPrice(input=1, output=10)})

def begin(output):
    call = Call(id=os.urandom(6).hex(), params={"model": "m"}, stream=True)
    call.attempts.append(Attempt(1, "send", status=200, usage=Usage(1, output)))
    ledger.begun(call, "child", prices, lambda params: 0)
    return call

def end(call):
    ledger.ended(call, Outcome("completed", tuple(call.attempts)))
"""


def start_child(code: str, *arguments: object) -> subprocess.Popen[str]:
    # Python 3.12 and newer warn of what forks beside threads, as the ledger's own
    interpreter = [sys.executable, "-W", "ignore::DeprecationWarning"]
    command = [*interpreter, "-c", HEAD + code, *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)


CROWD = """
ledger.flush() # the prices are read once
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


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_kill_loses_neither_what_had_ended_nor_what_was_written_of_the_rest(tmp_path):
    path = tmp_path / "ledger.sqlite"
    code = "end(begin(7)); under_way = begin(5); ledger.flush(); print('done', flush=True); input()"
    child = start_child(code, path)
    assert child.stdout.readline() == "done\n"
    assert report.read(path).lost == 0
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    found = report.read(path)
    assert (found.lost, found.totals.output_tokens, found.totals.wasted_output_tokens) == (1, 12, 5)
    ledger = Ledger(path)
    one_call(ledger, output=1)
    assert [(row["ended"], row["output_tokens"]) for row in rows(path)] == [("ok", 7), (None, 5), ("ok", 1)]
    ledger.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_writes_its_own_rows(tmp_path):
    path = tmp_path / "ledger.sqlite"
    code = """
mine = begin(1)
ledger.flush()
pid = os.fork()
if pid == 0:
    end(mine)  # it is the parent's
    ledger.flush()
    end(begin(10))
    theirs = begin(11)
    ledger.flush()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
end(mine)
end(begin(100))
"""
    child = start_child(code, path)
    assert child.communicate(timeout=60) == ("", "")
    assert child.returncode == 0
    found = sorted((row["output_tokens"], row["ended"]) for row in rows(path))
    assert found == [(1, "ok"), (10, "ok"), (11, None), (100, "ok")]
    assert report.read(path).lost == 1


# -- files that are broken, places that cannot be written


def aside(folder: Path) -> list[str]:
    return sorted(
        path.name for path in folder.iterdir() if ".damaged-" in path.name or ".newer-" in path.name
    )


def test_a_damaged_file_is_set_aside_and_work_goes_on(ledger, caplog):
    ledger.path.write_bytes(b"no database at all" * 500)
    one_call(ledger, output=3)
    one_call(ledger, output=4)
    assert [row["output_tokens"] for row in rows(ledger.path)] == [3, 4]
    (name,) = aside(ledger.path.parent)
    assert (ledger.path.parent / name).read_bytes() == b"no database at all" * 500
    (record,) = caplog.records
    assert name in record.getMessage()
    assert "was damaged" in record.getMessage()


def test_a_newer_file_is_set_aside_whole(ledger, caplog):
    other = Ledger(ledger.path)
    one_call(other, output=3)
    other.close()
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    one_call(ledger, output=4)
    assert [row["output_tokens"] for row in rows(ledger.path)] == [4]
    (name,) = aside(ledger.path.parent)
    assert [row["output_tokens"] for row in rows(ledger.path.parent / name)] == [3]
    (record,) = caplog.records
    assert "later version" in record.getMessage()


def test_a_place_that_cannot_be_written_is_said_once_and_then_nobody_waits_for_it(tmp_path, caplog):
    (tmp_path / "file").touch()
    ledger = Ledger(tmp_path / "file" / "ledger.sqlite", interval=NEVER)
    for _ in range(3):
        one_call(ledger)
    ledger.flush()
    (record,) = caplog.records
    assert "the ledger cannot be written, calls go on" in record.getMessage()


def test_what_could_not_be_written_is_written_later(tmp_path, caplog):
    (tmp_path / "folder").touch()
    ledger = Ledger(tmp_path / "folder" / "ledger.sqlite", interval=NEVER)
    for number in range(3):
        one_call(ledger, output=number)
    (tmp_path / "folder").unlink()
    ledger.flush()
    one_call(ledger, output=3)
    assert sorted(row["output_tokens"] for row in rows(ledger.path)) == [0, 1, 2, 3]
    first, second = (record.getMessage() for record in caplog.records)
    assert "cannot be written" in first
    assert "is written again: " in second
    ledger.close()


def test_the_thread_tries_again_by_itself(tmp_path, caplog):
    others = set(threading.enumerate())
    (tmp_path / "folder").touch()
    ledger = Ledger(tmp_path / "folder" / "ledger.sqlite", interval=OFTEN)
    one_call(ledger, output=5)
    started = [thread for thread in threading.enumerate() if thread not in others]
    (tmp_path / "folder").unlink()
    for thread in started:
        # it ends when nothing is left to be written
        thread.join(PATIENCE)
    assert [row["output_tokens"] for row in rows(ledger.path)] == [5]
    ledger.close()


def test_of_very_much_that_cannot_be_written_the_oldest_is_lost_and_said(tmp_path, caplog):
    (tmp_path / "folder").touch()
    ledger = Ledger(tmp_path / "folder" / "ledger.sqlite", interval=NEVER)
    for number in range(10_003):
        one_call(ledger, output=number)
    ledger.flush()
    (tmp_path / "folder").unlink()
    ledger.flush()
    found = [row["output_tokens"] for row in rows(ledger.path)]
    assert sorted(found) == list(range(3, 10_003))
    assert "3 attempts of the meantime are missing" in caplog.records[-1].getMessage()
    ledger.close()


FULL = """
import logging, resource
logging.basicConfig(format="%(message)s", stream=sys.stdout)
end(begin(1))
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
for n in range(300): end(begin(n))
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
ledger.flush()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of the size of files")
def test_a_full_disk_is_said_once_and_rows_are_written_when_there_is_space(tmp_path):
    path = tmp_path / "ledger.sqlite"
    child = start_child(FULL, path)
    out, said = child.communicate(timeout=120)
    assert (child.returncode, said) == (0, "")
    first, second = out.splitlines()
    assert "the ledger cannot be written, calls go on" in first
    assert "written again" in second
    sums = report.read(path).totals
    assert (sums.attempts, sums.output_tokens) == (301, 1 + sum(range(300)))


def test_a_call_may_end_where_no_thread_can_be_started(tmp_path):
    code = "import atexit; atexit.register(lambda: end(begin(7)))"
    child = start_child(code, tmp_path / "ledger.sqlite")
    assert child.communicate(timeout=60) == ("", "")
    assert [row["output_tokens"] for row in rows(tmp_path / "ledger.sqlite")] == [7]
