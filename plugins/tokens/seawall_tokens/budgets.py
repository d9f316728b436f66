"""Budgets: nobody spends past them, in one process or in many.

Before an attempt is sent, its input is booked as spent, by the estimate's upper bound, and 4,096 tokens of
its output are held, or all that it can have if that is less. To hold all of `max_tokens` would refuse nearly
everything while most of a budget is left, since few answers are so long. Held besides is what answers of the
model lately had unseen, such as thinking that is not streamed. An attempt is refused if less than that and
256 tokens fit. Every attempt is streamed on the wire: only of a stream is known what it has cost so far, and
only a stream can be stopped.

While calls run, a thread books every second what they have written, and holds as much again in advance. When
there is no more, a stream goes on to the end of what is held for it and is stopped there; its caller gets the
message so far. Afterwards, what the API counted takes the place of what was booked.

So what is spent and held, all processes together, is never more than the limit. It is passed by what an
answer has unseen beyond those before it, and by what was on the way when it was stopped. A killed process is
counted by what it had reported, all but its last second, and what it held comes back; a stream that writes
more than half of what is held before the store has answered goes on until it has.
"""

import math
import os
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, Literal

from seawall import Amend, BudgetExceededError, Call, Reject, RequestRejectedError, Stop
from seawall.state import Index, MemoryStore, Pulse, Store, StoreError, new_lock, owners
from seawall_tokens.booking import Booked, Entry
from seawall_tokens.books import Books
from seawall_tokens.budget import INDEX, Budget, Unit
from seawall_tokens.estimator import Estimate
from seawall_tokens.prices import Prices, count
from seawall_tokens.refusals import exceeded, unchecked, unpriced, used_up
from seawall_tokens.spending import LEAST, Share, Spending
from seawall_tokens.tariff import Tariff, spent, tariff
from seawall_tokens.unseen import Unseen

_INTERVAL: Final = 1.0
"""Seconds between two bookings of what running calls have written."""
_CANNOT: Final = (BudgetExceededError, RequestRejectedError)


class Budgets:
    """Refuses and stops what would pass a budget. Threads and event loops may share it.

    `reserve` and `settle` wait for the store, so hooks answer them as `Offload` where it blocks; `check` is
    for each chunk.

    Args:
        budgets: The limits.
        prices: For those in dollars.
        estimate: The input tokens of a request of a caller.
        on_store_error: Whether calls go on (`"open"`) or not when the store fails.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        budgets: Sequence[Budget],
        *,
        prices: Prices,
        estimate: Callable[[Mapping[str, Any], str], Estimate],
        on_store_error: Literal["closed", "open"] = "closed",
        clock: Callable[[], float] = time.time,  # noqa: TID251 - a default
    ) -> None:
        # all processes book in one order
        self._budgets = sorted(budgets, key=lambda budget: budget.key(""))
        self._prices = prices
        self._estimate = estimate
        self._is_open = on_store_error == "open"
        self._clock = clock
        self.is_loaded = not any(budget.unit == "dollars" for budget in budgets)
        """Nothing takes long to load any more."""
        self._begin()

    def _begin(self) -> None:
        """Have nothing running, as after a fork."""
        self._pid = os.getpid()
        self._books, self._unseen = Books(self._clock), Unseen()
        self._index = Index(INDEX)
        self._lock = new_lock()
        self._running: weakref.WeakKeyDictionary[Call, Spending] = weakref.WeakKeyDictionary()
        self._pulse = Pulse(self.renew, self._is_running, interval=_INTERVAL, name="seawall-budgets")

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._budgets)

    def load(self) -> None:
        """Load the prices, if they are needed; takes half a second the first time."""
        if not self.is_loaded:
            self._prices.warm()
            self.is_loaded = True

    # -- before an attempt

    def reserve(self, call: Call, caller: str) -> Reject | Amend | None:
        """Book what the current attempt is going to cost, in all budgets or in none."""
        self._notice_fork()
        before: Spending | None = call.state.get(self)
        if before is not None and (before.attempt, before.model) == (call.attempts[-1], call.model):
            # asked again after a `Wait`
            return Amend(stream=True)
        self.settle(call)
        spending = self._spending(call, caller, {} if before is None else before.own)
        try:
            for share in self._shares(call, caller, spending):
                self._hold(share)
                spending.shares.append(share)
        except _CANNOT as error:
            self._close(spending, lambda _: 0.0)
            return Reject(error)
        if not spending.shares:
            return None
        spending.set_marks()
        call.state[self] = spending
        with self._lock:
            self._running[call] = spending
        self._pulse.start()
        return Amend(stream=True)

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            self._begin()

    def _spending(self, call: Call, caller: str, own: dict[str, Store]) -> Spending:
        attempt = call.attempts[-1]
        estimate = self._estimate(call.params, caller)
        # a continuation sends what there is of the answer, and asks for the rest
        possible = max(call.max_tokens - attempt.kept, LEAST if attempt.kept else 0)
        return Spending(
            attempt,
            model=call.model,
            at=datetime.fromtimestamp(self._clock(), UTC),
            expected_input=estimate.tokens + attempt.kept,
            most_input=estimate.upper_bound + attempt.kept,
            possible=possible,
            own=own,
        )

    def _shares(self, call: Call, caller: str, spending: Spending) -> list[Share]:
        """Return the shares of all budgets that apply; nothing is booked yet.

        Raises:
            RequestRejectedError: There is no price.
        """
        unseen = min(self._unseen.of(call.model), spending.possible)

        @cache
        def cost(unit: Unit) -> Tariff | None:
            return tariff(
                unit,
                call.params,
                input_tokens=spending.most_input,
                output_tokens=spending.possible,
                prices=self._prices,
                at=spending.at,
            )

        shares = []
        for budget in self._budgets:
            if not budget.applies_to(caller):
                continue
            if (known := cost(budget.unit)) is None:
                raise unpriced(budget.title(caller), call.model)
            key = budget.key(caller)
            if budget.per == "call":
                spending.own.setdefault(key, MemoryStore())
            shares.append(
                Share(
                    budget,
                    title=budget.title(caller),
                    key=key,
                    store=spending.own.get(key, call.store),
                    owner=owners.new_owner(),
                    window=budget.window(spending.at),
                    tariff=known,
                    possible=spending.possible,
                    # it is enough to see this where nobody else spends
                    unseen=0.0 if budget.per == "call" else unseen,
                )
            )
        return shares

    def _hold(self, share: Share) -> None:
        """Book the first entry of a share.

        Raises:
            BudgetExceededError: It does not fit.
            RequestRejectedError: The store failed, and calls do not go on then.
        """
        entry = share.first_entry()
        try:
            booked = self._book(share.store, share.key, share.budget, {share.owner: entry})[share.owner]
        except StoreError as error:
            if not self._is_open:
                raise unchecked(share, error) from error
            share.lose(is_open=True)
            return
        if booked["is_refused"]:
            raise exceeded(share, booked)
        if share.budget.per != "call":
            self._index.note(share.store, share.key, self._clock())
        share.take(entry, booked)

    # -- while it runs

    def check(self, call: Call) -> Stop | None:
        """Stop a stream that has written what was held for it; for each chunk, 0.1 us."""
        spending: Spending | None = call.state.get(self)
        if spending is None or spending.attempt.written < spending.mark:
            return None
        if spending.attempt.written >= spending.stop_at and (share := spending.last_share()) is not None:
            return Stop(used_up(share))
        spending.mark = spending.stop_at
        self._pulse.wake()
        return None

    def renew(self) -> None:
        """Book what running calls have written, and hold more for them; a thread does so every second."""
        with self._lock:
            running = list(self._running.values())
        # one that cannot be had is being settled
        taken = [spending for spending in running if spending.lock.acquire(blocking=False)]
        try:
            together: dict[tuple[Store, str], list[tuple[Share, Entry]]] = defaultdict(list)
            for spending in taken:
                written = spending.output_tokens
                for share in spending.shares:
                    together[share.store, share.key].append((share, share.entry(written)))
            for (store, key), entries in together.items():
                self._renew(store, key, entries)
            for spending in taken:
                spending.set_marks()
        finally:
            for spending in taken:
                spending.lock.release()

    def _renew(self, store: Store, key: str, entries: list[tuple[Share, Entry]]) -> None:
        budget = entries[0][0].budget
        try:
            booked = self._book(store, key, budget, {share.owner: entry for share, entry in entries})
        except StoreError:
            for share, _ in entries:
                share.lose(is_open=self._is_open)
            return
        for share, entry in entries:
            share.take(entry, booked[share.owner])

    def _is_running(self) -> bool:
        with self._lock:
            return bool(self._running)

    # -- after an attempt

    def settle(self, call: Call) -> None:
        """Book what the current attempt has really cost; may be said again."""
        self._notice_fork()
        with self._lock:
            spending = self._running.pop(call, None)
        if spending is None:
            # or it is the parent's, and this child leaves the call
            return
        attempt, usage = spending.attempt, spending.usage()

        @cache
        def known(unit: Unit) -> float | None:
            return spent(unit, call.params, usage, prices=self._prices, at=spending.at, served=attempt.model)

        def cost(share: Share) -> float:
            told = known(share.budget.unit)
            return share.tariff.cost(usage["output_tokens"]) if told is None else told

        self._close(spending, cost)
        if attempt.events and not attempt.usage.is_estimated:
            counted = count(attempt.usage.output_tokens)
            self._unseen.learn(call.model, tokens=counted, characters=attempt.written)

    def _close(self, spending: Spending, cost: Callable[[Share], float]) -> None:
        """End all shares of an attempt, which cost so much."""
        with spending.lock:
            shares, spending.shares = spending.shares, []
            spending.mark = spending.stop_at = math.inf
        for share in shares:
            entry = share.last_entry(cost(share))
            try:
                self._book(share.store, share.key, share.budget, {share.owner: entry})
            except StoreError:
                self._books.owe(share.store, share.key, share.window, entry["spent"])

    def _book(
        self, store: Store, key: str, budget: Budget, entries: Mapping[str, Entry]
    ) -> dict[str, Booked]:
        return self._books.book(store, key, entries, limit=budget.limit)
