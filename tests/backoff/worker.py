"""A process that calls again and again, until it is told that it is over.

What became of each call goes to a file, which nobody has to empty: a line `ok` or the name of an error. The
circuit of the process pauses a fifth of the usual time, so that a test is not spent waiting.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import anthropic

import seawall
from seawall_backoff import circuit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path

context = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
# eight that load the SDK take longer than what they are there for
context.set_forkserver_preload(["anthropic", "seawall.middleware"])


class Worker:
    """Such a process; the state its calls share is that of the variables."""

    def __init__(self, base_url: str, threads: int, variables: Mapping[str, str], file: Path) -> None:
        self._file = file
        self._wire, wire = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=work, args=(base_url, threads, variables, file, wire)
        )
        self.process.start()
        wire.close()

    def wait_for(self, words: str) -> None:
        """Return when its log says `words`; fail when it has ended."""
        while words not in self._wire.recv():
            pass

    def end(self) -> None:
        """Have it end once its calls have."""
        self._wire.close()

    def result(self, patience: float) -> set[str]:
        """What became of its calls, when it has ended."""
        self.process.join(patience)
        assert self.process.exitcode == 0
        return set(self._file.read_text().split())

    def close(self) -> None:
        self._wire.close()
        self.process.kill()
        self.process.join()
        self.process.close()


class _Telling(logging.Handler):
    def __init__(self, wire: Connection) -> None:
        super().__init__()
        self._wire = wire

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # who made the process hears no more of it
            self._wire.send(record.getMessage())


def work(base_url: str, threads: int, variables: Mapping[str, str], file: Path, wire: Connection) -> None:
    os.environ.update(variables)
    logging.basicConfig(handlers=[_Telling(wire)])
    circuit.FIRST_PAUSE /= 5
    circuit.LAST_PAUSE /= 5
    is_over = threading.Event()

    def call_again_and_again() -> None:
        while not is_over.is_set():
            messages = [{"role": "user", "content": "Hello."}]
            try:
                client.messages.create(model="claude-opus-5-5", max_tokens=20, messages=messages)
                tell("ok")
            except Exception as error:  # noqa: BLE001 - the test looks at it
                tell(type(error).__name__)
            is_over.wait(0.2)

    def tell(word: str) -> None:
        # one write: lines of several threads do not mix
        results.write(f"{word}\n".encode())

    with (
        file.open("wb", buffering=0) as results,
        anthropic.Anthropic(
            base_url=base_url, api_key="test", default_headers={"x-worker": str(os.getpid())}, timeout=60.0
        ) as bare,
    ):
        client = seawall.protect(bare, plugins=["backoff"])
        callers = [threading.Thread(target=call_again_and_again) for _ in range(threads)]
        for caller in callers:
            caller.start()
        with suppress(EOFError, OSError):
            wire.recv()
        is_over.set()
        for caller in callers:
            caller.join()
