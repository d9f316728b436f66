"""Every system call made to fail in turn: a file is the old one or the new one, with nothing beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from files.failing import FAILURES, NEW, OLD
from files.failing_calls import TRIED

pytestmark = pytest.mark.skipif(os.name != "posix", reason="system calls of POSIX")

MEANT = {"f", "new", "origin", "content", "j"}
OLD_TEXT, NEW_TEXT = OLD.decode(), NEW.decode()


@cache
def all_lines(operation: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "files.failing", operation],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def lines(operation: str, failure: str) -> list[dict[str, object]]:
    found = [line for line in all_lines(operation) if line["failure"] == failure]
    # the harness sees the calls at all
    assert len(found) >= 5
    return found


def beside(line: dict[str, object]) -> list[str]:
    """What was left beside the files that are meant to be there."""
    return [name for name in line["names"] if name not in MEANT]


ONE_BY_ONE = ["write_atomic", "replace", "write", "append", "delete", "restore"]
once = pytest.mark.parametrize("failure", [failure for failure in FAILURES if not failure.endswith("on")])


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("operation", ["write_atomic", "replace", "replace_walking"])
def test_a_replaced_file_is_the_old_one_or_the_new_one(operation: str, failure: str) -> None:
    for line in lines(operation, failure):
        assert line["f"] in (OLD_TEXT, NEW_TEXT), line
        assert line["mode"] == 0o640, line
        assert line["f"] == NEW_TEXT or line["said"] != "done", line


@pytest.mark.parametrize("failure", FAILURES)
def test_a_backup_is_the_old_file_and_there_before_the_new_one(failure: str) -> None:
    for line in lines("backed_up", failure):
        assert line["f"] in (OLD_TEXT, NEW_TEXT), line
        assert line["backup"] in (None, OLD_TEXT), line
        assert line["backup"] == OLD_TEXT or line["f"] == OLD_TEXT, line
        assert line["f"] == NEW_TEXT or line["said"] != "done", line


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("operation", ["journal", "resumed"])
def test_a_journal_can_be_read_and_holds_what_was_appended_before(operation: str, failure: str) -> None:
    for line in lines(operation, failure):
        held = line["journal"]
        assert held in (None, [], [OLD_TEXT], [OLD_TEXT, NEW_TEXT]), line
        assert held == [OLD_TEXT, NEW_TEXT] or line["said"] != "done", line
        assert held or operation == "journal", line
        assert failure.endswith("on") or (line["leaked"], beside(line)) == (0, []), line


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("operation", ["write", "write_walking", "write_deep"])
def test_a_written_file_is_whole_or_not_there(operation: str, failure: str) -> None:
    for line in lines(operation, failure):
        assert line["new"] in (None, NEW_TEXT), line
        assert line["new"] == NEW_TEXT or line["said"] != "done", line
        assert line["f"] == OLD_TEXT, line


@once
def test_an_append_that_fails_leaves_the_file_as_it_was(failure: str) -> None:
    for line in lines("append", failure):
        wanted = OLD_TEXT + NEW_TEXT if line["said"] == "done" else OLD_TEXT
        # what the system wrote and then would not close is written
        assert line["f"] == wanted or line["failed"] == ["close"], line
        assert line["f"] in (OLD_TEXT, OLD_TEXT + NEW_TEXT), line


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("operation", ["delete", "restore"])
def test_a_deleted_file_is_in_its_place_or_in_the_trash_and_whole(operation: str, failure: str) -> None:
    for line in lines(operation, failure):
        assert [line["f"], *line["trash"]].count(OLD_TEXT) == 1, line


@once
@pytest.mark.parametrize("operation", ONE_BY_ONE)
def test_one_failure_leaves_neither_a_file_beside_nor_one_open(operation: str, failure: str) -> None:
    for line in lines(operation, failure):
        assert beside(line) == [], line
        assert line["leaked"] == 0, line


MAY_BE_SAID = {"done", "SavingError", "StreamStoppedError", "NotSavedError", "KeyboardInterrupt"}
IN_FILELOCK = {"fstat", "ftruncate", "fchmod"}
"""What it calls between opening its file and knowing that it did."""


def test_a_call_that_is_saved_keeps_what_came_and_the_same_call_ends_with_all_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "files.failing_calls"],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "SEAWALL_STATE": "memory"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    tried = {(beginning, failure) for beginning, failures in TRIED.items() for failure in failures}
    assert {(line["beginning"], line["failure"]) for line in found} == tried
    for line in found:
        check_first(line)
        check_again(line)
    assert {line["first"]["said"] for line in found} >= MAY_BE_SAID - {"StreamStoppedError"}


def check_first(line: dict[str, Any]) -> None:
    """What holds after a call on a disk that failed."""
    first, answer = line["first"], line["answer"]
    assert first["said"] in MAY_BE_SAID, line
    assert line["there"]["f"] in (OLD_TEXT, answer), line
    assert OLD_TEXT in line["there"].values(), line
    if first["said"] == "done":
        assert first["text"] == line["there"]["f"] == answer, line
    if first["said"] == "SavingError":
        assert (line["sent"], line["there"]["f"]) == (0, OLD_TEXT), line
    if first["said"] == "NotSavedError":
        assert (first["text"], line["there"]["f"]) == (answer, OLD_TEXT), line
        assert "it is as it was" in first["why"], line
    if first["said"] == "StreamStoppedError":
        # nothing had come where not even the beginning of an attempt could be written
        assert answer.startswith(first["partial"] or ""), line
        assert first["partial"] or line["beginning"] == "fresh", line
    if first["said"] != "KeyboardInterrupt" and not line["failure"].endswith("on"):
        assert line["leaked"] == 0, line


def check_again(line: dict[str, Any]) -> None:
    """What holds after the same call once more, where there was anything left to do."""
    again, left = line["again"], line["left"]
    if again is None:
        return
    if line["failure"] == "interrupt" and line["failed"][0] in IN_FILELOCK and not line["sent"]:
        # its lock ends with the process
        return
    assert (again["said"], again["text"], left["f"]) == ("done", line["answer"], line["answer"]), line
    if "sends nothing" in line["first"].get("why", ""):
        assert line["sent_again"] == 0, line
    aside = {name for name in left if ".seawall-journal.~" in name}
    assert set(left) - aside == {"f", "f.~2~"}, line
    assert left["f.~2~"] == OLD_TEXT, line
    assert not aside or "it was moved to" in " ".join(line["warned"]), line
