"""An answer that is saved: into its file when it is whole, into a journal until then."""

import asyncio
import contextvars
import errno
import itertools
import logging
import os
import shutil
import stat
import threading
from contextlib import contextmanager
from pathlib import Path

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL, SURFACES, call, plugins
from forks import forked
from seawall.frames import events_of, frame_of
from seawall_files import (
    Files,
    FilesSettings,
    JournalConflictError,
    JournalError,
    NotSavedError,
    SavingError,
    TargetLockedError,
    saving,
)
from seawall_files.fingerprint import fingerprint
from seawall_files.header import Header
from seawall_files.journal import Journal, recover
from seawall_files.locks import TargetLock
from seawall_files.places import journal_path
from seawall_files.recorder import Recorder
from seawall_files.records import Kind, payload_of
from seawall_testkit import Fault, Simulator, blocks

PARAMS = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES}
TEXT = " ".join(f"On day {day} the ship sailed {day * day % 97} miles, says her log." for day in range(60))


class Giving:
    """A plugin that gives up at once, as a process that dies."""

    name = "giving"

    @seawall.hookimpl
    def on_error(self):
        return seawall.GiveUp("killed")


class Disk:
    """A journal on a disk that does something before each record."""

    def __init__(self, journal, work):
        self._journal, self._work = journal, work

    def __getattr__(self, name):
        return getattr(self._journal, name)

    def append(self, kind, payload):
        self._work()
        self._journal.append(kind, payload)


class Doing:
    """A plugin that does something when a hook is asked, once."""

    def __init__(self, hook, work):
        self._hook, self._work = hook, work

    def _do(self, hook):
        if hook == self._hook:
            self._hook = None
            self._work()

    @seawall.hookimpl
    def on_wait(self):
        self._do("on_wait")

    @seawall.hookimpl
    def on_chunk(self):
        self._do("on_chunk")


def files(*, disk=None, **settings):
    def on_disk(journal, interval):
        return Recorder(Disk(journal, disk), interval)

    return Files(
        FilesSettings(**{"sync_interval": 0.01, "lock_timeout": 0.0, **settings}),
        clock=lambda: 0.0,
        recorder=None if disk is None else on_disk,
    )


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "report.md"
    path.write_text("old", encoding="utf-8")
    return path


def there(target):
    return sorted(path.name for path in target.parent.iterdir())


def text(target):
    return target.read_text(encoding="utf-8")


def interrupted(target, *, at=100, mode="sync", surface="create", **options):
    """Leave the journal of a call whose process ended after so many events."""
    with Simulator(answer=TEXT, faults=[Fault("reset", event=at)], **options) as simulator:
        with pytest.raises(anthropic.APIConnectionError) as raised, saving(target):
            call(simulator, mode, surface, [Giving(), files()])
        assert len(simulator.requests) == 1
    assert text(target) == "old"
    return raised.value


def journalled(target, content, *, ending=True, done=False, params=PARAMS):
    """Leave a journal that holds an answer with this text."""
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL}
    message = {
        **head,
        "content": [{"type": "text", "text": content}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 400},
    }
    frames = [frame_of(event) for event in events_of(message)]
    path = journal_path(target)
    with Journal.create(path, Header(fingerprint(params), str(target))) as journal:
        journal.append(Kind.ATTEMPT, payload_of({"number": 1, "way": "send"}))
        journal.append(Kind.FRAMES, b"".join(frames if ending else frames[:-3]))
        if done:
            journal.append(Kind.DONE, b"{}")
    return path


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_the_file_holds_the_answer_and_nothing_is_left_beside_it(target, mode, surface):
    with (
        Simulator(answer=TEXT, faults=[Fault("reset", event=60)]) as simulator,
        saving(target) as saved,
    ):
        got = call(simulator, mode, surface, [*plugins(), files()])
    assert got.text == text(target) == TEXT
    assert saved.is_saved
    assert there(target) == ["report.md"]


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_the_same_call_goes_on_where_a_killed_one_ended(target, mode, surface, witness):
    error = interrupted(target, mode=mode, surface=surface)
    path = journal_path(target)
    assert there(target) == [target.name, path.name]
    assert any(str(path) in note and "goes on from there" in note for note in error.__notes__)
    assert os.name == "nt" or stat.S_IMODE(path.stat().st_mode) == 0o600
    with Simulator(answer=TEXT) as simulator, saving(target):
        got = call(simulator, mode, surface, [*plugins(), files(), witness])
        (request,) = simulator.requests
    assert got.text == text(target) == TEXT
    assert request.way == "user_turn"
    assert len(witness.outcomes[0].attempts) == 1
    assert there(target) == ["report.md"]


def test_a_caller_that_streams_resumes_what_one_that_waits_began_and_the_other_way_round(target):
    for first, second in (("create", "stream=True"), ("stream=True", "create")):
        target.write_text("old", encoding="utf-8")
        interrupted(target, surface=first)
        with Simulator(answer=TEXT) as simulator, saving(target):
            assert call(simulator, "sync", second, [*plugins(), files()]).text == TEXT
            assert [request.way for request in simulator.requests] == ["user_turn"]


def test_several_processes_in_a_row_may_be_killed(target):
    for at in (60, 40, 50):
        interrupted(target, at=at)
    with Simulator(answer=TEXT) as simulator, saving(target):
        call(simulator, "sync", "create", [*plugins(), files()])
    assert text(target) == TEXT


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("surface", ["create", "stream=True"])
@pytest.mark.parametrize("done", [False, True], ids=["killed before it was marked whole", "killed after it"])
@pytest.mark.parametrize("is_renamed", [False, True], ids=["before the rename", "before the removal"])
def test_a_finished_answer_that_was_not_returned_is_returned_without_a_request(
    target, mode, surface, done, is_renamed
):
    journalled(target, TEXT, done=done)
    if is_renamed:
        target.write_text(TEXT, encoding="utf-8")
    with Simulator() as simulator, saving(target):
        got = call(simulator, mode, surface, [*plugins(), files()])
        assert simulator.requests == []
    assert got.text == text(target) == TEXT
    assert there(target) == ["report.md"]


def test_another_request_for_the_same_file_sends_nothing_and_keeps_the_journal(target):
    interrupted(target)
    path = journal_path(target)
    before = path.read_bytes()
    with Simulator() as simulator:
        with pytest.raises(JournalConflictError, match="another request") as raised, saving(target):
            call(simulator, "sync", "create", [*plugins(), files()], max_tokens=5000)
        assert simulator.requests == []
    assert raised.value.target == str(target)
    assert path.read_bytes() == before
    assert there(target) == [target.name, path.name]


def test_a_file_that_is_no_journal_is_left_alone(target):
    path = journal_path(target)
    path.write_text("my notes", encoding="utf-8")
    with Simulator() as simulator:
        with pytest.raises(JournalError, match="is no journal"), saving(target):
            call(simulator, "sync", "create", [*plugins(), files()])
        assert simulator.requests == []
    assert path.read_text(encoding="utf-8") == "my notes"


def test_a_journal_that_is_damaged_at_its_beginning_is_put_aside(target, caplog):
    path = journalled(target, TEXT)
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with Simulator(answer=TEXT) as simulator, saving(target):
        call(simulator, "sync", "create", [*plugins(), files()])
    aside = path.with_name(f"{path.name}.~1~")
    assert aside.read_bytes() == data
    assert f"it was moved to {aside}" in caplog.text
    assert text(target) == TEXT


def test_a_journal_that_is_cut_goes_on_from_what_is_whole(target, caplog):
    path = journalled(target, TEXT, ending=False)
    with path.open("ab") as file:
        file.write(b"\x03\x00\x00")
    with Simulator(answer=TEXT) as simulator, saving(target):
        call(simulator, "sync", "create", [*plugins(), files()])
        assert [request.way for request in simulator.requests] == ["user_turn"]
    assert "what comes before it is used" in caplog.text
    assert text(target) == TEXT


def test_a_call_that_fails_before_anything_came_leaves_no_journal(target):
    with Simulator(faults=[Fault("status", status=401)]) as simulator:
        with pytest.raises(anthropic.AuthenticationError), saving(target) as saved:
            call(simulator, "sync", "create", [*plugins(), files()])
        assert there(target) == ["report.md"]
        assert not saved.is_saved
        with saved:  # the same one, once more
            call(simulator, "sync", "create", [*plugins(), files()])
    assert saved.is_saved


def test_saving_is_for_one_call(target):
    with Simulator() as simulator, saving(target):
        got = call(simulator, "sync", "create", [*plugins(), files()])
        with pytest.raises(SavingError, match="saving\\(\\) is for one call"):
            call(simulator, "sync", "create", [*plugins(), files()])
        assert len(simulator.requests) == 1
    assert text(target) == got.text


def test_of_two_calls_at_once_one_is_refused(target):
    async def both():
        async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=[*plugins(), files()])
            return await asyncio.gather(
                *(client.messages.create(**PARAMS) for _ in range(2)), return_exceptions=True
            )

    with Simulator(answer=TEXT) as simulator, saving(target):
        got = asyncio.run(both())
        assert len(simulator.requests) == 1
    assert sorted(type(one).__name__ for one in got) == ["Message", "SavingError"]


@pytest.mark.parametrize("enabled", [False, True], ids=["without the plugin", "without a call"])
def test_a_block_in_which_nothing_was_saved_is_an_error(target, enabled):
    said = "was not written: no call was made"
    with Simulator() as simulator, pytest.raises(SavingError, match=said), saving(target):
        enabled or call(simulator, "sync", "create", plugins())
    assert text(target) == "old"


def test_an_error_inside_is_not_hidden_by_one_about_saving(target):
    with pytest.raises(KeyError), saving(target):
        raise KeyError


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no/report.md", "its folder does not exist"),
        ("folder", "it is no regular file"),
        ("loop", "it is no regular file"),
        ("n" * 300, "cannot be saved to: "),
        ("nul\0.md", "cannot be saved to: embedded null"),
    ],
)
def test_what_cannot_be_saved_to_is_refused_before_anything_is_sent(tmp_path, path, why):
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with Simulator() as simulator:
        with pytest.raises(SavingError, match=why), saving(tmp_path / path):
            call(simulator, "sync", "create", [*plugins(), files()])
        assert simulator.requests == []


@contextmanager
def pipe(_):
    read, write = os.pipe()
    with os.fdopen(read, "rb"), os.fdopen(write, "wb") as file:
        yield file


@contextmanager
def removed_file(folder):
    with (folder / "removed.md").open("wb") as file:
        (folder / "removed.md").unlink()
        yield file


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux has links to what has no name")
@pytest.mark.parametrize("opened", [pipe, removed_file])
def test_what_has_no_name_is_no_file_that_another_call_saves_to(tmp_path, opened):
    # as /dev/stdout leads there
    with opened(tmp_path) as file, Simulator() as simulator:
        path = f"/proc/self/fd/{file.fileno()}"
        with pytest.raises(SavingError, match="it is no regular file; nothing was sent"), saving(path):
            call(simulator, "sync", "create", [*plugins(), files(lock_timeout=0)])
        assert simulator.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_call_waits_for_another_one_that_saves_to_the_same_file(target, witness):
    lock = TargetLock.take(target, timeout=0, command="editor")
    with Simulator(answer=TEXT) as simulator, saving(target):
        enabled = [*plugins(), files(lock_timeout=60), Doing("on_wait", lock.release), witness]
        call(simulator, "sync", "create", enabled)
    assert text(target) == TEXT


@pytest.mark.parametrize("lock_timeout", [0, 0.01])
def test_a_call_that_waits_too_long_names_who_saves(target, lock_timeout):
    with Simulator() as simulator, TargetLock.take(target, timeout=0, command="editor"):
        said = rf"process {os.getpid()} \(editor\).* waited {lock_timeout:g} s"
        with pytest.raises(TargetLockedError, match=said), saving(target):
            call(simulator, "sync", "create", [*plugins(), files(lock_timeout=lock_timeout)])
        assert simulator.requests == []


def test_a_file_that_cannot_be_replaced_at_the_end_leaves_the_whole_answer_in_the_journal(tmp_path):
    target = tmp_path / "report.md"
    with Simulator(answer=TEXT) as simulator:
        with pytest.raises(NotSavedError, match="sends nothing") as raised, saving(target):
            call(simulator, "sync", "create", [*plugins(), files(), Doing("on_chunk", target.mkdir)])
        assert raised.value.text == raised.value.partial_message.content[0].text == TEXT
        assert "; it is as it was. The whole answer is in" in str(raised.value)
        assert recover(journal_path(target)).is_done
        target.rmdir()
        with saving(target):
            got = call(simulator, "sync", "create", [*plugins(), files()])
        assert len(simulator.requests) == 1
    assert got.text == text(target) == TEXT


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no file that is open")
@pytest.mark.parametrize("fault", [None, Fault("reset", event=60)])
def test_no_journal_is_spoken_of_that_was_removed_with_its_folder(tmp_path, fault, caplog):
    target = tmp_path / "folder" / "report.md"
    target.parent.mkdir()
    removing = Doing("on_chunk", lambda: shutil.rmtree(target.parent))
    with (
        Simulator(answer=TEXT, faults=[fault] if fault else []) as simulator,
        pytest.raises((NotSavedError, anthropic.APIConnectionError)) as raised,
        saving(target),
    ):
        call(simulator, "sync", "create", [Giving(), files(), removing])
    said = "\n".join([str(raised.value), *raised.value.__notes__])
    assert journal_path(target).name not in said + caplog.text
    if fault is None:
        assert "Its journal is gone as well: the answer is in `text` of this error" in said
        assert raised.value.text == TEXT


def test_an_answer_without_text_leaves_the_file_as_it_was(target, caplog):
    answer = [blocks.tool_use("look_up", {"name": "Vasa"})]
    tools = [{"name": "look_up", "input_schema": {"type": "object"}}]
    with Simulator(answer=answer) as simulator, saving(target) as saved:
        call(simulator, "sync", "create", [*plugins(), files()], tools=tools)
    assert (text(target), saved.is_saved) == ("old", False)
    assert "the answer has no text" in caplog.text
    assert there(target) == ["report.md"]


def test_what_is_replaced_is_kept_if_that_is_asked_for(target):
    with Simulator(answer=TEXT) as simulator, saving(target):
        call(simulator, "sync", "create", [*plugins(), files(backups=2)])
    assert there(target) == ["report.md", "report.md.~1~"]
    assert target.with_name("report.md.~1~").read_text(encoding="utf-8") == "old"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path, target):
    link = tmp_path / "link.md"
    link.symlink_to(target)
    interrupted(link)
    assert journal_path(target).exists()
    with Simulator(answer=TEXT) as simulator, saving(link):
        call(simulator, "sync", "create", [*plugins(), files()])
        assert [request.way for request in simulator.requests] == ["user_turn"]
    assert link.is_symlink()
    assert text(target) == TEXT


def test_a_small_call_is_journalled_as_a_large_one_is(target):
    with Simulator(answer=TEXT) as simulator, saving(target):
        call(simulator, "sync", "create", [*plugins(), files()], max_tokens=900)
        assert simulator.requests[0].body["stream"] is True
    assert text(target).startswith(TEXT[:100])


def test_no_content_and_no_key_is_in_the_log(target, caplog):
    caplog.set_level(logging.DEBUG, "seawall")
    interrupted(target)
    with Simulator(answer=TEXT) as simulator, saving(target):
        call(simulator, "sync", "create", [*plugins(), files()])
    assert "the ship" not in caplog.text
    assert MESSAGES[0]["content"] not in caplog.text


def test_an_abandoned_stream_leaves_a_journal(target):
    with Simulator(answer=TEXT) as simulator:
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare, saving(target):
            client = seawall.protect(bare, plugins=[*plugins(), files()])
            with client.messages.stream(**PARAMS) as stream:
                heard = next(piece for piece in stream.text_stream if len(piece) > 5)
        assert heard
        assert text(target) == "old"
        with saving(target):
            call(simulator, "sync", "messages.stream()", [*plugins(), files()])
    assert text(target) == TEXT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_that_leaves_a_call_of_its_parent_leaves_its_files_alone(target):
    def leave():
        before = there(target)
        stream.close()
        return there(target) == before

    with (
        Simulator(answer=TEXT) as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare,
        saving(target),
        seawall.protect(bare, plugins=[*plugins(), files()]).messages.stream(**PARAMS) as stream,
    ):
        next(iter(stream.text_stream))
        assert os.waitpid(forked(leave), 0)[1] == 0
        stream.until_done()
    assert (text(target), there(target)) == (TEXT, ["report.md"])


def test_a_generator_may_be_driven_in_one_context_after_the_other(target):
    """As frameworks do that take each piece of a body in a thread."""

    def pieces():
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare, saving(target):
            client = seawall.protect(bare, plugins=[*plugins(), files()])
            with client.messages.stream(**PARAMS) as stream:
                yield from stream.text_stream

    with Simulator(answer=TEXT) as simulator:
        generator = pieces()
        heard = list(iter(lambda: contextvars.copy_context().run(next, generator, None), None))
    assert "".join(heard) == text(target) == TEXT


def test_threads_that_began_before_know_nothing_of_it(target):
    began, go = threading.Event(), threading.Event()
    got = []

    def elsewhere():
        began.set()
        go.wait()
        got.append(call(simulator, "sync", "create", [*plugins(), files()]))

    with Simulator(answer=TEXT) as simulator:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        began.wait()
        with saving(target):
            go.set()
            thread.join()
            call(simulator, "sync", "create", [*plugins(), files()])
        assert len(simulator.requests) == 2
    assert got[0].text == TEXT


def test_a_disk_that_hangs_holds_up_no_stream_of_the_event_loop(target):
    hanging, works = threading.Event(), threading.Event()

    def hang():
        hanging.set()
        if not works.wait(60):
            raise TimeoutError

    async def written(client):
        with saving(target):
            await client.messages.create(**PARAMS)

    async def both():
        async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=[*plugins(), files(disk=hang)])
            saved = asyncio.create_task(written(client))
            assert await asyncio.to_thread(hanging.wait, 60)
            async with client.messages.stream(**PARAMS) as stream:
                other = await stream.get_final_text()
            were = (saved.done(), works.is_set())
            works.set()
            await saved
            return other, were

    with Simulator(answer=TEXT) as simulator:
        other, were = asyncio.run(both())
    assert (other, text(target)) == (TEXT, TEXT)
    assert were == (False, False)


@pytest.mark.parametrize(("mode", "surface"), [("sync", "create"), ("async", "messages.stream()")])
def test_a_full_disk_stops_the_call_with_what_came_and_leaves_a_journal_to_go_on_from(target, mode, surface):
    records = itertools.count()

    def fill():
        if next(records) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Simulator(answer=TEXT, tokens_per_second=2000) as simulator:
        with pytest.raises(seawall.StreamStoppedError, match="No space left") as raised, saving(target):
            call(simulator, mode, surface, [*plugins(), files(disk=fill)])
        (block,) = raised.value.partial_message.content
        assert block.text
        assert TEXT.startswith(block.text)
        assert text(target) == "old"
        recovered = recover(journal_path(target))
        frames = b"".join(record.payload for record in recovered.records() if record.kind is Kind.FRAMES)
        assert recovered.problem is None
        assert b"text_delta" in frames
        with saving(target):
            assert call(simulator, mode, surface, [*plugins(), files()]).text == TEXT
    assert (text(target), there(target)) == (TEXT, ["report.md"])
