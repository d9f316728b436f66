"""The errors of this plugin; what the system says stays an `OSError`."""

from seawall import PluginError, SeawallError

_LONGEST_PATH = 200
"""Characters of a path in an error."""


class WorkspaceError(SeawallError):
    """A workspace refuses a path or a file; nothing was read or changed."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{shown(path)} {reason}")
        self.path = path
        self.reason = reason


class UnsuitableFileError(SeawallError):
    """A file is not what it is to be read as, or larger than the API or the caller takes."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{shown(path)} {reason}")
        self.path = path
        self.reason = reason


class JournalError(SeawallError):
    """A file that should be a journal is not read or written; it is as it was."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{shown(path)} {reason}")
        self.path = path
        self.reason = reason


class DamagedJournalError(JournalError):
    """A journal is damaged before it says what it is about; nothing in it can be used."""


class TargetLockedError(SeawallError):
    """Another call, of this process or another one, is saving to the same file; nothing was sent."""

    def __init__(self, path: str, holder: str, timeout: float) -> None:
        super().__init__(
            f"{shown(path)} is being saved to by {holder}; waited {timeout:g} s for it (lock_timeout). "
            "Wait until it ends, or save to another file"
        )
        self.path = path
        self.holder = holder
        self.timeout = timeout


class JournalConflictError(JournalError):
    """The journal of a file is that of another request; it is as it was, and nothing was sent."""

    def __init__(self, path: str, target: str) -> None:
        super().__init__(
            path,
            f"holds what came of the answer to another request for {shown(target)}, and is kept; nothing was "
            "sent. Make that request again, or `seawall journals resume` it; `seawall journals discard` "
            "removes it",
        )
        self.target = target


class SavingError(SeawallError):
    """An answer cannot be saved as it was asked for; the file is as it was."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{shown(path)} {reason}")
        self.path = path
        self.reason = reason


class NotSavedError(PluginError):
    """The answer is whole, but its file could not be written, and is as it was, if it was there."""

    def __init__(self, path: str, kept: str, error: OSError, text: str, *, is_there: bool) -> None:
        why = error.strerror or error
        standing = "; it is as it was" if is_there else ""
        SeawallError.__init__(self, f"{shown(path)} could not be written: {why}{standing}. {kept}")
        self.plugin = "files"
        self.hook = "post_response"
        self.path = path
        self.text = text
        """The answer."""


def shown(path: str) -> str:
    """Return a path as an error shows it."""
    return repr(path if len(path) <= _LONGEST_PATH else path[: _LONGEST_PATH - 1] + "…")
