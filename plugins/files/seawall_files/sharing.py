"""What Windows refuses while another program has the file open: a virus scanner, an indexer, a reader.

Most have it open for some milliseconds, so it is done again; pip, too, does so for a second.
"""

import time
from collections.abc import Callable
from typing import Final

_IN_USE: Final = (5, 32)
"""ERROR_ACCESS_DENIED, which a replaced file that is open makes, and ERROR_SHARING_VIOLATION."""
_PAUSES: Final = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.4)
"""Seconds."""


def patiently(act: Callable[[], None]) -> None:
    """Rename or remove a file, again and again for a second while another program has it open.

    Raises:
        OSError: It cannot be done, or is still open.
    """
    for pause in _PAUSES:
        try:
            act()
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _IN_USE:
                raise
            time.sleep(pause)  # noqa: TID251 - who writes files waits for them
        else:
            return
    act()
