"""The table of `seawall usage`: a line for each row of a report, and a bar."""

from collections.abc import Callable
from typing import Final

from seawall_tokens.report import Report, Sums

_WIDTH: Final = 80
_LONGEST_KEY: Final = 24
_UNITS: Final = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_HEADINGS: Final = ("attempts", "input", "cached", "output", "wasted", "dollars")
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
SIGNS: Final = f"{_EIGHTHS}…"
"""What is in a table that is not plain, beyond ASCII."""


def table(report: Report, *, is_plain: bool = False) -> list[tuple[str, str]]:
    """Return lines of 80 columns at most, each in two parts: text, and a bar.

    Args:
        report: What is shown.
        is_plain: Bars are of ASCII.
    """
    listed = [*report.rows, *([("total", report.totals)] if len(report.rows) != 1 else [])]
    cells: list[tuple[str, ...]] = [(report.by, *_HEADINGS)]
    cells += [(_shown(key, report.by, is_plain=is_plain), *_cells(sums)) for key, sums in listed]
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
    cached = sums.cache_read_tokens + sums.cache_write_tokens
    counts = (sums.attempts, sums.input_tokens, cached, sums.output_tokens, sums.wasted_output_tokens)
    return (*map(_short, counts), _money(sums.dollars))


def _short(number: int) -> str:
    """Return a number in at most 5 characters: 999, 1.2k, 34.0k, 120M."""
    for size, unit in _UNITS:
        if number >= size:
            value = number / size
            # 99.96 would have a digit more
            return f"{value:.1f}{unit}" if value < 99.95 else f"{int(value)}{unit}"  # noqa: PLR2004 - digits
    return str(number)


def _money(dollars: float | None) -> str:
    """Return dollars with cents, or with more places where there are no cents to show."""
    if dollars is None:
        return "unknown"
    if 0 < dollars < 0.01:  # noqa: PLR2004 - a cent
        return f"{dollars:.6f}"
    return f"{dollars:.2f}" if dollars < 10**6 else _short(int(dollars))


def _measure(report: Report) -> Callable[[Sums], float]:
    """Return what a bar shows: dollars, or tokens where no price is known."""
    if report.totals.dollars:
        return lambda sums: sums.dollars or 0.0
    return lambda sums: sums.input_tokens + sums.output_tokens


def _bar(value: float, most: float, width: int, *, is_plain: bool) -> str:
    if not value or width <= 0:
        return ""
    eighths = max(1, round(8 * width * value / most))
    if is_plain:
        return "#" * -(-eighths // 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _shown(key: str, by: str, *, is_plain: bool) -> str:
    """Return a name without what would move the cursor, and not too long."""
    clean = "".join(sign if sign.isprintable() else "?" for sign in key) or f"no {by}"
    if is_plain:
        clean = clean.encode("ascii", errors="replace").decode()
    return clean if len(clean) <= _LONGEST_KEY else clean[: _LONGEST_KEY - 2] + (".." if is_plain else "…")
