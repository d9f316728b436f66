"""What people are told: rate limits and budgets, of the shared state, and what today cost, of the ledger."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from seawall import Gauge, Panel
from seawall.state import READ, Document, Index, Store, clock, leases, new_lock
from seawall_tokens import booking, buckets, organizations, report
from seawall_tokens.admission import NAMES
from seawall_tokens.budget import INDEX, Budget
from seawall_tokens.fair_queue import places
from seawall_tokens.rows import FILE
from seawall_tokens.settings import TokensSettings

_RECENT: Final = 900.0
"""Seconds for which limits are shown that nobody uses: they are full then."""
_AGAIN: Final = 5.0
"""Seconds until the ledger is read again."""
_COLUMNS: Final = ("model", "attempts", "input", "cached", "output", "wasted", "dollars")


class Panels:
    """Tells them. Threads may share it; it waits for the store and the disk."""

    def __init__(self, settings: TokensSettings) -> None:
        self._settings = settings
        self._lock = new_lock()
        self._spent: tuple[Path, float, Panel] | None = None

    def tell(self, store: Store, state_dir: Path | None, now: float) -> list[Panel]:
        """Return the panels.

        Raises:
            StoreError: The store failed.
        """
        panels = [_rates(store, now)] if self._settings.pace else []
        if self._settings.budgets:
            panels.append(_budgets(self._settings.budgets, store, now))
        if state_dir is not None:
            panels.append(self._today(state_dir / FILE, now))
        return panels

    def _today(self, path: Path, now: float) -> Panel:
        with self._lock:
            known = self._spent
            if known is None or known[0] != path or not 0 <= now - known[1] < _AGAIN:
                known = self._spent = path, now, _spent_today(path, now)
            return known[2]


def _rates(store: Store, now: float) -> Panel:
    keys = [organizations.Limits.of(key) for key in Index(organizations.INDEX).names(store, now)]
    known = {limits: store.step(READ, key=limits.key) for limits in keys if not limits.is_superseded(store)}
    hosts = {limits.host for limits in known}
    gauges: list[Gauge] = []
    rows: list[Sequence[str | float | None]] = []
    for limits, document in known.items():
        if not document or now - document[clock.UPDATED] > _RECENT:
            continue
        name = limits.model_class if len(hosts) == 1 else f"{limits.model_class} at {limits.host}"
        document = buckets.begun(document, now, document.get("configured", {}))  # noqa: PLW2901 - as of now
        document, _ = leases.expire(document, document["time"])  # noqa: PLW2901 - as of now
        gauges += _gauges(name, document)
        rows.append(_traffic(name, document))
    return Panel(
        "Rate limits",
        gauges=gauges,
        columns=("models", "running", "waiting", "held for"),
        rows=rows,
        note="" if rows else "No call was paced in the last minutes.",
    )


def _gauges(name: str, document: Document) -> Iterator[Gauge]:
    for dimension, limit in buckets.limits_of(document).items():
        unit = NAMES[dimension]
        left = min(document["levels"][dimension], limit)
        yield Gauge(f"{name}: {unit}", left, limit, unit, "a minute", measures="rate_limit")


def _traffic(name: str, document: Document) -> Sequence[str | float | None]:
    held = document.get("held_until", 0.0) - document["time"]
    running = int(leases.held(document).get("streams", 0))
    return name, running, len(places(document)), f"{held:.0f} s" if held > 0 else None


def _budgets(budgets: Sequence[Budget], store: Store, now: float) -> Panel:
    noted = Index(INDEX).names(store, now)
    gauges = [
        _left(budget, caller, store, now)
        for budget in budgets
        if budget.per != "call"
        for caller in _callers(budget, noted)
    ]
    used_up = [gauge.label for gauge in gauges if gauge.left <= 0]
    return Panel(
        "Budgets",
        gauges=gauges,
        alert=f"used up: {', '.join(used_up)}" if used_up else "",
        note="" if gauges else "Budgets of a call are its own.",
    )


def _callers(budget: Budget, noted: Sequence[str]) -> Sequence[str]:
    """Return the callers that a budget keeps books of their own for, as far as they are known."""
    if not budget.has_books_of_each:
        return [budget.caller or ""]
    named = (json.loads(key.removeprefix(Budget.PREFIX))[-1] for key in noted)
    callers = {caller for caller in named if caller is not None}
    return sorted(caller for caller in callers if budget.key(caller) in noted)


def _left(budget: Budget, caller: str, store: Store, now: float) -> Gauge:
    document, seconds = clock.elapsed(store.step(READ, key=budget.key(caller)), now, at_most=booking.AT_MOST)
    document, _ = leases.expire(document, document.get("time", 0) + seconds)
    window = budget.window(datetime.fromtimestamp(now, UTC))
    spent, held = document.get("spent", {}).get(window, 0), leases.held(document).get(window, 0)
    notes = [f"{budget.amount(held)} held for running calls"] if held else []
    if (ends := budget.ends(window)) is not None:
        notes.append(f"until {ends:%Y-%m-%d %H:%M} UTC")
    left = budget.limit - spent - held
    return Gauge(budget.title(caller), left, budget.limit, budget.unit, ", ".join(notes), measures="budget")


def _spent_today(path: Path, now: float) -> Panel:
    midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    title = "Spent today (UTC)"
    try:
        found = report.read(path, "model", midnight, clock=lambda: now)
    except report.UnreadableError as error:
        return Panel(title, alert=str(error))
    listed = [*found.rows, *([("total", found.totals)] if len(found.rows) > 1 else [])]
    rows = [
        (
            name,
            sums.attempts,
            sums.input_tokens,
            sums.cache_read_tokens + sums.cache_write_tokens,
            sums.output_tokens,
            sums.wasted_output_tokens,
            None if sums.dollars is None else round(sums.dollars, 4),
        )
        for name, sums in listed
    ]
    unpriced = f"attempts without a price, in no sum of dollars: {found.unpriced:,}" if found.unpriced else ""
    return Panel(title, columns=_COLUMNS, rows=rows, note=unpriced if rows else "Nothing was spent today.")
