"""What the ledger says: sums by model, caller or day."""

import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from seawall.state import owners
from seawall_tokens.rows import VERSION

By = Literal["model", "caller", "day"]

_KEYS: Final = {"model": "model", "caller": "caller", "day": "date(time, 'unixepoch')"}
"""Days are those of UTC, as on the bill."""
_ORDERS: Final = {"model": "9 DESC, 6 DESC, key", "caller": "9 DESC, 6 DESC, key", "day": "key"}
"""By dollars, by output where there are none."""
_SUMS: Final = """
    count(*),
    coalesce(sum(input_tokens), 0),
    coalesce(sum(cache_read_tokens), 0),
    coalesce(sum(cache_write_tokens), 0),
    coalesce(sum(output_tokens), 0),
    coalesce(sum(thinking_tokens), 0),
    coalesce(sum(coalesce(wasted_output_tokens, is_lost * output_tokens)), 0),
    sum(dollars),
    coalesce(sum(dollars IS NULL AND used > 0), 0),
    coalesce(sum(is_lost AND ended IS NULL), 0),
    coalesce(sum(is_estimated AND ended IS NOT NULL), 0)
"""
_FROM: Final = """
    FROM (SELECT *, input_tokens + cache_read_tokens + cache_write_tokens + output_tokens AS used,
                 CASE WHEN wasted_output_tokens IS NULL THEN is_lost(owner, updated) ELSE 0 END AS is_lost
          FROM attempts WHERE time >= ?)
"""
_FORGOTTEN: Final = 600.0
"""Seconds after which an attempt nobody has updated is lost, where its process cannot be looked up."""
_AGO: Final = re.compile(r"(\d{1,6})([hdw])")
_HOURS: Final = {"h": 1, "d": 24, "w": 168}


class UnreadableError(Exception):
    """The ledger cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over attempts, in tokens and US dollars."""

    attempts: int = 0
    input_tokens: int = 0
    """Neither read from the prompt cache nor written to it."""
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0
    """Those of `output_tokens` that the API has told to be thinking."""
    wasted_output_tokens: int = 0
    """Those of `output_tokens` that no caller has: of failed calls, and of answers that were begun again."""
    dollars: float | None = 0.0
    """Of the attempts with a price; `None` when there are attempts and none has one."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a ledger says."""

    by: By
    rows: tuple[tuple[str, Sums], ...] = ()
    totals: Sums = Sums()
    unpriced: int = 0
    """Attempts that used tokens nobody knows the price of."""
    lost: int = 0
    """Attempts whose process died."""
    estimated: int = 0
    """Attempts that broke before the API had counted all of their tokens."""

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        listed = [{self.by: key, **asdict(sums)} for key, sums in self.rows]
        return {"rows": listed, "totals": asdict(self.totals)}


def read(
    path: Path,
    by: By = "model",
    since: datetime | None = None,
    *,
    clock: Callable[[], float] = time.time,  # noqa: TID251 - a default
) -> Report:
    """Return the sums of the ledger at `path` over attempts that began at `since` or later.

    Where there is no ledger nothing was spent. Days are in their order, all else the dearest first.

    Raises:
        UnreadableError: It is damaged, of a later version, or something else.
    """
    if not path.exists():
        return Report(by)
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise UnreadableError(
                    f"the ledger {str(path)!r} was written by a later version of Seawall; update this one"
                )
            # without a version it is being made at this moment
            return (
                _report(connection, by, 0.0 if since is None else since.timestamp(), clock())
                if version
                else Report(by)
            )
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise UnreadableError(f"the ledger {str(path)!r} cannot be read: {error}") from error


def moment(text: str, now: datetime) -> datetime:
    """Return the moment that `--since` names: a date or time, UTC unless it says, or `7d` before `now`.

    Raises:
        ValueError: It names none.
    """
    if match := _AGO.fullmatch(text.strip().lower()):
        try:
            return now - timedelta(hours=int(match[1]) * _HOURS[match[2]])
        except OverflowError:
            return datetime.fromtimestamp(0, UTC)
    try:
        said = datetime.fromisoformat(text.strip())
        said = said if said.tzinfo else said.replace(tzinfo=UTC)
        said.timestamp()
    except (ValueError, OverflowError) as error:
        msg = f"--since: {text!r} is no date such as 2026-11-01 and no duration such as 7d, 12h, 2w"
        raise ValueError(msg) from error
    return said


def _report(connection: sqlite3.Connection, by: By, since: float, now: float) -> Report:
    dead: dict[str, bool] = {}

    def is_lost(owner: str, updated: float) -> bool:
        if owner not in dead:
            dead[owner] = owners.is_surely_dead(owner)
        return dead[owner] or now - updated > _FORGOTTEN

    connection.create_function("is_lost", 2, is_lost)
    # what is put into the statements are constants of this module
    connection.execute("BEGIN")
    found = connection.execute(
        f"SELECT {_KEYS[by]} AS key, {_SUMS} {_FROM} GROUP BY key ORDER BY {_ORDERS[by]}",
        [since],
    ).fetchall()
    *totals, unpriced, lost, estimated = connection.execute(f"SELECT {_SUMS} {_FROM}", [since]).fetchone()
    listed = tuple((row[0], _sums(row[1:9])) for row in found)
    return Report(by, listed, _sums(totals), unpriced, lost, estimated)


def _sums(values: Sequence[Any]) -> Sums:
    told = dict(zip((field.name for field in fields(Sums)), values, strict=True))
    nothing = None if told["attempts"] else 0.0
    return Sums(**{**told, "dollars": nothing if told["dollars"] is None else round(told["dollars"], 9)})
