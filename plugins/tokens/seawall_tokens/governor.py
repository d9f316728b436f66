"""The governor: each attempt waits until the rate limits leave room for it, in all processes that share them.

What is shared is one document for each workspace of an organization and model class (`admission`). Nothing is
counted on the path of a chunk: `Attempt.written` tells what streams have brought, and a thread reports it
every second while any run.
"""

import logging
import random
import threading
import time
from collections.abc import Callable

from seawall import Attempt, Call, Reject, RequestRejectedError, Wait
from seawall.state import Index, Pulse, StoreError, call_after_fork
from seawall_tokens.admission import Verdict
from seawall_tokens.callers import Caller
from seawall_tokens.organizations import INDEX, Organizations
from seawall_tokens.outputs import Outputs
from seawall_tokens.prefixes import CacheReads, cached_prefix
from seawall_tokens.settings import TokensSettings
from seawall_tokens.traffic import Traffic
from seawall_tokens.turn import Turn

_log = logging.getLogger("seawall.tokens.governor")


class Governor:
    """Decides when attempts may be sent. Threads may share it; its methods block as the store does.

    Args:
        settings: Of the plugin.
        clock: Of all processes that share the store.
        rng: For the jitter.
        interval: Seconds between two reports of what runs; `None`: nobody reports who does not call `report`.
    """

    def __init__(
        self,
        settings: TokensSettings | None = None,
        *,
        clock: Callable[[], float] = time.time,  # noqa: TID251 - the default of the argument
        rng: random.Random | None = None,
        interval: float | None = 1.0,
    ) -> None:
        self._settings = settings or TokensSettings()
        self._is_open = self._settings.on_store_error != "closed"
        self._clock = clock
        self._interval = interval
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._outputs = Outputs()
        self._reads = CacheReads()
        self._organizations = Organizations()
        self._index = Index(INDEX)
        self._is_told = False
        """That the store fails was said, and not yet that it works again."""
        self.after_fork()
        call_after_fork(self)

    def after_fork(self) -> None:
        """Begin with nothing in flight: what runs is the parent's."""
        self._lock = threading.Lock()
        self._traffic: dict[tuple[int, str], Traffic] = {}
        self._pulse: Pulse | None = None
        if self._interval is not None:
            self._pulse = Pulse(self.report, self._runs, interval=self._interval, name="seawall-governor")

    def admit(self, call: Call, caller: Caller, *, input_tokens: int) -> Wait | Reject | None:
        """Return what keeps the current attempt from being sent; `None` when it may go.

        Args:
            call: Whose attempt is about to be sent.
            caller: On whose behalf.
            input_tokens: Those of the request, cached ones included.
        """
        try:
            turn: Turn | None = call.state.get(self)
            if turn is None or turn.model != call.model:
                # another model is asked: what was taken of the limits of the one before comes back
                self.settle(call)
                turn = self._turn(call, caller)
            if turn.attempt is call.attempts[-1]:
                return None
            sent = input_tokens + call.attempts[-1].kept
            turn.input = max(sent - self._reads.expected(turn.prefix), 0.0)
            turn.output = self._outputs.expected(call.model, turn.caller, call.max_tokens)
            now = self._clock()
            turn.ask(now)
            verdict = self._traffic_of(turn).ask(turn, call.attempts[-1], now)
            self._index.note(turn.store, turn.key, self._clock())
        except StoreError as error:
            return self._without(error)
        self._say_it_works()
        if not verdict["is_admitted"]:
            return self._late(turn, verdict) or Wait(verdict["wait"], _said(verdict))
        if self._pulse is not None:
            self._pulse.start()
        return None

    def settle(self, call: Call) -> None:
        """The current attempt has ended, or the call has: give back what it did not use."""
        turn: Turn | None = call.state.get(self)
        if turn is None or (turn.attempt is None and not turn.waits):
            return
        attempt, traffic = turn.attempt, self._traffic_of(turn)
        traffic.end(turn, self._clock())
        if attempt is not None:
            self._learn(turn, attempt)
        try:
            traffic.tell(self._clock())
            if attempt is not None:
                self._organizations.learn(call, attempt.headers)
                self._index.note(call.store, self._organizations.key(call), self._clock())
        except StoreError as error:
            self._say(error)

    def report(self) -> None:
        """Tell the store how far what runs has come."""
        with self._lock:
            running = [traffic for traffic in self._traffic.values() if not traffic.is_idle]
        for traffic in running:
            try:
                traffic.tell(self._clock())
            except StoreError as error:
                self._say(error)

    def _runs(self) -> bool:
        with self._lock:
            return not all(traffic.is_idle for traffic in self._traffic.values())

    def _turn(self, call: Call, caller: Caller) -> Turn:
        turn = Turn(
            model=call.model,
            model_class=call.model_class,
            max_tokens=call.max_tokens,
            store=call.store,
            key=self._organizations.key(call),
            caller=caller.name,
            weight=caller.weight,
            prefix=cached_prefix(call.params),
        )
        call.state[self] = turn
        return turn

    def _traffic_of(self, turn: Turn) -> Traffic:
        name = (id(turn.store), turn.key)
        with self._lock:
            if name not in self._traffic:
                asked = {
                    "limits": self._settings.limits_of(turn.model),
                    "reserves": self._settings.otpm_mode == "reserve_max_tokens",
                    "max_concurrent": self._settings.max_concurrent,
                }
                self._traffic[name] = Traffic(turn.store, turn.key, asked, self._rng)
            return self._traffic[name]

    def _learn(self, turn: Turn, attempt: Attempt) -> None:
        if attempt.error is not None or attempt.status is None:
            return
        usage = attempt.usage
        self._reads.learn(turn.prefix, usage.cache_read_input_tokens)
        self._outputs.learn(turn.model, turn.caller, output=usage.output_tokens, max_tokens=turn.max_tokens)

    def _late(self, turn: Turn, verdict: Verdict) -> Reject | None:
        """Refuse a call that waits too long, or would."""
        limit = self._settings.max_wait
        if limit is None or turn.waited + verdict["estimate"] <= limit:
            return None
        return Reject(
            RequestRejectedError(
                f"the rate limit of {turn.model_class} leaves no room for this call within "
                f"tokens.max_wait = {limit:g} s: it has waited {turn.waited:.1f} s, and would for about "
                f"{verdict['estimate']:.1f} s more ({_said(verdict)}). Nothing was sent; "
                "raise max_wait, or send less at a time"
            )
        )

    def _without(self, error: StoreError) -> Reject | None:
        """Return what becomes of an attempt when the store fails."""
        self._say(error)
        if self._is_open:
            return None
        return Reject(
            RequestRejectedError(
                f"the rate limit cannot be looked up: {error}; nothing was sent. With "
                'tokens.on_store_error = "open" calls go on without it'
            )
        )

    def _say(self, error: StoreError) -> None:
        if not self._is_told:
            self._is_told = True
            what = "calls are sent without pacing" if self._is_open else "calls are refused"
            _log.warning("%s while this lasts: %s", what, error)

    def _say_it_works(self) -> None:
        if self._is_told:
            self._is_told = False
            _log.warning("rate limits are looked up again")


def _said(verdict: Verdict) -> str:
    ahead = verdict["ahead"]
    return verdict["reason"] + (f", {ahead} before it" if ahead else "")
