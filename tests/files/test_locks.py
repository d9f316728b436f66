"""One call at a time saves to a file; who waits is told for whom, and a dead one holds nothing."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from seawall_files.errors import TargetLockedError
from seawall_files.locks import TargetLock
from seawall_files.places import holder_path, lock_path, real_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NEVER = 1e-9
"""Seconds to wait in vain."""
HOLD = """
import sys
from pathlib import Path
from seawall_files.locks import TargetLock

lock = TargetLock.take(Path(sys.argv[1]), timeout=0, command="seawall run", clock=lambda: 1_700_000_000.0)
print("held", flush=True)
sys.stdin.read()
lock.release()
"""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return real_target(tmp_path / "report.md")


@pytest.fixture
def holder(target: Path):
    """Another process that saves to the target, until its stdin ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline().strip() == b"held"
        yield process
        process.kill()


def test_the_error_names_who_saves_and_what_to_do(holder, target: Path) -> None:
    with pytest.raises(TargetLockedError) as caught:
        TargetLock.take(target, timeout=NEVER)
    said = str(caught.value)
    assert str(target) in said or "…" in said
    assert f"process {holder.pid} (seawall run) on " in said
    assert "since 2023-11-14 22:13:20 UTC; waited 1e-09 s for it (lock_timeout)" in said
    assert caught.value.timeout == NEVER
    # what the holder wrote is its own still
    holder.stdin.close()
    assert holder.wait() == 0
    assert list(target.parent.iterdir()) == []


def test_a_lock_that_is_given_back_is_taken_by_who_waits(holder, target: Path) -> None:
    taken = []
    thread = threading.Thread(target=lambda: taken.append(TargetLock.take(target, timeout=60)))
    thread.start()
    holder.stdin.close()
    thread.join()
    (lock,) = taken
    assert f'"pid": {os.getpid()}' in holder_path(target).read_text()
    lock.release()
    assert list(target.parent.iterdir()) == []


def test_the_lock_of_a_dead_process_is_taken_at_once(holder, target: Path) -> None:
    holder.kill()
    holder.wait()
    assert lock_path(target).exists()
    assert holder_path(target).exists()
    with TargetLock.take(target, timeout=0):
        assert f'"pid": {os.getpid()}' in holder_path(target).read_text()
    assert list(target.parent.iterdir()) == []


def test_two_calls_of_one_process_exclude_each_other(target: Path) -> None:
    with (
        TargetLock.take(target, timeout=0),
        pytest.raises(TargetLockedError, match=f"process {os.getpid()} "),
    ):
        TargetLock.take(target, timeout=NEVER)
    TargetLock.take(target, timeout=0).release()


def test_threads_take_turns(target: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def save(number: int) -> None:
        with TargetLock.take(target, timeout=60):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def test_another_thread_may_give_it_back_and_more_than_once(target: Path) -> None:
    lock = TargetLock.take(target, timeout=0)
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    with TargetLock.take(target, timeout=0):
        # what was given back does not give back that of another one
        lock.release()
        with pytest.raises(TargetLockedError):
            TargetLock.take(target, timeout=NEVER)


def test_a_lock_that_is_dropped_is_given_back(target: Path) -> None:
    lock = TargetLock.take(target, timeout=0)
    del lock
    gc.collect()
    TargetLock.take(target, timeout=0).release()


@pytest.mark.parametrize(
    "said", [b"", b"[]", b"{}", b"\xff", b'{"pid": "x", "host": 1, "since": 1, "command": ""}']
)
def test_a_holder_that_says_nothing_one_can_read_is_another_process(said: bytes, target: Path) -> None:
    with TargetLock.take(target, timeout=0):
        holder_path(target).write_bytes(said)
        with pytest.raises(TargetLockedError, match="is being saved to by another process; "):
            TargetLock.take(target, timeout=NEVER)


def test_by_default_others_are_told_the_program_and_none_of_its_arguments(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/report", "--key", "sk-secret"])
    with TargetLock.take(target, timeout=0):
        said = holder_path(target).read_text()
    assert '"command": "report"' in said
    assert "secret" not in said


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
@pytest.mark.parametrize(
    "make",
    [lambda path: path.touch(), lambda path: path.symlink_to("other"), lambda path: os.mkfifo(path, 0o600)],
    ids=["of a dead holder", "a link", "a pipe"],
)
def test_a_holder_tells_of_itself_and_writes_over_no_other_file(
    make: Callable[[Path], None], target: Path
) -> None:
    other, told = target.with_name("other"), holder_path(target)
    other.write_text("mine")
    make(told)
    with TargetLock.take(target, timeout=0, command="me"):
        assert '"command": "me"' in told.read_text()
    assert other.read_text() == "mine"
    assert list(target.parent.iterdir()) == [other]


def test_targets_of_one_folder_have_locks_of_their_own(target: Path) -> None:
    with TargetLock.take(target, timeout=0), TargetLock.take(target.with_name("other"), timeout=0):
        pass


def test_a_folder_that_is_not_there_is_an_os_error_that_makes_none(target: Path) -> None:
    with pytest.raises(OSError, match=re.escape("nowhere")):
        TargetLock.take(target.parent / "nowhere" / "f", timeout=0)
    assert list(target.parent.iterdir()) == []
