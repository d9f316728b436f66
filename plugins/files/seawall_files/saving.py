"""`saving`: the answer of the call that is made inside goes into a file."""

import os
from contextlib import AbstractContextManager, ExitStack
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Self

from seawall.scopes import scoped
from seawall.state import new_lock
from seawall_files.errors import SavingError
from seawall_files.places import journal_path, real_target

_current: ContextVar["Saving | None"] = ContextVar("seawall_files.saving", default=None)


class Saving(AbstractContextManager["Saving"]):
    """Where the answer of a call goes; what `saving` gives. Sync and async code use it alike."""

    def __init__(self, path: str | os.PathLike[str], *, command: str = "") -> None:
        self.command = command
        """What who waits for the file is told of this program; by default its name."""
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would look at the disk
        """The file."""
        self.is_saved = False
        """Whether it holds the whole answer."""
        self._lock = new_lock()
        self._has_begun = False
        self._is_running = False
        self._scope = ExitStack()

    @property
    def journal(self) -> Path:
        """Where the journal is, if there is one; looks at the disk where the path has links."""
        return journal_path(real_target(self.path))

    def __enter__(self) -> Self:
        self._scope.enter_context(scoped(_current, self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scope.close()
        if kind is None and not self._has_begun:
            raise SavingError(
                str(self.path),
                "was not written: no call was made inside saving() by a client of seawall.protect() on which "
                "the plugin 'files' runs",
            )

    def begin(self) -> None:
        """A call begins, or the one that failed is made once more.

        Raises:
            SavingError: Another one did.
        """
        with self._lock:
            if self._is_running or self.is_saved:
                said = "is being saved to by" if self._is_running else "holds the answer of"
                raise SavingError(
                    str(self.path),
                    f"{said} another call already; saving() is for one call: give each its own, and make "
                    "those that are not to be saved outside. Nothing was sent",
                )
            self._has_begun = self._is_running = True

    def end(self, *, is_saved: bool) -> None:
        """The call has ended."""
        with self._lock:
            self._is_running, self.is_saved = False, is_saved


def saving(path: str | os.PathLike[str]) -> Saving:
    """Save the answer of the call that is made inside, whatever happens to this process.

    What arrives goes into a journal beside the file; once the answer is whole, its text replaces the file,
    which until then is as it was. The same request for the same file goes on where the last one ended.

    Args:
        path: The file; its folder must exist.
    """
    return Saving(path)


def current() -> Saving | None:
    """Return where the answer of a call that is made here and now goes."""
    return _current.get()
