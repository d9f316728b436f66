"""A journal holds what was appended, whatever became of its process, and is never taken for another one's."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from files.failing import descriptors
from seawall_files.errors import DamagedJournalError, JournalError
from seawall_files.folder import Folder
from seawall_files.header import Header
from seawall_files.journal import Journal, recover, remove, set_aside
from seawall_files.records import Kind, Record, packed, payload_of, preamble

if TYPE_CHECKING:
    from pathlib import Path

HEADER = Header("abc", "report.md", "claude-opus-5-5", 1.5, "0.1.0", {"model": "m"})
MIB = 2**20
posix = pytest.mark.skipif(os.name != "posix", reason="modes, links, pipes and signals of POSIX")

records = st.lists(
    st.builds(
        Record,
        st.sampled_from([Kind.ATTEMPT, Kind.FRAMES, Kind.FAILED, Kind.DONE]),
        st.binary(min_size=1, max_size=40),
    ),
    max_size=10,
)
in_one_folder = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "report.md.seawall-journal"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make(path: Path, content: list[Record]) -> None:
    path.unlink(missing_ok=True)
    with Journal.create(path, HEADER) as journal:
        for record in content:
            journal.append(record.kind, record.payload)


# -- what is recovered


@in_one_folder
@given(records)
def test_what_was_appended_is_recovered(path: Path, content: list[Record]) -> None:
    make(path, content)
    found = recover(path)
    assert found.header == HEADER
    assert list(found.records()) == content
    assert (found.end, found.problem) == (path.stat().st_size, None)
    assert found.is_done == (content[-1:] != [] and content[-1].kind is Kind.DONE)


@in_one_folder
@given(records, records, st.data())
def test_a_journal_goes_on_after_its_last_good_record_wherever_it_was_torn(
    path: Path, content: list[Record], more: list[Record], data: st.DataObject
) -> None:
    make(path, [])
    least = path.stat().st_size
    make(path, content)
    os.truncate(path, data.draw(st.integers(least, path.stat().st_size)))
    found = recover(path)
    kept = list(found.records())
    assert kept == content[: len(kept)]
    with Journal.reopen(found) as journal:
        for record in more:
            journal.append(record.kind, record.payload)
        assert journal.end == path.stat().st_size
    again = recover(path)
    assert list(again.records()) == kept + more
    assert again.problem is None


@in_one_folder
@given(records, st.data())
def test_a_flipped_bit_costs_what_follows_it_or_says_what_is_wrong(
    path: Path, content: list[Record], data: st.DataObject
) -> None:
    make(path, content)
    whole = path.read_bytes()
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    try:
        found = recover(path)
    except JournalError:
        # its header is hit
        pass
    else:
        kept = list(found.records())
        assert kept == content[: len(kept)]
        assert len(kept) < len(content)
        assert found.problem
    assert path.read_bytes() == flipped


def test_frames_of_any_length_are_read_in_pieces(path: Path) -> None:
    frames = os.urandom(3 * MIB + 7)
    with Journal.create(path, HEADER) as journal:
        journal.append(Kind.FRAMES, frames)
    found = list(recover(path).records())
    assert b"".join(record.payload for record in found) == frames
    assert max(len(record.payload) for record in found) == MIB


def test_a_large_journal_is_read_in_the_memory_of_one_record(path: Path) -> None:
    with Journal.create(path, HEADER) as journal:
        for _ in range(64):
            journal.append(Kind.FRAMES, bytes(MIB))
    script = """
import sys, tracemalloc
from pathlib import Path
from seawall_files.journal import recover
recover(Path(sys.argv[1]))
tracemalloc.start()
print(sum(len(record.payload) for record in recover(Path(sys.argv[1])).records()))
print(tracemalloc.get_traced_memory()[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    read, most = map(int, done.stdout.split())
    assert read == 64 * MIB
    assert most < 8 * MIB


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (b"", DamagedJournalError, "ends after 0 bytes"),
        (b"# Report\n", JournalError, "is no journal of Seawall; move it away"),
        (preamble(2)[0], JournalError, "has version 2 of the format, this Seawall reads version 1"),
        (preamble()[0], DamagedJournalError, "it has no header"),
        (preamble()[0] + b"\1\0\0", DamagedJournalError, "record 1, at byte 14, ends after 3 bytes"),
        (
            preamble()[0] + packed(Record(Kind.DONE, b"{}"), preamble()[1])[0],
            DamagedJournalError,
            "its first record is no header",
        ),
        (
            preamble()[0] + packed(Record(Kind.HEADER, payload_of({})), preamble()[1])[0],
            DamagedJournalError,
            "names no request",
        ),
        (
            preamble()[0] + packed(Record(Kind.HEADER, b"["), preamble()[1])[0],
            DamagedJournalError,
            "cannot be used: ",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_and_left_as_it_is(
    path: Path, content: bytes, error: type[JournalError], said: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalError, match=said) as caught:
        recover(path)
    assert type(caught.value) is error
    assert path.read_bytes() == content


def test_no_journal_is_a_file_that_is_not_found(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        recover(path)


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises((JournalError, OSError)):
        recover(path)


@posix
def test_a_folder_in_its_place_is_refused_as_what_it_is_and_not_left_open(path: Path) -> None:
    path.mkdir()
    before = descriptors()
    with pytest.raises(JournalError, match="is no file, so no journal; move it away"):
        recover(path)
    assert descriptors() == before


@posix
def test_a_link_or_a_pipe_in_its_place_is_refused_at_once(path: Path, tmp_path: Path) -> None:
    make(tmp_path / "elsewhere", [])
    path.symlink_to("elsewhere")
    with pytest.raises(JournalError, match="is a link, no journal"):
        recover(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(JournalError, match="is no file, so no journal"):
        recover(path)


def test_a_journal_that_another_one_changes_while_it_is_read_is_not_read_on(path: Path) -> None:
    make(path, [Record(Kind.FRAMES, b"one"), Record(Kind.FRAMES, b"two")])
    found = recover(path).records()
    assert next(found).payload == b"one"
    changed = path.read_bytes()
    path.write_bytes(changed[:-1])
    reading = recover(path)
    path.write_bytes(changed[:14])
    with pytest.raises(JournalError, match="was changed by something else"):
        list(reading.records())


# -- how it is written


def test_a_journal_is_not_made_over_another_one(path: Path) -> None:
    make(path, [Record(Kind.FRAMES, b"paid for")])
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        Journal.create(path, HEADER)
    assert path.read_bytes() == before
    assert names(path.parent) == [path.name]


def test_what_a_killed_process_left_of_a_journal_is_overwritten(path: Path) -> None:
    left = path.with_name(f".{path.name}.seawall-new")
    left.write_bytes(b"half of a header")
    make(path, [])
    assert names(path.parent) == [path.name]
    assert recover(path).header == HEADER


@posix
def test_a_journal_is_for_its_owner_only(path: Path) -> None:
    make(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix
def test_what_was_appended_outlives_its_process(path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from seawall_files.header import Header
from seawall_files.journal import Journal, Kind
journal = Journal.create(Path(sys.argv[1]), Header("abc", "f"))
for number in range(100):
    journal.append(Kind.FRAMES, b"%d" % number)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    found = recover(path)
    assert found.problem is None
    assert [record.payload for record in found.records()] == [b"%d" % number for number in range(100)]


def test_a_closed_journal_takes_nothing_and_closes_again(path: Path) -> None:
    with Journal.create(path, HEADER) as journal:
        pass
    journal.close()
    for use in (lambda: journal.append(Kind.DONE, b"{}"), journal.sync):
        with pytest.raises(ValueError, match="is closed"):
            use()


def test_a_record_that_is_too_long_is_refused_and_the_next_one_is_taken(path: Path) -> None:
    with Journal.create(path, HEADER) as journal:
        with pytest.raises(ValueError, match="at most"):
            journal.append(Kind.FAILED, bytes(64 * MIB + 1))
        journal.append(Kind.DONE, b"{}")
    assert [record.kind for record in recover(path).records()] == [Kind.DONE]


@posix
def test_after_a_full_disk_nothing_is_taken_and_what_was_there_is_recovered(path: Path) -> None:
    script = """
import resource, signal, sys
from pathlib import Path
from seawall_files.header import Header
from seawall_files.journal import Journal, Kind
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal.create(Path(sys.argv[1]), Header("abc", "f"))
journal.append(Kind.FRAMES, b"first")
resource.setrlimit(resource.RLIMIT_FSIZE, (journal.end + 20, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
append = journal.append
for work in (lambda: append(Kind.FRAMES, b"x" * 100), lambda: append(Kind.DONE, b"{}"), journal.sync):
    try:
        work()
    except OSError as error:
        print(error.errno)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert len(set(done.stdout.split())) == 1
    assert len(done.stdout.split()) == 3
    found = recover(path)
    assert [record.payload for record in found.records()] == [b"first"]
    assert "ends after 11 of 100 bytes" in (found.problem or "")


# -- out of the way


def test_a_journal_that_is_removed_is_gone(path: Path) -> None:
    make(path, [])
    remove(path)
    assert names(path.parent) == []


def test_journals_that_are_set_aside_stay_under_numbers(path: Path) -> None:
    contents = []
    for number in range(1, 4):
        make(path, [Record(Kind.FRAMES, b"%d" % number)])
        contents.append(path.read_bytes())
        aside = set_aside(path)
        assert aside == path.with_name(f"{path.name}.~{number}~")
    assert [path.with_name(f"{path.name}.~{number}~").read_bytes() for number in range(1, 4)] == contents
    assert not path.exists()


def test_one_is_set_aside_where_capitals_make_no_other_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(path, [])
    first = set_aside(path)
    listed = Folder.entries
    monkeypatch.setattr(
        Folder, "entries", lambda folder: ((name.upper(), status) for name, status in listed(folder))
    )
    make(path, [])
    second = set_aside(path)
    assert [first.name, second.name] == [f"{path.name}.~{number}~" for number in (1, 2)] == names(path.parent)
