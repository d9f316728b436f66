"""The display in a real terminal: ten calls at once, a resize, Ctrl-C."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte

from seawall_testkit import Simulator

SHOWER = Path(__file__).with_name("shower.py")
PATIENCE = 30.0


class Terminal:
    """A terminal, and the program that runs in it; its stdout is a pipe."""

    def __init__(self, address: str, calls: int) -> None:
        self._master, slave = pty.openpty()
        self.screen = pyte.Screen(100, 30)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.resize(100, tell=False)
        self.program = subprocess.Popen(
            [sys.executable, SHOWER, address, str(calls)],
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            # a runner of tests sets a width, which would be for good
            env=os.environ | {"TERM": "xterm", "PYTHONUTF8": "1", "COLUMNS": "", "LINES": ""},
            start_new_session=True,
            text=True,
        )
        os.close(slave)

    def resize(self, columns: int, *, tell: bool = True) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        self.screen.resize(30, columns)
        if tell:
            self.program.send_signal(signal.SIGWINCH)

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

    @property
    def rows(self) -> list[str]:
        return [row.rstrip() for row in self.screen.display if row.strip()]

    def read_until(self, is_so: Callable[[], bool] = lambda: False) -> bool:
        """Read until it is so, or the program has ended; returns whether it is so."""
        while not is_so():
            ready, _, _ = select.select([self._master], [], [], PATIENCE)
            try:
                data = os.read(self._master, 65536) if ready else b""
            except OSError:
                # Linux says so when the other end is closed
                data = b""
            if not data:
                return is_so()
            self.raw += data
            self._stream.feed(data)
        return True

    def end(self) -> str:
        """Return what the program wrote to stdout, when it has ended."""
        self.read_until()
        out, _ = self.program.communicate(timeout=PATIENCE)
        return out

    def close(self) -> None:
        self.program.kill()
        self.program.communicate()
        os.close(self._master)


@contextmanager
def terminal(simulator: Simulator, calls: int) -> Iterator[Terminal]:
    one = Terminal(simulator.base_url, calls)
    try:
        yield one
    finally:
        one.close()


def test_ten_calls_are_shown_at_once_in_any_width_and_ctrl_c_lets_go_of_the_terminal():
    with (
        Simulator(answer_tokens=9000, tokens_per_second=50) as simulator,
        terminal(simulator, 10) as one,
    ):
        assert one.read_until(lambda: sum("writing" in row for row in one.rows) == 10), one.rows
        one.resize(48)
        assert one.read_until(lambda: sum("writing" in row and len(row) < 48 for row in one.rows) == 10), (
            one.rows
        )
        one.press(b"\x03")
        assert one.end() == "interrupted\n", "its stdout is its own"
    assert sum("abandoned" in row for row in one.rows) == 10
    assert "writing" not in one.rows[-1]


def test_a_process_that_is_ended_by_a_signal_leaves_the_cursor_as_it_was():
    with (
        Simulator(answer_tokens=9000, tokens_per_second=50) as simulator,
        terminal(simulator, 2) as one,
    ):
        assert one.read_until(lambda: sum("writing" in row for row in one.rows) == 2), one.rows
        one.program.send_signal(signal.SIGTERM)
        assert one.end() == ""
        assert one.program.returncode == -signal.SIGTERM, "the signal is the application's"
    assert not one.screen.cursor.hidden
    assert b"\x1b[?25l" not in one.raw
