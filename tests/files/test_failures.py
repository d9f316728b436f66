"""Every system call made to fail in turn: a file is the old one or the new one, with nothing beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from files.failing import FAILURES, NEW, OLD

pytestmark = pytest.mark.skipif(os.name != "posix", reason="system calls of POSIX")

MEANT = {"f", "new", "origin", "content", "j"}
OLD_TEXT, NEW_TEXT = OLD.decode(), NEW.decode()


def lines(operation: str, failure: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "files.failing", operation, failure],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
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
