"""What goes wrong with shared state."""

from pathlib import Path

from seawall.errors import SeawallError


class StoreError(SeawallError):
    """The store failed, or did not answer in time.

    The step was applied wholly or not at all; when the connection broke while the answer was awaited, which
    of the two is not known.
    """

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"state store {store}: {reason}")
        self.store = store
        """The file, or the host and port; never a password."""
        self.reason = reason


class StoreUnavailableError(StoreError):
    """The file of the store cannot be made or written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(str(path), f"it cannot be written: {reason}")
        self.path = path
        self.reason = reason


class StepError(SeawallError, ValueError):
    """A step broke its rules; the document is as it was."""

    def __init__(self, step: str, key: str, reason: str) -> None:
        super().__init__(f"step {step!r} on the document of {key!r}: {reason}")
        self.step = step
        self.key = key
        self.reason = reason
