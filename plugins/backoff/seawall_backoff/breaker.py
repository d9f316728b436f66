"""The circuit breaker: holds calls to an API that is down; one at a time finds out whether it still is.

What is shared is one small document for each host and model class (`circuit`); this is what one process knows
of them. A healthy circuit costs no access to the store but one in `REFRESH` seconds: until the process looks
again, or fails itself, it does not know of a circuit that others opened, and sends for so long.
"""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from seawall import Amend, Call, Reject, Wait
from seawall.models import model_class
from seawall.state import MemoryStore, Step, Store, StoreError, call_after_fork, owners, reach
from seawall_backoff.circuit import ASK, CLOSED, FAIL, RELEASE, SUCCEED, View
from seawall_backoff.errors import CircuitOpenError
from seawall_backoff.memory import Memory, Passage
from seawall_backoff.slow_start import Throughput, pace

_log = logging.getLogger("seawall.backoff")

REFRESH: Final = 5.0
"""Seconds until a process looks again at a healthy circuit."""
POLL: Final = 1.0
"""Seconds until a process looks again at a circuit whose probe is on its way, or that is recovering."""
_SPREAD: Final = 0.1
"""Seconds over which the calls of a process that are held ask again."""
_LATER: Final = 0.1
"""Seconds that a call asks later for each of its failures: who has most attempts left is the probe."""
_LATEST: Final = 1.0
_SHORTEST: Final = 0.75
"""Least part of a pause that is waited, so that hosts do not probe in step."""
_SOON: Final = 0.001

Mode = Literal["hold", "fail"]


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

    def age(self, now: float) -> float:
        """Seconds since it opened or closed."""
        return self.view["age"] + now - (now if self.read is None else self.read)


class Breaker:
    """Decides whether attempts may be sent. Threads may share it.

    Args:
        mode: What becomes of calls while a circuit is open.
        max_elapsed: Seconds for which a call is held at most, with the failures before.
        max_attempts: As the log tells it.
        clock: Seconds that never go back.
        wall_clock: That of all who share the store.
        rng: Spreads the calls that are held.
    """

    def __init__(
        self,
        *,
        mode: Mode,
        max_elapsed: float,
        max_attempts: int,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._mode = mode
        self._max_elapsed = max_elapsed
        self._max_attempts = max_attempts
        self._clock = clock
        self._wall_clock = wall_clock
        self._rng = rng
        self._own = MemoryStore()
        """Takes the place of a store that fails."""
        self._is_told = False
        self.after_fork()
        call_after_fork(self)

    def after_fork(self) -> None:
        """Begin anew: what was on its way is the parent's."""
        self._lock = threading.Lock()
        self._circuits: dict[tuple[int, str], Circuit] = {}

    # -- before an attempt

    def admit(self, call: Call, memory: Memory) -> Any:
        """Return what `pre_request` answers: `None` when the attempt may go; or an `Offload` of that."""
        with self._lock:
            passage = self._passage(call, memory)
            circuit, now = passage.circuit, self._clock()
            if passage.sent is None and (circuit.read is None or now >= circuit.ask):
                circuit.ask = now + POLL
            else:
                return self._decide(call, memory, passage, now)
        return reach(call.store, lambda: self._look(call, memory, passage))

    def _look(self, call: Call, memory: Memory, passage: Passage) -> Any:
        """Look at the circuit, which may make the attempt its probe."""
        circuit, owner = passage.circuit, owners.new_owner()
        view = self._step(circuit, ASK, owner=owner, dead=self._dead(circuit))
        with self._lock:
            now = self._clock()
            self._see(circuit, view, now)
            if view["is_probe"]:
                passage.probe, passage.sent = owner, now
            return self._decide(call, memory, passage, now)

    def _decide(
        self, call: Call, memory: Memory, passage: Passage, now: float
    ) -> Amend | Wait | Reject | None:
        """Return what keeps the attempt from being sent; the lock is held."""
        circuit = passage.circuit
        if passage.sent is not None:
            # a stream tells with its headers, an answer that is none only at its end
            return Amend(stream=True) if passage.probe else None
        match circuit.view["state"]:
            case "open":
                passage.turn = None
                return self._held(call, memory, passage, now)
            case "recovering":
                wait = self._turn(passage, now) - now
                if wait > _SOON:
                    return Wait(wait, f"{circuit.name} is back; calls come at the rate of before the outage")
        passage.sent = now
        return None

    def _held(self, call: Call, memory: Memory, passage: Passage, now: float) -> Wait | Reject:
        """Return how long an attempt is held by an open circuit."""
        circuit, view = passage.circuit, passage.circuit.view
        if self._mode == "fail":
            return Reject(
                _last_error(call) or CircuitOpenError(circuit.name, view["cause"], _advice(circuit, now))
            )
        if memory.since is None:
            memory.since = now
        left = self._max_elapsed - (now - memory.since)
        if left <= 0:
            why = f"max_elapsed = {self._max_elapsed:g} s is used up"
            if error := _last_error(call):
                error.add_note(f"Seawall: {circuit.name} is down; {why}.")
            return Reject(error or CircuitOpenError(circuit.name, view["cause"], f"It was held until {why}."))
        until_asked = max(circuit.ask - now, 0.0)
        later = self._rng.uniform(0, _SPREAD) + min((call.failures - 1) * _LATER, _LATEST)
        if not passage.reason:
            what = (
                f"{circuit.name} is down ({view['cause']}), attempt {call.failures} of {self._max_attempts}"
            )
            passage.reason = f"{what}, probe in {until_asked:.1f} s"
        return Wait(min(until_asked + later, left), passage.reason)

    def _turn(self, passage: Passage, now: float) -> float:
        """Return when the turn of an attempt is after an outage."""
        circuit = passage.circuit
        if passage.turn is None:
            passage.turn = max(now, circuit.next_turn)
            age = circuit.age(now) + passage.turn - now
            circuit.next_turn = passage.turn + 1 / pace(circuit.known, age)
        return passage.turn

    # -- after an attempt

    def accepted(self, call: Call, memory: Memory) -> Callable[[], None] | None:
        """The attempt was accepted. Return what is left to do where blocking is allowed, if anything is."""
        if memory.passage is None:
            return None
        with self._lock:
            memory.passage.circuit.throughput.count(self._clock())
        return self.answered(call, memory)

    def answered(self, call: Call, memory: Memory) -> Callable[[], None] | None:
        """The API answered: it is neither down nor out of reach. Returns as `accepted`."""
        passage = self._current(call, memory)
        if passage is None:
            return None
        circuit, probe = passage.circuit, passage.probe
        with self._lock:
            if not probe and not (circuit.view["failures"] and (passage.sent or 0.0) > circuit.failed):
                # what was sent before the last failure tells nothing about what came after it
                return None
            passage.probe, passage.was_probe = "", probe
            circuit.view = {**circuit.view, "failures": 0}

        def tell() -> None:
            view = self._step(circuit, SUCCEED, probe=probe)
            passage.ended = view["failures"]
            with self._lock:
                self._see(circuit, {**view, "failures": 0}, self._clock())

        return tell

    def failed(self, call: Call, memory: Memory, *, cause: str, asked: float) -> Callable[[], None] | None:
        """The API is overloaded, broken or out of reach; it asks for some seconds. Returns as `accepted`."""
        passage = self._current(call, memory)
        if passage is None:
            return None
        is_void = call.attempts[-1].written == 0
        probe = passage.probe or (passage.was_probe if is_void else "")
        before = passage.ended if is_void else 0
        passage.probe = ""
        part = self._rng.uniform(_SHORTEST, 1)

        def tell() -> None:
            view = self._step(
                passage.circuit, FAIL, probe=probe, before=before, cause=cause, asked=asked, part=part
            )
            with self._lock:
                self._see(passage.circuit, view, self._clock())

        return tell

    def untold(self, call: Call, memory: Memory) -> Callable[[], None] | None:
        """The attempt ended, or was not sent, and tells nothing about the API. Returns as `accepted`."""
        passage = self._current(call, memory)
        if passage is None or not passage.probe:
            return None
        probe, passage.probe = passage.probe, ""

        def tell() -> None:
            view = self._step(passage.circuit, RELEASE, probe=probe)
            with self._lock:
                self._see(passage.circuit, view, self._clock())

        return tell

    def is_open(self, memory: Memory) -> bool:
        """Whether the circuit of a call is open, as far as this process knows."""
        return memory.passage is not None and memory.passage.circuit.view["state"] == "open"

    # -- the circuits

    def _passage(self, call: Call, memory: Memory) -> Passage:
        attempt, passage = call.attempts[-1], memory.passage
        if passage is None or passage.attempt is not attempt:
            passage = memory.passage = Passage(self._circuit(call), attempt)
        return passage

    def _current(self, call: Call, memory: Memory) -> Passage | None:
        passage = memory.passage
        return passage if passage is not None and passage.attempt is call.attempts[-1] else None

    def _circuit(self, call: Call) -> Circuit:
        name = f"{call.host} / {model_class(call.model)}"
        key = (id(call.store), name)
        circuit = self._circuits.get(key)
        if circuit is None or circuit.store is not call.store:
            circuit = self._circuits[key] = Circuit(call.store, f"backoff:circuit:{name}", name)
        return circuit

    @staticmethod
    def _dead(circuit: Circuit) -> list[str]:
        """Return the owner of a probe that has surely died, if one has."""
        owner = circuit.view["probe"]
        return [owner] if owner and owners.is_surely_dead(owner) else []

    def _step(self, circuit: Circuit, step: Step[View], **arguments: Any) -> View:
        arguments["now"] = self._wall_clock()
        try:
            return circuit.store.step(step, key=circuit.key, **arguments)
        except StoreError as error:
            if not self._is_told:
                self._is_told = True
                _log.warning("%s; this process keeps its circuits to itself meanwhile", error)
            return self._own.step(step, key=circuit.key, **arguments)

    def _see(self, circuit: Circuit, view: View, now: float) -> None:
        """Take in how a circuit is now; the lock is held."""
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


def _last_error(call: Call) -> Exception | None:
    """Return what the attempt before the current one failed with."""
    return call.attempts[-2].error if call.attempt > 1 else None


def _advice(circuit: Circuit, now: float) -> str:
    wait = max(circuit.ask - now, 0.0)
    return f"The next call that may find out whether it is back goes in {wait:.1f} s"
