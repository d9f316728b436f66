"""Numbered backups of a file that is going to be replaced."""

from seawall_files.folder import Folder


def back_up(folder: Folder, name: str) -> str | None:
    """Keep the file `name` of an open folder under its next number, and return that name.

    The file itself stays where it is. `None` where the newest backup holds the same bytes already, as after a
    crash.

    Raises:
        OSError: It cannot be kept; nothing was changed.
    """
    raise NotImplementedError


def prune(folder: Folder, name: str, *, keep: int) -> None:
    """Remove all but the newest `keep` backups of the file `name`; what cannot be removed stays."""
    raise NotImplementedError
