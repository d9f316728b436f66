"""What one process knows of the circuits it shares.

A healthy circuit costs no access to the store but one in `REFRESH` seconds: until the process looks again, or
fails itself, it does not know of a circuit that others opened, and sends for so long.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from seawall.state import Index, MemoryStore, Step, Store, StoreError, owners
from seawall_backoff.circuit import CLOSED, View
from seawall_backoff.slow_start import Throughput, pace

_log = logging.getLogger("seawall.backoff")

REFRESH: Final = 5.0
"""Seconds until a process looks again at a healthy circuit."""
POLL: Final = 1.0
"""Seconds until a process looks again at a circuit whose probe is on its way, or that is recovering."""


INDEX: Final = "backoff:circuits"
"""The key of the index of circuits, by their names."""


def key_of(name: str) -> str:
    """Return the key of a circuit's document."""
    return f"backoff:circuit:{name}"


@dataclass(eq=False)
class Circuit:
    """What this process knows of a circuit."""

    store: Store
    key: str
    name: str
    view: View = field(default_factory=lambda: CLOSED)
    read: float | None = None
    """When it was looked at; `None` before the first time."""
    ask: float = 0.0
    """When somebody shall look again."""
    throughput: Throughput = field(default_factory=Throughput)
    known: float = 0.0
    """Attempts a second that were accepted before it opened."""
    next_turn: float = 0.0
    failed: float = 0.0
    """When a failure was seen last."""
    own: MemoryStore | None = None
    """Where the process keeps it to itself, since the store failed."""

    def age(self, now: float) -> float:
        """Seconds since it opened or closed."""
        return self.view["age"] + now - (now if self.read is None else self.read)

    def next_in_turn(self, now: float, age: float) -> float:
        """Return the moment at which one more attempt may go.

        Args:
            now: This moment.
            age: Seconds since attempts began to go again.
        """
        turn = max(now, self.next_turn)
        self.next_turn = turn + 1 / pace(self.known, age + turn - now)
        return turn


class Circuits:
    """All circuits of a process. Not locked.

    Args:
        wall_clock: That of all who share the store.
    """

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._known: dict[tuple[int, str], Circuit] = {}
        self._index = Index(INDEX)
        self._is_told = False

    def of(self, store: Store, host: str, model_class: str) -> Circuit:
        """Return the circuit of an API and a model class."""
        name = f"{host} / {model_class}"
        circuit = self._known.get((id(store), name))
        if circuit is None or circuit.store is not store:
            circuit = self._known[id(store), name] = Circuit(store, key_of(name), name)
        return circuit

    def step(self, circuit: Circuit, step: Step[View], **arguments: Any) -> View:
        """Make a step on what is shared; blocks as the store does.

        What a process kept to itself while the store failed counts until it has healed, or others tell more:
        a store that can only be read, such as a full one or a replica, calls all circuits closed.
        """
        arguments["now"] = self._wall_clock()
        try:
            view = circuit.store.step(step, key=circuit.key, **arguments)
        except StoreError as error:
            if not self._is_told:
                self._is_told = True
                _log.warning("%s; this process keeps its circuits to itself meanwhile", error)
            circuit.own = own = circuit.own or MemoryStore()
            return own.step(step, key=circuit.key, **arguments)
        self._index.note(circuit.store, circuit.name, arguments["now"])
        if (kept := circuit.own) is None:
            return view
        alone = kept.step(step, key=circuit.key, **arguments)
        if view["state"] == "closed" and (alone["state"] != "closed" or alone["failures"]):
            return alone
        circuit.own = None
        return view


def dead(circuit: Circuit) -> list[str]:
    """Return the owner of a probe that has surely died, if one has."""
    owner = circuit.view["probe"]
    return [owner] if owner and owners.is_surely_dead(owner) else []


def see(circuit: Circuit, view: View, now: float) -> None:
    """Take in how a circuit is now."""
    before, circuit.view, circuit.read = circuit.view, view, now
    if view["failures"] > before["failures"]:
        circuit.failed = now
    match view["state"]:
        case "closed":
            circuit.ask = now + REFRESH
        case "recovering":
            circuit.ask = now + POLL
        case "open":
            circuit.ask = now + (POLL if view["probe"] else view["wait"])
    if (before["state"], before["pause"]) == (view["state"], view["pause"]):
        return
    if view["state"] == "open" and before["state"] == "closed":
        circuit.known = circuit.throughput.rate(now)
    _tell(circuit, before, view)


def _tell(circuit: Circuit, before: View, view: View) -> None:
    """Say in the log what became of a circuit."""
    if view["state"] == "open" and before["state"] == "open":
        _log.info("%s is still down (%s): next probe in %.1f s", circuit.name, view["cause"], view["wait"])
    elif view["state"] == "open":
        _log.warning(
            "%s is down (%s): calls are held, one at a time probes, the first in %.1f s",
            *(circuit.name, view["cause"], view["wait"]),
        )
    elif before["state"] == "open":
        _log.warning("%s is back: calls come at %.1f a second at first", circuit.name, pace(circuit.known, 0))
