"""What a running attempt has spent, and what it may still write until what is held is spent. Arithmetic."""

import math
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from seawall import Attempt
from seawall.state import Store
from seawall_tokens.booking import Booked, Entry
from seawall_tokens.budget import Budget
from seawall_tokens.prices import count
from seawall_tokens.tariff import Tariff
from seawall_tokens.unseen import DENSITY
from seawall_tokens.untold import is_untold

LEAST: Final = 256
"""Output tokens for which an input is worth paying; a continuation asks for no fewer either."""
AHEAD: Final = 4_096
"""Output tokens held in advance, besides those that cannot be seen: what the fastest models write in 20 s."""


@dataclass(eq=False, slots=True)
class Share:
    """What one budget has to do with one attempt."""

    budget: Budget
    title: str
    key: str
    store: Store
    owner: str
    window: str
    tariff: Tariff
    possible: int
    """Output tokens that the attempt can have at all."""
    unseen: float = 0.0
    """Those that it may have beyond what can be seen of them; held besides."""
    booked: float = 0.0
    """What the document counts as spent by this attempt."""
    held: float = 0.0
    """What the attempt may spend beyond that."""
    is_last: bool = False
    """There is no more to hold."""
    is_lost: bool = False
    """The store failed the last time."""

    @property
    def at_most(self) -> float:
        """What the attempt costs with all the output that it can have."""
        return self.tariff.cost(self.possible)

    @property
    def allowed(self) -> float:
        """Visible output tokens at which all that is held is spent; infinite if it cannot come to that."""
        if not self.tariff.per_token or (self.is_lost and not self.is_last):
            return math.inf
        tokens = (self.booked + self.held - self.tariff.input) / self.tariff.per_token
        # sums of floats are not exact
        return tokens - self.unseen if tokens < self.possible - 0.5 else math.inf

    def entry(self, output_tokens: float) -> Entry:
        """What is to be booked when so much output has come."""
        now = max(self.tariff.cost(min(output_tokens, self.possible)), self.booked)
        wanted = min(max(self.at_most - now, 0.0), self.tariff.per_token * (AHEAD + self.unseen))
        return Entry(window=self.window, spent=now - self.booked, wanted=wanted)

    def first_entry(self) -> Entry:
        """What is to be booked before it is sent."""
        least = self.tariff.per_token * min(self.possible, LEAST + self.unseen)
        return Entry(**self.entry(0), least=least)

    def last_entry(self, spent: float) -> Entry:
        """What is to be booked when it has ended."""
        return Entry(window=self.window, spent=spent - self.booked, wanted=0.0)

    def take(self, entry: Entry, booked: Booked) -> None:
        """Note what became of an entry."""
        self.window = booked["window"]
        self.booked += entry["spent"]
        self.held = booked["granted"]
        self.is_last = self.held < entry["wanted"]
        self.is_lost = False

    def lose(self, *, is_open: bool) -> None:
        """Note that the store failed: the attempt goes on without it, or to the end of what is held."""
        self.is_lost, self.is_last = True, not is_open


@dataclass(eq=False, slots=True)
class Spending:
    """What all budgets have to do with one attempt."""

    attempt: Attempt
    model: str
    at: datetime
    """When it was to be sent."""
    expected_input: int
    """Tokens, for an answer that does not tell."""
    most_input: int
    possible: int
    """Output tokens that it can have at all."""
    own: dict[str, Store]
    """Stores of budgets per call, by their keys: they last as long as the call."""
    shares: list[Share] = field(default_factory=list)
    """Empty once it has ended."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while shares are booked, in threads that may wait for a store."""
    mark: float = math.inf
    """Characters at which more should be held, or the stream be stopped; what each chunk is compared to."""
    stop_at: float = math.inf
    """Characters at which there is no more to spend."""

    @property
    def output_tokens(self) -> float:
        """What has been seen so far, about."""
        return self.attempt.written * DENSITY

    def usage(self) -> dict[str, Any]:
        """What the API told; estimates where an answer told no counts."""
        usage = {**self.attempt.raw_usage, **self.attempt.usage.counts()}
        if is_untold(self.attempt):
            usage["input_tokens"] = self.expected_input
        return {**usage, "output_tokens": count(usage["output_tokens"]) or math.ceil(self.output_tokens)}

    def set_marks(self) -> None:
        """Work out how far the attempt may go with what is held now."""
        written = self.attempt.written
        mark = stop_at = math.inf
        for share in self.shares:
            allowed = share.allowed / DENSITY
            if share.is_last:
                stop_at = min(stop_at, allowed)
            else:
                # half way, so that there is time to hold more
                mark = min(mark, (written + max(allowed, written)) / 2)
        self.mark, self.stop_at = min(mark, stop_at), stop_at

    def last_share(self) -> Share | None:
        """The share that allows the least of those that cannot hold more."""
        return min((share for share in self.shares if share.is_last), key=_allowed, default=None)


def _allowed(share: Share) -> float:
    return share.allowed
