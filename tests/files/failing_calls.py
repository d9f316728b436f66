"""Makes the n-th system call of a call that is saved fail, for every n; run as a process of its own.

`python -m files.failing_calls` prints one line of JSON for each n of each failure: what the caller got, what
was there then, and what the same call got after that, on a disk that works.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from files.failing import FAILURES, OLD, Calls, counted

if TYPE_CHECKING:
    import anthropic

    from seawall_testkit import Simulator

OLDER = b"older"
MAIN = threading.main_thread()
ANSWER = {"answer_tokens": 900, "tokens_per_event": 60}
ONLY = {
    "short": {"write"},
    "EINTR": {"open", "write", "fsync", "close", "ftruncate"},
    "ENOSPC": {"open", "write", "fsync", "close", "link", "replace", "renameat2"},
}
"""What can fail so; in all other ways each call can."""
TRIED = {"fresh": FAILURES, "resumed": ("ENOSPC", "short", "interrupt")}


class SavingCalls(Calls):
    """Those of the caller and of what it starts, and not those of the simulator."""

    def is_due(self, name: str) -> bool:
        thread = threading.current_thread()
        if thread.name == "seawall-simulator":
            return False
        # Ctrl-C strikes the main thread only
        if self.failure == "interrupt" and thread is not MAIN:
            return False
        return name in ONLY.get(self.failure, {name}) and super().is_due(name)


class Warnings(logging.Handler):
    """What the log says."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def files_open() -> int:
    """How many files and folders are open; connections come and go."""
    number = 0
    for entry in Path("/dev/fd").iterdir():
        # the listing itself is closed by then
        with suppress(OSError):
            mode = os.fstat(int(entry.name)).st_mode
            number += stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return number


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().decode(errors="replace") for path in folder.iterdir()}


def saved(client: anthropic.Anthropic, target: Path) -> str:
    from calls import MESSAGES, MODEL  # noqa: PLC0415 - the system calls are wrapped by now
    from seawall_files import saving  # noqa: PLC0415

    with saving(target):
        message = client.messages.create(model=MODEL, max_tokens=64_000, messages=MESSAGES)
    return "".join(block.text for block in message.content)


def tried(client: anthropic.Anthropic, target: Path) -> dict[str, Any]:
    """What a caller gets."""
    try:
        return {"said": "done", "text": saved(client, target)}
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the test says which ones may be
        partial = getattr(error, "partial_message", None)
        return {
            "said": type(error).__name__,
            "why": str(error),
            "text": getattr(error, "text", None),
            "partial": None if partial is None else "".join(block.text for block in partial.content),
        }


def fail_once(
    calls: SavingCalls, at: int, client: anthropic.Anthropic, simulator: Simulator, part: bytes
) -> dict[str, Any]:
    """Let one call fail at its n-th system call, then make it again."""
    from seawall_files.places import journal_path  # noqa: PLC0415

    root = Path(tempfile.mkdtemp())
    target = root / "f"
    target.write_bytes(OLD)
    (root / "f.~1~").write_bytes(OLDER)
    journal = journal_path(target)
    if part:
        journal.write_bytes(part)
    log, asked, before = Warnings(), len(simulator.requests), files_open()
    logging.getLogger("seawall").addHandler(log)
    calls.arm(calls.failure, at)
    first = tried(client, target)
    failed, calls.at = calls.failed, 0
    leaked = files_open() - before
    sent = len(simulator.requests) - asked
    there = contents(root)
    again = tried(client, target) if first["said"] != "done" or journal.exists() else None
    logging.getLogger("seawall").removeHandler(log)
    line = {
        "failure": calls.failure,
        "failed": failed,
        "leaked": leaked,
        "first": first,
        "sent": sent,
        "there": there,
        "again": again,
        "sent_again": len(simulator.requests) - asked - sent,
        "warned": log.said,
        "left": contents(root),
    }
    shutil.rmtree(root)
    return line


def part_of(simulator: Simulator, plugins: list[object]) -> bytes:
    """The journal of a process that was killed in the middle of the answer."""
    import anthropic  # noqa: PLC0415

    import seawall  # noqa: PLC0415
    from seawall_files.places import journal_path  # noqa: PLC0415

    root = Path(tempfile.mkdtemp())
    with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
        tried(seawall.protect(bare, plugins=plugins), root / "f")
    data = journal_path(root / "f").read_bytes()
    shutil.rmtree(root)
    return data


def run(calls: SavingCalls) -> None:
    import anthropic  # noqa: PLC0415

    import seawall  # noqa: PLC0415
    from calls import MESSAGES, plugins  # noqa: PLC0415
    from seawall_files import Files, FilesSettings  # noqa: PLC0415
    from seawall_testkit import Fault, Simulator  # noqa: PLC0415

    files = Files(FilesSettings(sync_interval=0.001, lock_timeout=0, backups=1), clock=lambda: 0.0)
    stop = [Fault("error_event", event=10, error_type="invalid_request_error")]
    with Simulator(**ANSWER, faults=stop) as simulator:
        part = part_of(simulator, [*plugins(), files])
    with (
        Simulator(**ANSWER) as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare,
    ):
        client = seawall.protect(bare, plugins=[*plugins(), files])
        answer = simulator.text_for(MESSAGES)
        # what is done once is done
        fail_once(calls, 0, client, simulator, b"")
        for beginning, failures in TRIED.items():
            journal = part if beginning == "resumed" else b""
            for calls.failure in failures:
                for at in range(1, 300):
                    line = fail_once(calls, at, client, simulator, journal)
                    if not line["failed"]:
                        break
                    said = {**line, "beginning": beginning, "answer": answer}
                    sys.stdout.write(f"{json.dumps(said)}\n")


if __name__ == "__main__":
    run(counted(SavingCalls()))  # type: ignore[arg-type]
