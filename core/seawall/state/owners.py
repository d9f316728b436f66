"""Who holds a lease: an id that tells host, process and when the process began.

So that what a killed process held comes back at once where that can be known, on its host, and when the lease
expires elsewhere.
"""

import functools
import itertools
import os
import socket
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall.state import leases
from seawall.state.documents import Document

_SEPARATOR: Final = "|"
_serial: Final = itertools.count(1)


def new_owner() -> str:
    """Return the id of an owner in this process; each call gives another: `host|pid|start|serial`."""
    pid = os.getpid()
    return _SEPARATOR.join((_host(), str(pid), _own_start(pid), str(next(_serial))))


def is_surely_dead(owner: str) -> bool:
    """Return whether the owner's process ran on this host and has ended.

    `False` where that cannot be known: on another host, in another container or since before a reboot, for
    text that is no id, and on Windows; where the start of a process cannot be read, also if its pid is used
    again.
    """
    host, *rest = owner.rsplit(_SEPARATOR, 3)
    if host != _host() or len(rest) != 3 or not rest[0].isdecimal() or sys.platform == "win32":  # noqa: PLR2004 - as `new_owner` makes it
        return False
    pid, start = int(rest[0]), rest[1]
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        # it lives, and belongs to somebody else
        return False
    state, now_started = _stat(pid)
    return state in {"Z", "X"} or bool(start and now_started and start != now_started)


def dead_owners(document: Document) -> list[str]:
    """Return the owners of leases in `document` that are surely dead, for `leases.expire`.

    Asks the system once for each process: not inside a step, and not on an event loop in a tight loop.
    """
    alive: dict[str, bool] = {}
    dead = []
    for owner in leases.owners(document):
        process = owner.rpartition(_SEPARATOR)[0]
        if process not in alive:
            alive[process] = not is_surely_dead(owner)
        if not alive[process]:
            dead.append(owner)
    return dead


@functools.cache
def _host() -> str:
    """Return a name that two places share only if they share process ids."""
    # pids are those of a container, on one kernel, until it is started again
    boot, pids = "", ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        pids = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it is text, not a path
    return f"{socket.gethostname()}.{zlib.crc32(f'{boot} {pids}'.encode()):08x}"


@functools.lru_cache(maxsize=1)
def _own_start(pid: int) -> str:
    return _stat(pid)[1]


def _stat(pid: int) -> tuple[str, str]:
    """Return the state of a process and when it began, in ticks since its host did.

    Both are `""` where that is unknown. See proc_pid_stat(5): fields 3 and 22. The name before them may hold
    spaces and parentheses.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]
