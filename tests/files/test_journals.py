"""`seawall journals` as a user types it, in this process."""

import re
from pathlib import Path

import pytest

from files.commands import PROMPT
from seawall_files.header import Header
from seawall_files.journal import Journal
from seawall_files.locks import TargetLock
from seawall_files.places import journal_path
from seawall_files.records import Kind, Record, packed, preamble
from seawall_testkit import Fault, Simulator

MESSAGES = [{"role": "user", "content": PROMPT}]
BROKEN = Fault("error_event", event=100, error_type="invalid_request_error")


class Journals:
    """What `seawall journals` is tried on: a folder with journals, and the command line."""

    def __init__(self, seawall_here, simulator):
        self._run, self.simulator = seawall_here, simulator

    def __call__(self, *arguments, stdin=""):
        return self._run("journals", *arguments, simulator=self.simulator, stdin=stdin)


@pytest.fixture
def journals(folder, seawall_here):
    """Two answers that are not whole, and a file that only looks like a journal."""
    (folder / "notes.md.seawall-journal").write_bytes(b"my notes")
    for name in ("answer.md", "other.md"):
        with Simulator(faults=[BROKEN], answer_tokens=900) as simulator:
            seawall_here("run", "prompt.md", "-o", name, simulator=simulator)
    with Simulator(answer_tokens=900) as simulator:
        yield Journals(seawall_here, simulator)


def test_journals_are_listed_with_what_they_are(folder, journals):
    for arguments in ((), (str(folder),), ("list", ".")):
        code, out, _ = journals(*arguments)
        assert code == 0
        names = [Path(line.split("  ")[0]).name for line in out.splitlines()]
        assert names == [f"{name}.md.seawall-journal" for name in ("answer", "notes", "other")]
        assert re.search(r"a part, claude-opus-5-5, begun 20\d\d-\d\d-\d\d \d\d:\d\d UTC, [\d,]+ bytes", out)
        assert "is no journal of Seawall" in out


@pytest.mark.parametrize("created", [1e20, float("nan")])
def test_a_journal_that_was_begun_at_no_time_hides_no_others(folder, journals, created):
    Journal.create(folder / "b.seawall-journal", Header("f" * 64, "b", "m", created)).close()
    code, out, _ = journals()
    assert (code, len(out.splitlines())) == (0, 4)
    assert "b.seawall-journal  a part, m, begun at a time that is none, " in out


def test_a_header_nested_too_deeply_hides_no_others(folder, journals):
    start, checksum = preamble()
    record = Record(Kind.HEADER, b'{"request":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    (folder / "b.seawall-journal").write_bytes(start + packed(record, checksum)[0])
    code, out, _ = journals()
    assert (code, len(out.splitlines())) == (0, 4)
    assert "b.seawall-journal  cannot be used: the JSON of a record is nested too deeply" in out


@pytest.mark.parametrize("path", ["answer.md", "answer.md.seawall-journal"])
def test_what_there_is_of_an_answer_is_shown(journals, path):
    code, out, said = journals("show", path)
    text = journals.simulator.text_for(MESSAGES)
    assert code == 0
    assert len(out) > 400
    assert text.startswith(out.rstrip("\n"))
    assert "1 attempt so far" in said
    assert journals.simulator.requests == []


def test_an_answer_is_resumed_where_it_is(folder, journals):
    code, _, said = journals("resume", "answer.md")
    assert (code, said.startswith("answer.md: ")) == (0, True), said
    assert (folder / "answer.md").read_text(encoding="utf-8") == journals.simulator.text_for(MESSAGES)
    assert not (folder / "answer.md.seawall-journal").exists()
    assert [request.way for request in journals.simulator.requests] == ["user_turn"]


@pytest.mark.parametrize("given", ["the file", "its journal"])
def test_a_name_too_long_for_that_of_a_journal_is_the_one_that_is_written(folder, seawall_here, given):
    target = folder / f"{'船' * 70}.md"
    with Simulator(faults=[BROKEN], answer_tokens=900) as simulator:
        seawall_here("run", "prompt.md", "-o", target.name, simulator=simulator)
    with Simulator(answer_tokens=900) as simulator:
        path = target if given == "the file" else journal_path(target)
        code, _, said = seawall_here("journals", "resume", path.name, simulator=simulator)
        assert (code, said.startswith(f"{target.name}: ")) == (0, True), said
        assert target.read_text(encoding="utf-8") == simulator.text_for(MESSAGES)
    assert sorted(path.name for path in folder.iterdir()) == ["answer.md", "prompt.md", target.name]


def test_an_answer_is_written_beside_its_journal_wherever_that_was_moved(folder, journals):
    moved = folder / "elsewhere" / "moved.md"
    moved.parent.mkdir()
    journal_path(folder / "answer.md").rename(journal_path(moved))
    code, _, said = journals("resume", str(moved))
    assert code == 0, said
    assert moved.read_text(encoding="utf-8") == journals.simulator.text_for(MESSAGES)
    assert (folder / "answer.md").read_text(encoding="utf-8") == "old"


def test_a_journal_is_discarded_when_that_is_confirmed(folder, journals):
    journal = folder / "other.md.seawall-journal"
    assert journals("discard", "other.md", stdin="n\n")[0] == 1
    assert journal.exists()
    with TargetLock.take(folder / "other.md", timeout=0):
        code, _, said = journals("discard", "--yes", "other.md")
    assert (code, "is being saved to by process" in said, journal.exists()) == (1, True, True)
    assert journals("discard", "--yes", "other.md")[0] == 0
    assert sorted(path.name for path in folder.iterdir() if "other" in path.name) == []


def test_a_journal_that_was_set_aside_is_listed_and_discarded(folder, journals, seawall_here):
    journal = folder / "answer.md.seawall-journal"
    data = bytearray(journal.read_bytes())
    data[40] ^= 1
    journal.write_bytes(data)
    assert seawall_here("run", "prompt.md", "-o", "answer.md", simulator=journals.simulator)[0] == 0
    aside = journal.with_name(f"{journal.name}.~1~")
    (line,) = (line for line in journals()[1].splitlines() if "answer" in line)
    assert line.startswith(f"{aside.name}  cannot be used: record 1, at byte 14, is damaged")
    assert journals("discard", "--yes", aside.name)[0] == 0
    assert not aside.exists()


def test_a_journal_that_is_not_in_its_place_is_not_paid_for_once_more(folder, journals):
    journal = folder / "answer.md.seawall-journal"
    aside = journal.rename(journal.with_name(f"{journal.name}.~1~"))
    code, _, said = journals("resume", aside.name)
    assert (code, journals.simulator.requests) == (1, [])
    assert f"was set aside; to go on with it, move it to {str(journal)!r}" in said
    aside.rename(journal)
    assert journals("resume", journal.name)[0] == 0


@pytest.mark.parametrize("command", ["show", "resume", "discard"])
def test_a_journal_that_is_not_there_is_a_wrong_use(journals, command):
    code, _, said = journals(command, "nowhere.md")
    assert (code, "there is no journal" in said) == (2, True)


@pytest.mark.parametrize("command", ["show", "resume", "discard"])
def test_a_file_that_is_named_as_journals_end_is_none(folder, journals, command):
    (folder / ".seawall-journal").touch()
    code, _, said = journals(command, ".seawall-journal")
    assert (code, "there is no journal" in said) == (2, True)
    listed = [Path(line.split()[0]).name for line in journals("list")[1].splitlines()]
    assert len(listed) == 3
    assert ".seawall-journal" not in listed


def test_another_prompt_for_the_same_file_is_refused(folder, journals, seawall_here):
    command = ("run", "prompt.md", "-o", "answer.md", "--max-tokens", "900")
    code, _, said = seawall_here(*command, simulator=journals.simulator)
    assert (code, "another request" in said) == (1, True)
    assert journals.simulator.requests == []


def test_a_request_of_which_a_header_would_be_missing_is_not_resumed(folder, journals):
    journal = folder / "beta.md.seawall-journal"
    header = Header("f" * 64, "beta.md", request={"model": "m"}, details={"beta": True})
    Journal.create(journal, header).close()
    code, _, said = journals("resume", "beta.md")
    assert (code, "by the program that wrote it only" in said) == (1, True)
