"""Makes the n-th system call of an operation fail, for every n; run as a process of its own.

`python -m files.failing OPERATION` prints one line of JSON for each n of each failure: what the operation
said, and what was there afterwards.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = (
    "open", "write", "fsync", "close", "replace", "rename", "link", "unlink", "mkdir", "rmdir", "stat",
    "fstat", "fchmod", "fchown", "ftruncate", "scandir",
)  # fmt: skip
FAILURES = ("ENOSPC", "EIO", "EINTR", "short", "interrupt", "EIO from then on")
OLD, NEW = b"old" * 500, b"new" * 700


class Calls:
    """Counts the system calls, and lets one of them fail, or it and all after it."""

    def __init__(self) -> None:
        self.failure = ""
        self.at = 0
        self.made = 0
        self.failed: list[str] = []

    def arm(self, failure: str, at: int) -> None:
        self.failure, self.at, self.made, self.failed = failure, at, 0, []

    def is_due(self, name: str) -> bool:
        if not self.at:
            return False
        self.made += 1
        due = self.made >= self.at if self.failure.endswith("on") else self.made == self.at
        if due:
            self.failed.append(name)
        return due

    def error(self) -> BaseException:
        if self.failure == "interrupt":
            return KeyboardInterrupt()
        number = getattr(errno, self.failure.split()[0], errno.EIO)
        return OSError(number, os.strerror(number))

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if not self.is_due(name):
                return call(*arguments, **options)
            if self.failure == "short":
                if name != "write":
                    return call(*arguments, **options)
                return call(arguments[0], bytes(arguments[1])[:1])
            if name == "close":
                # as Linux does: it is closed all the same
                call(*arguments)
            raise self.error()

        return wrapped

    def library(self, real: type[ctypes.CDLL]) -> type[ctypes.CDLL]:
        """The C library, whose `renameat2` and `syscall` are counted too."""
        calls = self

        class Function:
            def __init__(self, name: str, function: Any) -> None:
                self.__dict__.update(name=name, function=function)

            def __setattr__(self, name: str, value: object) -> None:
                setattr(self.function, name, value)

            def __call__(self, *arguments: Any) -> Any:
                if calls.is_due(self.name) and calls.failure != "short":
                    error = calls.error()
                    if not isinstance(error, OSError):
                        raise error
                    ctypes.set_errno(error.errno or errno.EIO)
                    return -1
                return self.function(*arguments)

        class Library(real):  # type: ignore[misc,valid-type]
            def __getattr__(self, name: str) -> Any:
                function = Function(name, super().__getattr__(name))
                # the library keeps the bare function: not so that it is found
                self.__dict__[name] = function
                return function

        return Library


def descriptors() -> int:
    """How many files are open."""
    return len(list(Path("/dev/fd").iterdir()))


def content(path: Path) -> str | None:
    return path.read_bytes().decode() if path.is_file() else None


def journalled(root: Path) -> None:
    """Keep a journal of two pieces."""
    from seawall_files.header import Header  # noqa: PLC0415
    from seawall_files.journal import Journal, Kind  # noqa: PLC0415

    with Journal.create(root / "j", Header("abc", "f")) as journal:
        journal.append(Kind.FRAMES, OLD)
        journal.sync()
        journal.append(Kind.FRAMES, NEW)


def resumed(root: Path) -> None:
    """Go on with a journal whose second piece was torn."""
    from seawall_files.journal import Journal, Kind, recover  # noqa: PLC0415

    with Journal.reopen(recover(root / "j")) as journal:
        journal.append(Kind.FRAMES, NEW)
        journal.sync()


def pieces(root: Path) -> list[str] | None:
    """What the journal holds; `None` where there is none."""
    from seawall_files.journal import recover  # noqa: PLC0415

    if not (root / "j").exists():
        return None
    return [record.payload.decode() for record in recover(root / "j").records()]


def run(operation: str, failure: str, calls: Calls) -> None:
    # the calls are wrapped by now
    from seawall_files import Workspace, write_atomic  # noqa: PLC0415
    from seawall_files.descent import best_descent, by_walking  # noqa: PLC0415

    descend = by_walking if operation.endswith("walking") else best_descent()
    deleted: list[Any] = []
    operations: dict[str, Callable[[Any, Path], object]] = {
        "write_atomic": lambda workspace, root: write_atomic(root / "f", NEW),
        "backed_up": lambda workspace, root: write_atomic(root / "f", NEW, backups=1),
        "journal": lambda workspace, root: journalled(root),
        "resumed": lambda workspace, root: resumed(root),
        "write": lambda workspace, root: workspace.write("new", NEW),
        "write_deep": lambda workspace, root: workspace.write("a/b/new", NEW),
        "replace": lambda workspace, root: workspace.replace("f", NEW),
        "append": lambda workspace, root: workspace.append("f", NEW),
        "delete": lambda workspace, root: workspace.delete("f"),
        "restore": lambda workspace, root: workspace.restore(deleted[-1]),
    }
    operate = operations[operation.removesuffix("_walking")]
    for at in range(1, 200):
        root = Path(tempfile.mkdtemp())
        (root / "f").write_bytes(OLD)
        (root / "f").chmod(0o640)
        if operation == "backed_up":
            # the oldest one has to go
            (root / "f.~1~").write_bytes(b"older")
        if operation == "resumed":
            journalled(root)
            os.truncate(root / "j", (root / "j").stat().st_size - 1)
        with Workspace(root, descend=descend) as workspace:
            if operate is operations["restore"]:
                deleted.append(workspace.delete("f"))
            before = descriptors()
            calls.arm(failure, at)
            try:
                operate(workspace, root)
                said = "done"
            except (OSError, KeyboardInterrupt) as error:
                said = type(error).__name__
            failed, calls.at = calls.failed, 0
            leaked = descriptors() - before
            trash = workspace.deleted()
            line = {
                "failure": failure,
                "said": said,
                "failed": failed,
                "leaked": leaked,
                "f": content(root / "f"),
                "mode": (root / "f").stat().st_mode & 0o777 if (root / "f").exists() else None,
                "new": content(root / ("a/b/new" if "deep" in operation else "new")),
                "backup": content(root / "f.~2~"),
                "journal": pieces(root),
                "trash": [content(root / ".seawall-trash" / one.token / "content") for one in trash],
                "names": sorted(path.name for path in root.rglob("*") if path.is_file()),
            }
        shutil.rmtree(root)
        if not failed:
            return
        sys.stdout.write(f"{json.dumps(line)}\n")


def counted(calls: Calls) -> Calls:
    """Let the system calls of this process go through `calls`."""
    ctypes.CDLL = calls.library(ctypes.CDLL)  # type: ignore[misc]
    for call in CALLS:
        real = getattr(os, call)
        setattr(os, call, calls.wrap(call, real))
        for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if real in able:
                able.add(getattr(os, call))
    return calls


if __name__ == "__main__":
    counting = counted(Calls())
    for each in FAILURES:
        run(sys.argv[1], each, counting)
