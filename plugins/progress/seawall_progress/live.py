"""The live display of rich, on a terminal that belongs to the application."""

from typing import IO

from rich.console import Console
from rich.live import Live


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave the process as it is: rich would end it, and close its stdout."""
        raise BrokenPipeError

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002 - rich calls it so
        """Leave the cursor as it is: nobody would show it again in a process that a signal ends."""
        return False


def live_on(file: IO[str]) -> Live:
    """Return a display below the cursor of a terminal; it goes when it is stopped."""
    return Live(
        console=_Console(file=file, highlight=False, markup=False, emoji=False),
        auto_refresh=False,
        transient=True,
        # stdout and stderr are the application's
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    )
