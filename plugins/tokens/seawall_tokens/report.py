"""What the ledger says: sums by model, caller or day, as a table or as JSON."""

import os
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, get_args

from seawall_tokens import ledger_file, rows

By = Literal["model", "caller", "day"]
ORDERS: Final = get_args(By)

_WIDTH: Final = 80
_LONGEST_KEY: Final = 24
_KEYS: Final[Mapping[str, str]] = {"model": "model", "caller": "caller", "day": "date(time, 'unixepoch')"}
"""Days are those of UTC, as on the bill."""
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
    coalesce(sum(is_lost AND ended IS NULL), 0)
"""
_FROM: Final = """
    FROM (SELECT *, input_tokens + cache_read_tokens + cache_write_tokens + output_tokens AS used,
                 wasted_output_tokens IS NULL AND is_lost(owner, updated) AS is_lost
          FROM attempts WHERE time >= ?)
"""
_UNITS: Final = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_AGO: Final = re.compile(r"(\d{1,6})([hdw])")
_HOURS: Final = {"h": 1, "d": 24, "w": 168}
_HEADINGS: Final = ("attempts", "input", "cached", "output", "wasted", "dollars")
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


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
    rows: tuple[tuple[str, Sums], ...]
    totals: Sums
    unpriced: int
    """Attempts that used tokens nobody knows the price of."""
    lost: int
    """Attempts whose process died."""

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        listed = [{self.by: key, **asdict(sums)} for key, sums in self.rows]
        return {"rows": listed, "totals": asdict(self.totals)}


def read(path: Path, by: By = "model", since: datetime | None = None) -> Report:
    """Return the sums of the ledger at `path` over attempts that began at `since` or later.

    Where there is no ledger nothing was spent. Days are in their order, all else the dearest first.

    Raises:
        UnreadableError: It is corrupt, newer, or something else.
    """
    if not path.exists():
        return Report(by, (), Sums(), 0, 0)
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            if (why := ledger_file.complaint(connection)) is not None:
                raise UnreadableError(f"the ledger {str(path)!r} is {_COMPLAINTS[why]}")
            return _report(connection, by, 0.0 if since is None else since.timestamp())
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise UnreadableError(f"the ledger {str(path)!r} cannot be read: {error}") from error


_COMPLAINTS: Final = {
    "newer": "from a newer version of Seawall; update this one",
    "foreign": "another program's database",
}


def _report(connection: sqlite3.Connection, by: By, since: float) -> Report:
    now = datetime.now(UTC).timestamp()
    known: dict[tuple[str, float], bool] = {}

    def is_lost(owner: str, updated: float) -> bool:
        if (owner, updated) not in known:
            known[owner, updated] = rows.is_lost(owner, updated, now)
        return known[owner, updated]

    connection.create_function("is_lost", 2, is_lost)
    if not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        # being made at this moment
        return Report(by, (), Sums(), 0, 0)
    key, order = _KEYS[by], "key" if by == "day" else "9 DESC, 6 DESC, key"
    connection.execute("BEGIN")
    # constants of this module, no input
    found = connection.execute(
        f"SELECT {key} AS key, {_SUMS} {_FROM} GROUP BY key ORDER BY {order}",
        [since],
    ).fetchall()
    *totals, unpriced, lost = connection.execute(f"SELECT {_SUMS} {_FROM}", [since]).fetchone()
    return Report(by, tuple((row[0], _sums(row[1:9])) for row in found), _sums(totals), unpriced, lost)


def _sums(values: Sequence[Any]) -> Sums:
    told = dict(zip((field.name for field in fields(Sums)), values, strict=True))
    nothing = None if told["attempts"] else 0.0
    return Sums(**{**told, "dollars": nothing if told["dollars"] is None else round(told["dollars"], 9)})


def moment(text: str, now: datetime) -> datetime:
    """The moment that `--since` names: a date or time, UTC unless it says, or as `7d` so long before `now`.

    Raises:
        ValueError: It names none.
    """
    if match := _AGO.fullmatch(text.strip().lower()):
        try:
            return now - timedelta(hours=int(match[1]) * _HOURS[match[2]])
        except OverflowError:
            return datetime.min.replace(year=1970, tzinfo=UTC)
    try:
        said = datetime.fromisoformat(text.strip())
        said = said if said.tzinfo else said.replace(tzinfo=UTC)
        said.timestamp()
    except (ValueError, OverflowError) as error:
        msg = f"--since: {text!r} is no date such as 2026-11-01 and no duration such as 7d, 12h, 2w"
        raise ValueError(msg) from error
    return said


# -- the table


def table(report: Report, *, is_plain: bool = False) -> list[tuple[str, str]]:
    """Lines of 80 columns at most, each in two parts: text, and a bar.

    Args:
        report: What is shown.
        is_plain: Bars are of ASCII.
    """
    listed = [*report.rows, *([("total", report.totals)] if len(report.rows) != 1 else [])]
    cells: list[tuple[str, ...]] = [(report.by, *_HEADINGS)]
    cells += [(_shown(key, report.by), *_cells(sums)) for key, sums in listed]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = _WIDTH - sum(widths) - 2 * len(widths)
    measure = _measure(report)
    most = max((measure(sums) for _, sums in report.rows), default=0)
    bars = [_bar(measure(sums), most, left, is_plain=is_plain) for _, sums in report.rows]
    bars = ["", *bars, ""][: len(cells)]
    return [(_line(row, widths), bar) for row, bar in zip(cells, bars, strict=True)]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    first, *others = (
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *others])


def _cells(sums: Sums) -> tuple[str, ...]:
    read = sums.cache_read_tokens + sums.cache_write_tokens
    counts = (sums.input_tokens, read, sums.output_tokens, sums.wasted_output_tokens)
    return (short(sums.attempts), *map(short, counts), money(sums.dollars))


def short(number: int) -> str:
    """A number in at most 5 characters: 999, 1.2k, 34k, 1.2M."""
    for size, unit in _UNITS:
        if number >= size:
            value = number / size
            return f"{value:.1f}{unit}" if value < 100 else f"{int(value)}{unit}"  # noqa: PLR2004 - digits
    return str(number)


def money(dollars: float | None) -> str:
    """Dollars with cents, or with more places where there are no cents to show."""
    if dollars is None:
        return "unknown"
    if 0 < dollars < 0.01:  # noqa: PLR2004 - a cent
        return f"{dollars:.6f}"
    return f"{dollars:.2f}" if dollars < 10**6 else short(int(dollars))


def _measure(report: Report) -> Any:
    """What a bar shows: dollars, or tokens where no price is known."""
    if report.totals.dollars:
        return lambda sums: sums.dollars or 0.0
    return lambda sums: sums.input_tokens + sums.output_tokens


def _bar(value: float, most: float, width: int, *, is_plain: bool) -> str:
    eighths = round(8 * width * value / most) if most and width > 0 else 0
    if value and not eighths:
        eighths = 1 if width > 0 else 0
    if is_plain:
        return "#" * -(-eighths // 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _shown(key: str, by: str) -> str:
    """A name without what would move the cursor, and not too long."""
    clean = "".join(sign if sign.isprintable() else "?" for sign in key) or f"no {by}"
    return clean if len(clean) <= _LONGEST_KEY else f"{clean[: _LONGEST_KEY - 1]}…"


def is_colored() -> bool:
    """Whether colours are wanted where there is a terminal: https://no-color.org."""
    return not os.environ.get("NO_COLOR")
