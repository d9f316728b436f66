"""What is remembered of one call, and of one attempt's way through its circuit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seawall_backoff.history import History

if TYPE_CHECKING:
    from seawall import Attempt
    from seawall_backoff.circuits import Circuit


@dataclass(slots=True)
class Passage:
    """The way of one attempt through a circuit."""

    circuit: Circuit
    attempt: Attempt
    sent: float | None = None
    """When it was let through."""
    probe: str = ""
    """Its owner id while it is the probe and nothing has been told of it."""
    was_probe: str = ""
    """The same once it was accepted."""
    ended: int = 0
    """The failures in a row that ended when it was accepted."""
    turn: float | None = None
    """When its turn is, after an outage."""
    leaves: float | None = None
    """When its turn is to ask another model."""
    reason: str = ""
    """Why it is held."""


@dataclass(slots=True)
class Memory:
    """What is remembered of one call."""

    since: float | None = None
    """When the current row of failures began, or the hold before it."""
    delay: float | None = None
    """The last delay of its own making in that row."""
    passage: Passage | None = None
    model: str = ""
    """The model that the caller asked for."""
    refused: set[str] = field(default_factory=set)
    """The fallbacks that refused it."""
    is_checked: bool = False
    """No fallback refuses its parameters."""
    history: History = field(default_factory=History)
