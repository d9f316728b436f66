"""Forks a child beside a thread."""

import os
import signal
import warnings
from collections.abc import Callable


def forked(check: Callable[[], bool]) -> int:
    """Return the process id of a child that ends with 0 if `check` holds in it, and never waits for ever."""
    with warnings.catch_warnings():
        # newer Pythons warn of forks beside threads
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(not check())
    return child
