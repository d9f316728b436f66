"""Ways from a folder down to one beneath it that no link leads astray, not even one put there meanwhile."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from seawall_files import openat2
from seawall_files.folder import BY_DESCRIPTOR, SEARCH, Folder, joined
from seawall_files.pins import pinned, unpin

Descent = Callable[[Folder, Sequence[str]], Folder]
"""Opens the folder that names lead to, one after the other; none of them may be a link."""


def best_descent() -> Descent:
    """Return the best way that this system has."""
    if openat2.is_available():
        return by_openat2
    return by_walking if BY_DESCRIPTOR else by_pinning


def by_openat2(root: Folder, names: Sequence[str]) -> Folder:
    """All at once, in the kernel; Linux 5.6 or newer."""
    path = "/".join(names) or "."
    return Folder(openat2.open_beneath(root.held, path, SEARCH), root.path_of(path))


def by_walking(root: Folder, names: Sequence[str]) -> Folder:
    """One after the other by descriptor, with `O_NOFOLLOW`; any POSIX."""
    folder = root.enter(".")
    for name in names:
        with folder:
            folder = folder.enter(name)
    return folder


def by_pinning(root: Folder, names: Sequence[str]) -> Folder:
    """One after the other by path, each kept from being moved before it is looked at.

    Only Windows keeps them: elsewhere a folder exchanged between the look and the use goes unnoticed.
    """
    with ExitStack() as pins:
        path = root.path
        for name in names:
            path = joined(path, name)
            pins.callback(unpin, pinned(path))
        return Folder(None, path, pins.pop_all().close)
