"""The circuit breaker: holds calls to an API that is down; one at a time finds out whether it still is.

What is shared is one small document for each host and model class (`circuit`), of which `circuits` is what
this process knows.
"""

import math
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from seawall import Amend, Call, Redirect, Reject, Wait
from seawall.models import model_class
from seawall.state import call_after_fork, owners, reach
from seawall_backoff.circuit import ASK, FAIL, RELEASE, SUCCEED
from seawall_backoff.circuits import POLL, Circuit, Circuits, dead, see
from seawall_backoff.errors import CircuitOpenError
from seawall_backoff.memory import Memory, Passage

_SPREAD: Final = 0.1
"""Seconds over which the calls of a process that are held ask again."""
_LATER: Final = 0.1
"""Seconds that a call asks later for each of its failures: who has most attempts left is the probe."""
_LATEST: Final = 1.0
_SHORTEST: Final = 0.75
"""Least part of a pause that is waited, so that hosts do not probe in step."""
_SOON: Final = 0.001
_OF_A_MODEL: Final = frozenset({400, 403, 404, 413, 422})
"""Statuses by which one model may refuse what another one takes: a long prompt, or a name that is none."""

Mode = Literal["hold", "fail"]


class Breaker:
    """Decides whether attempts may be sent. Threads may share it.

    Args:
        mode: What becomes of calls while a circuit is open.
        max_elapsed: Seconds for which a call is held at most, with the failures before.
        max_attempts: Attempts in a row that bring nothing on.
        fallbacks: Models to ask instead of one that is down.
        fallback_after: Seconds for which it has been.
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
        fallbacks: Sequence[str] = (),
        fallback_after: float = 0.0,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._mode = mode
        self._max_elapsed = max_elapsed
        self._max_attempts = max_attempts
        self._fallbacks = fallbacks
        self._fallback_after = fallback_after
        self._clock = clock
        self._wall_clock = wall_clock
        self._rng = rng
        self.after_fork()
        call_after_fork(self)

    def after_fork(self) -> None:
        """Begin anew: what was on its way is the parent's."""
        self._lock = threading.Lock()
        self._circuits = Circuits(self._wall_clock)

    # -- before an attempt

    def admit(self, call: Call, memory: Memory) -> Any:
        """Return what `pre_request` answers: `None` when the attempt may go; or an `Offload` of that."""
        with self._lock:
            passage = self._passage(call, memory)
            if call.model in memory.refused:
                return Redirect(memory.model, f"{call.model} refuses the request")
            circuit, now = passage.circuit, self._clock()
            if not passage.probe and (circuit.read is None or now >= circuit.ask):
                circuit.ask = now + POLL
            else:
                return self._decide(call, memory, passage, now)
        return reach(call.store, lambda: self._look(call, memory, passage))

    def _look(self, call: Call, memory: Memory, passage: Passage) -> Any:
        """Look at the circuit, which may make the attempt its probe."""
        circuit, owner = passage.circuit, owners.new_owner()
        # before it is: Ctrl-C may strike right after the step, and the end of the call frees what it holds
        passage.probe = owner
        view = self._circuits.step(circuit, ASK, owner=owner, dead=dead(circuit))
        with self._lock:
            now = self._clock()
            see(circuit, view, now)
            passage.probe, passage.sent = (owner, now) if view["is_probe"] else ("", passage.sent)
            return self._decide(call, memory, passage, now)

    def _decide(
        self, call: Call, memory: Memory, passage: Passage, now: float
    ) -> Amend | Redirect | Wait | Reject | None:
        """Return what keeps the attempt from being sent; the lock is held."""
        circuit = passage.circuit
        if passage.probe:
            # a stream tells with its headers, an answer that is none only at its end
            return Amend(stream=True)
        match circuit.view["state"]:
            case "open":
                # it may have been let through before, and then been made to wait by another plugin
                passage.turn = passage.sent = None
                return self._held(call, memory, passage, now)
            case "recovering" if passage.sent is None:
                if passage.turn is None:
                    passage.turn = circuit.next_in_turn(now, circuit.age(now))
                wait = passage.turn - now
                if wait > _SOON:
                    return Wait(wait, f"{circuit.name} is back; calls come at the rate of before the outage")
        passage.sent = now
        return None

    def _held(self, call: Call, memory: Memory, passage: Passage, now: float) -> Redirect | Wait | Reject:
        """Return how long an attempt is held by an open circuit, or who is asked instead."""
        circuit, view = passage.circuit, passage.circuit.view
        until_other = self._until_other(call, memory, passage, now)
        if until_other <= 0 and (other := self._other(call, memory, circuit, now)):
            return Redirect(other, f"{circuit.name} is down ({view['cause']})")
        waits_for_other = passage.leaves is not None and until_other > 0
        if self._mode == "fail" and not waits_for_other:
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
        until = until_asked + later
        return Wait(min(until, until_other if until_other > 0 else until, left), passage.reason)

    def _until_other(self, call: Call, memory: Memory, passage: Passage, now: float) -> float:
        """Return the seconds until another model may be asked; infinite if none may."""
        if not self._fallbacks or _has_begun(call):
            # a message that has begun is ended by the model that began it
            return math.inf
        if call.model != memory.model:
            # a fallback that is down is no reason to wait
            return 0.0
        late = passage.circuit.age(now) - self._fallback_after
        if late < 0:
            return -late
        if passage.leaves is None:
            passage.leaves = passage.circuit.next_in_turn(now, late)
        return passage.leaves - now

    def _other(self, call: Call, memory: Memory, circuit: Circuit, now: float) -> str | None:
        """Return the first model that is not down as far as is known, or that somebody shall look at."""
        for model in (memory.model, *self._fallbacks):
            if model in memory.refused:
                continue
            other = self._circuits.of(call.store, call.host, model_class(model))
            if other is not circuit and (other.view["state"] != "open" or now >= other.ask):
                return model
        return None

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
            passage.was_probe = probe
            circuit.view = {**circuit.view, "failures": 0}

        def tell() -> None:
            view = self._circuits.step(circuit, SUCCEED, probe=probe)
            passage.probe, passage.ended = "", view["failures"]
            with self._lock:
                see(circuit, {**view, "failures": 0}, self._clock())

        return tell

    def failed(self, call: Call, memory: Memory, *, cause: str, asked: float) -> Callable[[], None] | None:
        """The API is overloaded, broken or out of reach; it asks for some seconds. Returns as `accepted`."""
        passage = self._current(call, memory)
        if passage is None:
            return None
        is_void = call.attempts[-1].written == 0
        probe = passage.probe or (passage.was_probe if is_void else "")
        before = passage.ended if is_void else 0
        part = self._rng.uniform(_SHORTEST, 1)

        def tell() -> None:
            view = self._circuits.step(
                passage.circuit, FAIL, probe=probe, before=before, cause=cause, asked=asked, part=part
            )
            passage.probe = ""
            with self._lock:
                see(passage.circuit, view, self._clock())

        return tell

    def untold(self, call: Call, memory: Memory) -> Callable[[], None] | None:
        """The attempt ended, or was not sent, and tells nothing about the API. Returns as `accepted`."""
        passage = self._current(call, memory)
        if passage is None or not passage.probe:
            return None

        def tell() -> None:
            view = self._circuits.step(passage.circuit, RELEASE, probe=passage.probe)
            passage.probe = ""
            with self._lock:
                see(passage.circuit, view, self._clock())

        return tell

    def turns_back(self, call: Call, memory: Memory, status: int | None) -> bool:
        """Whether a fallback refused what the model that was asked for may take; it is not asked again."""
        is_other, are_left = call.model != memory.model, call.failures < self._max_attempts
        if not (is_other and are_left and status in _OF_A_MODEL) or _has_begun(call):
            return False
        memory.refused.add(call.model)
        return True

    def is_open(self, memory: Memory) -> bool:
        """Whether the circuit of a call is open, as far as this process knows."""
        return memory.passage is not None and memory.passage.circuit.view["state"] == "open"

    # -- the circuits

    def _passage(self, call: Call, memory: Memory) -> Passage:
        memory.model = memory.model or call.model
        attempt, passage = call.attempts[-1], memory.passage
        circuit = self._circuits.of(call.store, call.host, call.model_class)
        if passage is None or (passage.attempt, passage.circuit) != (attempt, circuit):
            passage = memory.passage = Passage(circuit, attempt)
        return passage

    def _current(self, call: Call, memory: Memory) -> Passage | None:
        passage = memory.passage
        return passage if passage is not None and passage.attempt is call.attempts[-1] else None


def _last_error(call: Call) -> Exception | None:
    """Return what the attempt before the current one failed with."""
    return call.attempts[-2].error if call.attempt > 1 else None


def _has_begun(call: Call) -> bool:
    """Whether there is a part of the message; a caller that streams has its head, which names the model."""
    attempts = (*call.earlier, *call.attempts)
    return any(attempt.written or (call.stream and attempt.model) for attempt in attempts)


def _advice(circuit: Circuit, now: float) -> str:
    wait = max(circuit.ask - now, 0.0)
    return f"The next call that may find out whether it is back goes in {wait:.1f} s"
