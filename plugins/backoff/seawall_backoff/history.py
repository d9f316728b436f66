"""What became of each attempt of a call: when, who was asked, which answer came."""

import os
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from seawall import Attempt, Call
from seawall_backoff.classification import causes


@dataclass(slots=True)
class _Entry:
    attempt: Attempt
    sent: float
    """Seconds since 1970, as the next one."""
    failed: float | None = None


class History:
    """Notes the attempts of one call; a call is in one place at a time, so that nothing is locked."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def sending(self, call: Call, now: float) -> None:
        """An attempt may be sent now; said again when it was not."""
        if self._entries and self._entries[-1].attempt is call.attempts[-1]:
            self._entries.pop()
        self._entries.append(_Entry(call.attempts[-1], now))

    def failed(self, now: float) -> None:
        """The attempt failed."""
        if self._entries:
            self._entries[-1].failed = now

    def told(self) -> str:
        """Return a line for each attempt that was sent; empty when none was."""
        sent = [entry for entry in self._entries if entry.attempt.error or entry.attempt.status]
        return "\n".join(["Seawall's attempts:", *map(_line, sent)]) if sent else ""


def said(error: Exception) -> str:
    """Return a failure in a few words, none of which are of the request."""
    name, status = type(error).__name__, getattr(error, "status_code", None)
    if status is not None:
        return f"{name} ({status})"
    words = next(filter(None, map(_words, causes(error))), None)
    return name if words is None else f"{name}: {words}"


def _words(cause: BaseException) -> str | None:
    """Return what the system says of a connection that failed."""
    if not isinstance(cause, OSError) or not isinstance(cause.errno, int):
        # libraries put words of their own in the place of the number
        return None
    if os.name == "nt" or isinstance(cause, socket.gaierror | ssl.SSLError):
        return cause.strerror
    # asyncio has put an address in the place of the system's words
    return os.strerror(cause.errno)


def _line(entry: _Entry) -> str:
    attempt, moment = entry.attempt, datetime.fromtimestamp(entry.sent, UTC)
    parts = [
        f"  {attempt.number}. {moment:%Y-%m-%d %H:%M:%S} UTC, {attempt.asked}: "
        + (said(attempt.error) if attempt.error else f"answered ({attempt.status})")
    ]
    if entry.failed is not None:
        parts.append(f"after {max(entry.failed - entry.sent, 0.0):.1f} s")
    if attempt.request_id:
        parts.append(attempt.request_id)
    return ", ".join(parts)
