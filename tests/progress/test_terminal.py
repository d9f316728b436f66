"""How calls are shown, if at all; and what a terminal or a pipe that fails does to a call: nothing."""

import gc
import io
import logging

import click
import pyte
import pytest

from progress.followed import Clock, Followed
from seawall_progress import Progress, ProgressSettings
from seawall_progress.display import Display
from seawall_progress.running import Running
from seawall_progress.subscription import Subscription
from seawall_progress.terminal import Terminal

NOTHING = type(None)
PATIENCE = 30


class File(io.StringIO):
    """A terminal, or a pipe, of some encoding."""

    def __init__(self, *, is_terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self._encoding = encoding

    @property
    def encoding(self) -> str:
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal


class Gone(File):
    """One that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize(
    ("wish", "is_terminal", "term", "kind"),
    [
        ("on", True, "xterm", Display),
        ("on", True, None, Display),
        ("on", True, "dumb", Subscription),
        ("on", False, "xterm", Subscription),
        ("off", True, "xterm", NOTHING),
        ("auto", True, "xterm", NOTHING),
        ("auto", False, "xterm", NOTHING),
    ],
)
def test_an_application_shows_calls_only_if_it_says_so(wish, is_terminal, term, kind):
    environ = {} if term is None else {"TERM": term}
    file = File(is_terminal=is_terminal)
    assert type(Terminal().shown(wish, interval=10, file=file, environ=environ)) is kind


@pytest.mark.parametrize(
    ("name", "is_terminal", "level", "kind"),
    [
        ("seawall", True, logging.WARNING, Display),
        ("seawall", True, logging.INFO, NOTHING),
        ("seawall", False, logging.WARNING, NOTHING),
        ("other", True, logging.WARNING, NOTHING),
    ],
)
def test_a_command_of_seawall_shows_calls_on_a_terminal_unless_the_log_says_the_same(
    name, is_terminal, level, kind, caplog
):
    with caplog.at_level(level, "seawall.progress"), click.Context(click.Command(name), info_name=name):
        shown = Terminal().shown("auto", interval=10, file=File(is_terminal=is_terminal), environ={})
    assert type(shown) is kind


def test_all_clients_of_a_process_share_one():
    terminal, file = Terminal(), File(is_terminal=True)
    first, second = (terminal.shown("on", interval=10, file=file, environ={}) for _ in range(2))
    assert first is second
    assert terminal.shown("on", interval=10, file=File(is_terminal=True), environ={}) is not first


def test_a_process_without_stderr_or_with_a_closed_one_shows_nothing():
    assert Terminal().shown("on", interval=10, file=None) is None
    closed = File(is_terminal=True)
    closed.close()
    assert Terminal().shown("auto", interval=10, file=closed) is None


class Written:
    """What an application has put in the place of stderr: that which `print` needs, and no more."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def test_a_stderr_that_does_not_know_whether_it_is_a_terminal_is_none(monkeypatch):
    assert Terminal().shown("auto", interval=10, file=Written()) is None
    file = Written()
    call = shown_on(file, monkeypatch)
    call.attempt()
    ended(call)
    assert file.text.splitlines()[-1] == "seawall: claude-opus-5-5 c: completed, 600 tokens, 0.0 s"


def shown_on(file: File, monkeypatch: pytest.MonkeyPatch) -> Followed:
    monkeypatch.setattr("sys.stderr", file)
    clock = Clock()
    running = Running(clock, spawn=lambda _: None)
    call = Followed()
    call.clock, call.running = clock, running
    settings = ProgressSettings(terminal="on")
    call.plugin = Progress(settings, clock=clock, running=running, terminal=Terminal())
    return call


def ended(call: Followed) -> None:
    """End the call as a driver does, and wait until it is shown, which a driver does for a moment."""
    call.end(tokens=600).work()
    assert call.plugin._shown.settle(PATIENCE)


def test_where_no_thread_can_be_started_the_next_event_tries_again():
    begun: list[object] = []

    def spawn(work):
        begun.append(work)
        if len(begun) == 1:
            raise RuntimeError("can't start new thread")

    call = Followed()
    display = Display(File(is_terminal=True), spawn=spawn)
    call.running.listen(display)
    for _ in range(3):
        call.attempt()
        call.running.tick()
    assert len(begun) == 2


def test_a_pipe_gets_a_line_at_each_change_and_every_interval(monkeypatch):
    file = File()
    call = shown_on(file, monkeypatch)
    call.wait(3, "room under the rate limit")
    call.attempt()
    call.running.tick()
    call.block("text")
    for _ in range(12):
        call.generate(1, per_second=50)
        call.running.tick()
    ended(call)
    assert file.getvalue().splitlines() == [
        "seawall: claude-opus-5-5 c: queued 3 s: room under the rate limit, 0.0 s",
        "seawall: claude-opus-5-5 c: connecting, 0.0 s",
        "seawall: claude-opus-5-5 c: writing, 0.0 s",
        "seawall: claude-opus-5-5 c: writing, about 500 tokens, 50 tokens/s, 10.0 s",
        "seawall: claude-opus-5-5 c: completed, 600 tokens, 50 tokens/s, 12.0 s",
    ]


def test_a_pipe_gets_no_character_that_its_code_page_does_not_have(monkeypatch):
    file = File(encoding="cp1252")
    call = shown_on(file, monkeypatch)
    call.wait(3, "\u65e5\u672c")
    call.attempt()
    ended(call)
    assert r"queued 3 s: \u65e5\u672c" in file.getvalue()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_that_is_gone_holds_up_no_call_and_is_not_asked_again(is_terminal, monkeypatch):
    call = shown_on(Gone(is_terminal=is_terminal), monkeypatch)
    call.attempt()
    call.block("text")
    ended(call)
    assert not call.plugin._shown.is_open


@pytest.mark.parametrize("variable", ["NO_COLOR", None])
def test_colours_are_shown_unless_the_user_wants_none(variable, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "")
    if variable:
        monkeypatch.setenv(variable, "1")
    file = File(is_terminal=True)
    call = shown_on(file, monkeypatch)
    call.attempt()
    call.block("text")
    ended(call)
    text = file.getvalue()
    assert "completed" in text
    assert ("\x1b[32m" in text) is (variable is None)
    assert "\x1b[?25" not in text, "the cursor is left alone"


def test_what_was_written_by_the_end_of_a_call_stays_above_what_comes_next(monkeypatch):
    file = File(is_terminal=True)
    call = shown_on(file, monkeypatch)
    call.attempt()
    ended(call)
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(file.getvalue().replace("\n", "\r\n"))
    rows = [row.rstrip() for row in screen.display if row.strip()]
    assert rows == ["✓  claude-opus-5-5  completed  600 tokens  0 s"]
    assert (screen.cursor.x, screen.cursor.y, screen.cursor.hidden) == (0, 1, False)


def test_a_call_that_is_gone_without_its_end_is_not_drawn_any_more(monkeypatch):
    file = File(is_terminal=True)
    call = shown_on(file, monkeypatch)
    call.attempt()
    del call.call
    gc.collect()
    call.running.tick()
    assert call.plugin._shown.settle(PATIENCE)
    assert call.plugin._shown._calls == {}
    assert "unknown" in file.getvalue()
