"""What a row of the ledger says: one attempt, as far as it has come."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from seawall import Attempt, Call, ContinuationMismatchError, Outcome
from seawall.state import owners
from seawall_tokens.estimator import tokens_of_length
from seawall_tokens.prices import Counts, Prices

FILE: Final = "ledger.sqlite"
"""The name of the file in the state directory."""
VERSION: Final = 1
"""Of the table."""
TABLE: Final = """CREATE TABLE attempts (
    time REAL NOT NULL, -- when it was sent: seconds since 1970, UTC
    call TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    caller TEXT NOT NULL,
    model TEXT NOT NULL, -- as it was asked for
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    thinking_tokens INTEGER NOT NULL,
    is_estimated INTEGER NOT NULL, -- 0: the output as the API counted it
    dollars REAL, -- NULL: no price is known
    ended TEXT, -- NULL: not yet, or its process died; else ok, stopped, abandoned or the class of an error
    wasted_output_tokens INTEGER, -- NULL: its call has not ended, or its process died
    owner TEXT, -- the process, until the call has ended
    updated REAL NOT NULL,
    PRIMARY KEY (time, call, attempt)
) WITHOUT ROWID"""
PUT: Final = "REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_LONGEST_NAME: Final = 200
_FORGOTTEN: Final = 600.0
"""Seconds after which an attempt nobody has updated is lost, where its process cannot be looked up."""


@dataclass(eq=False, slots=True)
class Track:
    """A call whose attempts have rows."""

    call: Call
    caller: str
    prices: Prices
    times: dict[int, datetime] = field(default_factory=dict)
    """When each attempt was about to be sent."""

    def row(
        self,
        attempt: Attempt,
        now: datetime,
        *,
        owner: str | None = None,
        ended: str | None = None,
        wasted: int | None = None,
    ) -> tuple[Any, ...]:
        """Return the values of an attempt's row.

        Args:
            attempt: One that was sent.
            now: When this is known.
            owner: Who will write the row again.
            ended: How it ended if it did not fail.
            wasted: Tokens of its output that its caller has no use for.
        """
        if attempt.error is not None:
            ended = type(attempt.error).__name__
        usage = {**attempt.raw_usage, **attempt.usage.counts()}
        if ended is None:
            written = tokens_of_length(attempt.written, self.call.model)
            usage["output_tokens"] = max(attempt.usage.output_tokens, written)
        time, counts = self.times.get(attempt.number, now), Counts.of(usage)
        return (
            time.timestamp(),
            self.call.id,
            attempt.number,
            _name(self.caller),
            _name(self.call.model),
            counts.input,
            counts.cache_read,
            counts.cache_write,
            counts.output,
            counts.thinking,
            ended is None or attempt.usage.is_estimated,
            self.prices.dollars(self.call.model, usage, time, served=attempt.model),
            ended,
            wasted,
            owner,
            now.timestamp(),
        )

    def last_rows(self, outcome: Outcome, now: datetime) -> list[tuple[Any, ...]]:
        """Return the rows of all attempts, now that the call has ended."""
        attempts = outcome.attempts
        return [
            self.row(attempt, now, ended=_said(outcome), wasted=wasted)
            for attempt, wasted in zip(attempts, _wasted(self.call, attempts, outcome), strict=True)
            if was_sent(attempt)
        ]


def was_sent(attempt: Attempt) -> bool:
    """Whether anything came back of it, be it an error; else it cost nothing that could be known."""
    return attempt.status is not None or attempt.error is not None


def is_lost(owner: str, updated: float, now: float) -> bool:
    """Whether the process that wrote a row is gone, so that it will not end it."""
    return owners.is_surely_dead(owner) or now - updated > _FORGOTTEN


def _said(outcome: Outcome) -> str:
    if outcome.status == "completed":
        return "ok"
    return type(outcome.error).__name__ if outcome.status == "failed" and outcome.error else outcome.status


def _wasted(call: Call, attempts: Sequence[Attempt], outcome: Outcome) -> list[int]:
    """Return the output of each attempt that its caller does not have in a message it can use."""
    has_nothing = outcome.status == "failed" or (outcome.status == "abandoned" and not call.stream)
    restarts = [place for place, attempt in enumerate(attempts) if attempt.way == "restart"]
    first_kept = len(attempts) if has_nothing else max(restarts, default=0)
    return [
        attempt.usage.output_tokens
        if place < first_kept or isinstance(attempt.error, ContinuationMismatchError)
        else 0
        for place, attempt in enumerate(attempts)
    ]


def _name(text: str) -> str:
    """Return a name as SQLite takes it: a lone surrogate is no UTF-8."""
    return text[:_LONGEST_NAME].encode(errors="replace").decode()
