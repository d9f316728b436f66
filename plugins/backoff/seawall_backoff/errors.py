"""What callers see of an open circuit."""

from seawall import RequestRejectedError


class CircuitOpenError(RequestRejectedError):
    """The API is down for calls like this one; nothing was sent."""

    def __init__(self, circuit: str, cause: str, advice: str) -> None:
        super().__init__(f"{circuit} is down ({cause}); nothing was sent. {advice}")
        self.circuit = circuit
        """Host and model class."""
        self.cause = cause
        """What the last attempt failed with, of whoever made it."""
