"""A thread that does some work every second, while there is any."""

import atexit
import threading
from collections.abc import Callable
from contextlib import suppress


class Pulse:
    """Does `work` in a daemon thread every `interval` seconds, and at once when woken, while `is_needed`.

    A program that ends meanwhile does it a last time: daemon threads, and what they run, are not waited for.
    Threads may share it. A fork leaves the thread behind: make another one then.
    """

    def __init__(
        self, work: Callable[[], None], is_needed: Callable[[], bool], *, interval: float, name: str
    ) -> None:
        self._work = work
        self._is_needed = is_needed
        self._interval = interval
        self._name = name
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """See to it that it runs: it is needed now.

        Where no thread can be started (the interpreter ends, or there are too many) nothing is done.
        """
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                with suppress(RuntimeError):
                    self._thread.start()
                    atexit.register(self._finish)

    def wake(self) -> None:
        """Have the work done now; takes a microsecond."""
        self._woken.set()

    def _run(self) -> None:
        while True:
            self._woken.wait(self._interval)
            self._woken.clear()
            with self._lock:
                # whoever needs it next finds that it is gone
                if not self._is_needed():
                    self._thread = None
                    atexit.unregister(self._finish)
                    return
            self._work()

    def _finish(self) -> None:
        thread = self._thread
        # in a forked child it is not: what is to be done there is the parent's
        if thread is not None and thread.is_alive() and self._is_needed():
            self._work()
