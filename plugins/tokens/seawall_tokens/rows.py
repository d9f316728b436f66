"""What a row of the ledger says: one attempt, as far as it has come."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import seawall
from seawall import Attempt, Call, Outcome
from seawall_tokens.estimator import tokens_of_length
from seawall_tokens.prices import Counts, Prices
from seawall_tokens.untold import is_untold, was_sent

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
    is_estimated INTEGER NOT NULL, -- 0: as the API counted it
    dollars REAL, -- NULL: no price is known
    ended TEXT, -- NULL: not yet, or its process died; else ok, stopped, abandoned or the class of an error
    wasted_output_tokens INTEGER, -- NULL: its call has not ended, or its process died
    owner TEXT, -- the process, until the call has ended
    updated REAL NOT NULL,
    PRIMARY KEY (time, call, attempt)
) WITHOUT ROWID"""

_LONGEST_NAME: Final = 200


class Row(NamedTuple):
    """The columns of `TABLE`."""

    time: float
    call: str
    attempt: int
    caller: str
    model: str
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    thinking_tokens: int
    is_estimated: bool
    dollars: float | None
    ended: str | None
    wasted_output_tokens: int | None
    owner: str | None
    updated: float


PUT: Final = f"""
    INSERT INTO attempts VALUES ({", ".join("?" * len(Row._fields))})
    ON CONFLICT (time, call, attempt)
    DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in Row._fields)}
    WHERE owner IS NOT NULL AND (ended IS NULL OR excluded.ended IS NOT NULL)
"""  # noqa: S608 - the names are those above
"""Writes a row, in whatever order: what is known of an attempt that has ended is not replaced by less.
SQLite before 3.35, as of RHEL 9 and Debian 11, wants to be told of which conflict."""


@dataclass(frozen=True, slots=True)
class Track:
    """What is to be said of all attempts of a call."""

    caller: str
    prices: Prices
    estimate: Callable[[Mapping[str, Any]], int]
    """The input tokens of a request."""
    times: dict[int, datetime] = field(default_factory=dict)
    """When each attempt was about to be sent."""
    inputs: dict[int, int] = field(default_factory=dict)
    """What was estimated of attempts: a row is written many times."""

    def rows(self, call: Call, now: datetime, owner: str) -> list[Row]:
        """Return the rows of the attempts of a call that goes on; `owner` is who will write them again."""
        return [self._row(call, attempt, now, owner=owner) for attempt in call.attempts if was_sent(attempt)]

    def last_rows(self, call: Call, outcome: Outcome, now: datetime) -> list[Row]:
        """Return the rows of all attempts of a call that has ended."""
        wasted = seawall.wasted_output(call, outcome)
        return [
            self._row(
                call,
                attempt,
                now,
                ended=_said(outcome),
                wasted=wasted[attempt.number],
            )
            for attempt in outcome.attempts
            if was_sent(attempt)
        ]

    def _row(
        self,
        call: Call,
        attempt: Attempt,
        now: datetime,
        *,
        owner: str | None = None,
        ended: str | None = None,
        wasted: int | None = None,
    ) -> Row:
        asked = attempt.asked or call.model
        if attempt.error is not None:
            ended = type(attempt.error).__name__
        usage = {**attempt.raw_usage, **attempt.usage.counts()}
        if ended is None:
            written = tokens_of_length(attempt.written, asked)
            usage["output_tokens"] = max(attempt.usage.output_tokens, written)
        if is_estimated := is_untold(attempt):
            usage["input_tokens"] = self._input(call, attempt)
        time, counts = self.times.setdefault(attempt.number, now), Counts.of(usage)
        return Row(
            time=time.timestamp(),
            call=call.id,
            attempt=attempt.number,
            caller=_name(self.caller),
            model=_name(asked),
            input_tokens=counts.input,
            cache_read_tokens=counts.cache_read,
            cache_write_tokens=counts.cache_write,
            output_tokens=counts.output,
            thinking_tokens=counts.thinking,
            is_estimated=ended is None or attempt.usage.is_estimated or is_estimated,
            dollars=self.prices.dollars(asked, usage, time, served=attempt.model),
            ended=ended,
            wasted_output_tokens=wasted,
            owner=owner,
            updated=now.timestamp(),
        )

    def _input(self, call: Call, attempt: Attempt) -> int:
        if attempt.number not in self.inputs:
            self.inputs[attempt.number] = self.estimate(call.params) + attempt.kept
        return self.inputs[attempt.number]


def _said(outcome: Outcome) -> str:
    if outcome.status == "completed":
        return "ok"
    return type(outcome.error).__name__ if outcome.status == "failed" and outcome.error else outcome.status


def _name(text: str) -> str:
    """Return a name as SQLite takes it: a lone surrogate is no UTF-8."""
    return text[:_LONGEST_NAME].encode(errors="replace").decode()
