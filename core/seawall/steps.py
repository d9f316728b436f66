"""What the engine asks of a driver, and what it hears back.

Bytes, too, are a step: deliver them to the caller. So is a `Reception`: feed it the body of the current
response, piece by piece, and deliver what it returns, until the body ends or the attempt has failed. Heard
back: the error that reading the body raised, or `None`. And an `Offload`: call its `work` where blocking is
allowed. Heard back: what it returns, or the exception it raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from seawall.decisions import Offload
from seawall.reception import Reception

OPENED: Final = b""
"""Delivers nothing: a caller who streams may have its response now; the rest happens while it reads."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the current response, if there is one; nothing is heard back."""


CLOSE: Final = Close()


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait; nothing is heard back."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Send:
    """Send one HTTP request. Heard back: `Accepted`, or the error."""

    params: Mapping[str, Any]
    stream: bool
    retries: int
    """How many attempts went before."""
    timeout: float | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A success status came."""

    response: Any
    """The `httpx2.Response`; the engine hands it on to `wire_errors` and looks no further."""
    status: int
    body: bytes | None
    """The whole body; `None` when it is a stream that is yet to be read."""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_foreign: bool = False
    """Another middleware answered with a value of its own; there is nothing to check in it."""


Step = bytes | Reception | Close | Sleep | Offload | Send


class Abandoned(BaseException):
    """Thrown into the engine by its driver: the caller closed, dropped, interrupted or cancelled the call."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause
        """What the caller will see: `KeyboardInterrupt`, a cancellation, `GeneratorExit` for a close."""
