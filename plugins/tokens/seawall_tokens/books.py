"""The documents of budgets, wherever they are kept, and what happens when they cannot be reached."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

from seawall.state import READ, Store, StoreError, new_lock, owners
from seawall_tokens.booking import BOOK, Booked, Entry

_log = logging.getLogger("seawall.tokens.budgets")

_DEBT: Final = "!"
"""What the names of debts begin with: they sort before owners."""


class Books:
    """Books entries; what could not be booked in the end is added to the next ones. Threads may share it.

    Args:
        clock: Seconds, of a clock that all processes have.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = new_lock()
        self._debts: dict[tuple[Store, str], dict[str, float]] = {}
        self._lost: set[Store] = set()
        """Those that failed the last time."""

    def book(
        self, store: Store, key: str, entries: Mapping[str, Entry], *, limit: float
    ) -> dict[str, Booked]:
        """Book the entries of owners in the document of a budget; waits for the store.

        Raises:
            StoreError: It is not known whether they were booked.
        """
        with self._lock:
            debts = self._debts.pop((store, key), {})
        owed = {
            _DEBT + window: Entry(window=window, spent=amount, wanted=0.0) for window, amount in debts.items()
        }
        try:
            booked = self._step(store, key, {**owed, **entries}, limit)
        except StoreError as error:
            for window, amount in debts.items():
                self.owe(store, key, window, amount)
            self._note(store, error)
            raise
        self._note(store, None)
        return booked

    def owe(self, store: Store, key: str, window: str, amount: float) -> None:
        """Keep what was spent and could not be booked. What was to be given back is not: perhaps it was."""
        if amount > 0:
            with self._lock:
                debts = self._debts.setdefault((store, key), defaultdict(float))
                debts[window] += amount

    def _step(self, store: Store, key: str, entries: Mapping[str, Entry], limit: float) -> dict[str, Booked]:
        def book(entries: Mapping[str, Entry], dead: list[str]) -> dict[str, Booked]:
            return store.step(BOOK, key=key, now=self._clock(), limit=limit, entries=entries, dead=dead)

        booked = book(entries, [])
        refused = {owner: entries[owner] for owner, result in booked.items() if result["is_refused"]}
        # killed processes may hold what is missing: their leases have yet to end
        if refused and (dead := owners.dead_owners(store.step(READ, key=key))):
            booked |= book(refused, dead)
        return booked

    def _note(self, store: Store, error: StoreError | None) -> None:
        """Say that a store fails, or works again: once, not for each call."""
        with self._lock:
            said = store in self._lost
            if error is None:
                self._lost.discard(store)
            else:
                self._lost.add(store)
        if error is not None and not said:
            _log.warning("budgets cannot be checked: %s", error)
        elif error is None and said:
            _log.warning("budgets are checked again")
