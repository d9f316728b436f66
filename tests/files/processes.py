"""`seawall` as a process of its own: started as a user does, or forked from one that has imported all."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SEAWALL = str(Path(sys.executable).with_name("seawall"))
_CONTEXT = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
# most of what `seawall run` imports until it ends; only what is installed is found there
_CONTEXT.set_forkserver_preload(
    [
        *("seawall.cli", "seawall.sync_driver", "seawall_files.run", "seawall_files.keeping"),
        *("seawall_backoff.plugin", "seawall_progress.plugin", "seawall_streaming", "seawall_tokens.plugin"),
        *("genai_prices.data", "httpcore2", "pydantic_settings", "tiktoken", "truststore"),
    ]
)
_turn = threading.Lock()
"""Of two threads that ask how a process ended, one would find its pipe empty."""


class Running(Protocol):
    """A process; what `subprocess.Popen` has."""

    def poll(self) -> int | None: ...

    def kill(self) -> None: ...

    def wait(self, timeout: float) -> int: ...


class Starter(Protocol):
    """Starts `seawall` with some arguments in a folder; what it says goes to the file `said`."""

    def __call__(
        self, arguments: Sequence[str], folder: Path, variables: Mapping[str, str], said: Path
    ) -> Running: ...


def started(arguments: Sequence[str], folder: Path, variables: Mapping[str, str], said: Path) -> Running:
    """Start the command that is installed."""
    with said.open("wb") as file:
        return subprocess.Popen([_SEAWALL, *arguments], cwd=folder, env=variables, stderr=file)


def forked(arguments: Sequence[str], folder: Path, variables: Mapping[str, str], said: Path) -> Running:
    """Run the command in a process that need not import anything: nearly all that starting one takes."""
    process = _CONTEXT.Process(target=_run, args=(list(arguments), folder, dict(variables), said))
    with _turn:
        process.start()
    return _Forked(process)


class _Forked:
    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process

    def poll(self) -> int | None:
        with _turn:
            return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float) -> int:
        wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise TimeoutError(f"process {self._process.pid} still runs after {timeout:g} s")
        return code


def _run(arguments: list[str], folder: Path, variables: dict[str, str], said: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    with said.open("wb") as file:
        os.dup2(file.fileno(), 2)
    from seawall.cli import main  # noqa: PLC0415 - the parent need not

    main(arguments)
