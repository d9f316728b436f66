"""State of one process."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from seawall.state.documents import R, Step, decoded, encoded
from seawall.state.forks import new_lock

if TYPE_CHECKING:
    import threading


class MemoryStore:
    """Keeps documents in this process; a forked child goes on with a copy.

    Usable from all threads. A lock per key is held for the step's arithmetic only, so nothing ever waits for
    I/O.
    """

    blocks = False
    """Steps may run on an event loop."""

    def __init__(self) -> None:
        # as text, so that neither a result nor a step that breaks its rules can change a document
        self._texts: dict[str, str] = {}
        self._locks: dict[str, threading.Lock] = {}

    def step(self, step: Step[R], /, *, key: str, **arguments: Any) -> R:
        """Change the document of `key`; return the step's result.

        Raises:
            StepError: The new document is not JSON.
        """
        return self._step(step, key, arguments)

    def _step(self, step: Step[R], key: str, arguments: Mapping[str, Any]) -> R:
        # `setdefault` is atomic
        with self._locks.get(key) or self._locks.setdefault(key, new_lock()):
            document, result = step.function(decoded(self._texts.get(key)), arguments)
            if text := encoded(document, step.name, key):
                self._texts[key] = text
            else:
                self._texts.pop(key, None)
        return result

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
