"""A workspace full of ways out, what lies outside, and paths that try them."""

# ruff: noqa: E501, RUF001 - a corpus, part of which is to be mistaken

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seawall_files import Deleted, Workspace
from seawall_files.descent import by_openat2, by_pinning, by_walking
from seawall_files.folder import BY_DESCRIPTOR
from seawall_files.openat2 import is_available

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "the outside is none of your business"

DESCENTS = [
    *([by_openat2] if is_available() else []),
    *([by_walking] if BY_DESCRIPTOR else []),
    by_pinning,
]
HELD = [descent for descent in DESCENTS if descent is not by_pinning or os.name == "nt"]
"""Those that hold what they looked at, so that a race is lost by whoever exchanges it."""


@dataclass
class Trap:
    """A folder with a workspace in it and something beside it."""

    root: Path
    outside: Path

    @classmethod
    def set_in(cls, folder: Path) -> Trap:
        trap = cls(folder / "workspace", folder / "outside")
        trap.outside.mkdir()
        (trap.outside / "secret").write_text(SECRET)
        (trap.outside / "folder").mkdir()
        (trap.outside / "folder" / "secret").write_text(SECRET)
        trap.root.mkdir()
        (trap.root / "inside").mkdir()
        (trap.root / "inside" / "file").write_text("inside")
        (trap.root / "file").write_text("inside")
        if os.name == "posix":
            trap.lay()
        return trap

    def lay(self) -> None:
        """Lay what only POSIX has."""
        links = {
            "to-folder": self.outside,
            "to-file": self.outside / "secret",
            "to-new": self.outside / "new",
            "to-nested": self.outside / "folder",
            "to-root": "/",
            "to-proc": "/proc/self/root",
            "to-cwd": "/proc/self/cwd",
            "to-fd": "/proc/self/fd",
            "to-null": "/dev/null",
            "to-parent": "..",
            "to-relative": "../outside",
            "to-here": ".",
            "to-inside": "inside",
            "to-itself": "to-itself",
            "to-chain": "to-relative",
            "to-nothing": "nothing",
            "inside/to-up": "../../outside",
            "inside/to-file": "../../outside/secret",
        }
        for name, target in links.items():
            (self.root / name).symlink_to(target)
        os.link(self.outside / "secret", self.root / "hard")
        os.link(self.outside / "secret", self.root / "inside" / "hard")
        os.mkfifo(self.root / "pipe")
        with socket.socket(socket.AF_UNIX) as bound, suppress(OSError):
            bound.bind(str(self.root / "socket"))
        with suppress(OSError):
            os.mknod(self.root / "device", 0o20666, os.makedev(1, 5))

    def seen(self) -> dict[str, object]:
        """What there is outside; the same before and after, or something got out."""
        return {
            str(path.relative_to(self.outside)): (
                path.lstat().st_mode,
                path.lstat().st_nlink,
                path.lstat().st_mtime_ns,
                path.read_bytes() if path.is_file() else None,
            )
            for path in [self.outside, *self.outside.rglob("*")]
        }


def listed(workspace: Workspace, path: str) -> str:
    return repr(workspace.list(path, recursive=True))


OPERATIONS: dict[str, Callable[[Workspace, str], object]] = {
    "open": lambda workspace, path: workspace.open(path).close(),
    "read_bytes": Workspace.read_bytes,
    "read_text": Workspace.read_text,
    "read_some": lambda workspace, path: workspace.read_text(path, max_tokens=5, cut=True),
    "chunks": lambda workspace, path: list(workspace.chunks(path, tokens=5)),
    "content_block": Workspace.content_block,
    "list": listed,
    "write": lambda workspace, path: workspace.write(path, "written"),
    "write_below": lambda workspace, path: workspace.write(f"{path}/new", "written"),
    "append": lambda workspace, path: workspace.append(path, "written"),
    "replace": lambda workspace, path: workspace.replace(path, "written"),
    "restore": lambda workspace, path: workspace.restore(Deleted(path, workspace.delete("file").token)),
    "restore_forged": lambda workspace, path: workspace.restore(Deleted("new", path)),
    "delete": Workspace.delete,
}

UPWARDS = [
    f"{way}{target}"
    for way in [
        "../",
        "../../",
        "./../",
        "..//",
        "inside/../../",
        "inside/./../../",
        "nothing/../../",
        "file/../../",
    ]
    for target in ["outside/secret", "outside/new", "outside", "etc/passwd"]
] + ["..", "../", "../.", ".././..", "inside/../..", "inside/..", "inside/../file"]

ABSOLUTE = [
    "/", "//", "/etc/passwd", "//etc/passwd", "/./etc/passwd", "/../etc/passwd", "/tmp", "/dev/zero", "/dev/tty",
    "/dev/stdin", "/dev/fd/0", "/proc/self/mem", "/proc/self/environ", "/proc/self/root/etc/passwd",
    "/proc/self/cwd/../../etc/passwd", "/proc/1/root", "/proc/sys/kernel/hostname",
]  # fmt: skip

WINDOWS = [
    "C:/Windows/win.ini", "C:\\Windows\\win.ini", "C:secret", "c:", "\\Windows", "\\\\server\\share\\x",
    "\\\\?\\C:\\x", "\\\\.\\PhysicalDrive0", "//server/share/x", "..\\outside\\secret", "inside\\..\\..\\outside",
    "inside/..\\..\\outside/secret", "file::$DATA", "file:stream", "inside::$INDEX_ALLOCATION/file",
    "file:///etc/passwd", "CON", "con", "Con.txt", "PRN", "AUX.md", "inside/nul", "NUL.tar.gz", "COM1", "com9.log",
    "LPT1", "lpt5.txt", "COM¹", "LPT².md", "CONIN$", "conout$", "nul ", "con .txt", "file.", "file ", "file...",
    "inside. /file", "file?", "fi*e", "<file", "file|", 'fi"le',
]  # fmt: skip

UNICODE = [
    "．．/outside/secret", "．．／outside／secret", "..／outside", "‥/outside/secret", "．/．．/outside",
    "․․/outside/secret", "inside／..／..／outside", "℅/secret", "℀", "＼＼server＼share", "..＼outside",
    "ＣＯＮ", "ｎｕｌ.txt", "ＡＵＸ", "COM１",
    "file\u202etxt.exe", "fi\u200ble", "fi\u200dle", "\ufefffile", "fi\u00adle", "fi\u2066le", "file\u2028", "fi\u2029le",
    "fi\ud800le", "fi\udcffle",
]  # fmt: skip

CONTROLS = [
    "\0", "file\0", "file\0.txt", "../outside/secret\0.md", "fi\nle", "fi\rle", "fi\tle", "\x1b[2Jfile", "\x7ffile",
    "fi\x85le", "\b\b\b",
]  # fmt: skip

LONG = [
    "a" * 256, "é" * 128, "名" * 86, "inside/" + "b" * 300, "a/" * 3000 + "file", "a" * 5000, "x/" * 2048,
    "../" * 2000, "./" * 3000 + "file",
]  # fmt: skip

OWN = [
    ".seawall-trash", ".seawall-trash/x", ".Seawall-Trash/x/content", ".SEAWALL-TRASH", "．seawall-trash/x",
    "inside/.seawall-trash", ".seawall-trash/../../outside/secret", "SEAWAL~1", "seawal~1/x/content", "SE3F0A~1/x",
]  # fmt: skip

LINKS = [
    f"{link}{below}"
    for link in [
        "to-folder", "to-root", "to-proc", "to-cwd", "to-fd", "to-parent", "to-relative", "to-here", "to-inside",
        "to-itself", "to-chain", "to-nested", "to-nothing", "inside/to-up",
    ]
    for below in ["", "/", "/secret", "/new", "/outside/secret"]
] + [
    "to-file", "to-new", "to-null", "inside/to-file", "hard", "inside/hard", "pipe", "socket", "device",
    "to-file/", "to-root/etc/passwd", "to-proc/etc/passwd", "to-fd/0", "file/x", "file/secret",
]  # fmt: skip

NOTHING = ["", ".", "./", "./.", "././."]

REFUSED = [*UPWARDS, *ABSOLUTE, *WINDOWS, *UNICODE, *CONTROLS, *LONG[:-1], *OWN]
"""Paths that no operation takes, on any system."""

LITERAL = [
    "~", "~/.ssh/id_rsa", "~root", "$HOME/x", "%2e%2e/outside/secret", "..%2foutside", "%2e%2e%2foutside", "..%00/x",
    "...", "..../x", "..a", "a..b", "`id`", "$(id)", "-rf", "--", "inside;id", "&", "#", "!", "'", "[a-z]", "{a,b}",
    "%SYSTEMROOT%", "%c0%ae%c0%ae/x", "..;/outside", "0", "null", "名前", "ÅÅ", "A\u030a",
    *LONG[-1:],
]  # fmt: skip
"""Paths that look like a way out and are names, or are refused for another reason."""

CORPUS = [*REFUSED, *LITERAL, *NOTHING, *(LINKS if os.name == "posix" else ())]


def names_of(paths: list[str]) -> list[str]:
    """Names for the tests of paths, which may be long and odd."""
    return [f"{number} {ascii(path)[1:31]}" for number, path in enumerate(paths)]
