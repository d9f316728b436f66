"""What the terminal shows of calls: one line each, as wide as there is room, of characters it can show."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from seawall_progress.sentences import doing, duration, span
from seawall_progress.values import CallProgress, Phase

_STYLES: Final[dict[Phase, str]] = {
    "queued": "yellow",
    "waiting": "yellow",
    "stalled": "red",
    "connecting": "cyan",
    "resuming": "cyan",
    "thinking": "magenta",
    "writing": "green",
    "tool input": "blue",
    "done": "bold",
}
_BAR: Final = 16
"""Characters of the bar."""
_FULL, _EMPTY, _GOOD, _BAD = (
    "\N{BOX DRAWINGS HEAVY HORIZONTAL}",
    "\N{BOX DRAWINGS LIGHT HORIZONTAL}",
    "✓",
    "✗",
)
_PLAIN: Final = {_FULL: "=", _EMPTY: "-", _GOOD: "+", _BAD: "x", "…": ".", "~": "~"}
"""What stands for characters that a code page does not have."""


class _Part(NamedTuple):
    """A part of a line."""

    text: str
    rank: int
    """What has the highest is left out first; 0 never."""
    style: str = ""


def lines(calls: Sequence[CallProgress], *, width: int, height: int, encoding: str) -> list[Text]:
    """Return a line for each call, and one for all those that have no room.

    Args:
        calls: What they do.
        width: Columns of the terminal; one is left free, as a full line wraps on some.
        height: Lines that there is room for.
        encoding: Of the terminal.
    """
    shown = calls if len(calls) <= height else calls[: max(height - 1, 0)]
    rows = [line(progress, width=width, encoding=encoding) for progress in shown]
    if rest := len(calls) - len(shown):
        rows.append(_joined([_Part(f"and {rest} more", 0, "dim")], width, encoding))
    return rows[:height]


def line(progress: CallProgress, *, width: int, encoding: str) -> Text:
    """Return the line of one call."""
    parts = _ended(progress) if progress.phase == "done" else _running(progress)
    return _joined(parts, width, encoding)


def _running(progress: CallProgress) -> list[_Part]:
    parts = [_Part(progress.model or "call", 1, "bold")]
    if progress.caller:
        parts.append(_Part(progress.caller, 4))
    parts.append(_Part(doing(progress), 0, _STYLES[progress.phase]))
    if progress.percent is not None and progress.expected is not None and progress.tokens:
        is_ceiling = progress.expected.kind == "ceiling"
        if not is_ceiling:
            full = round(progress.percent / 100 * _BAR)
            parts.append(_Part(_FULL * full + _EMPTY * (_BAR - full), 7, "green"))
        of = {"said": "", "learned": f" of ~{span(progress.expected)}", "ceiling": " of max"}
        parts.append(_Part(f"{progress.percent:.0f} %{of[progress.expected.kind]}", 3))
    if progress.tokens:
        about = "" if progress.is_exact else ">~" if progress.hides_thinking else "~"
        parts.append(_Part(f"{about}{progress.tokens:,} tokens", 2))
    if progress.rate is not None:
        parts.append(_Part(f"{progress.rate:.0f}/s", 6, "dim"))
    if progress.eta is not None and progress.expected is not None:
        most = "<" if progress.expected.kind == "ceiling" else "~"
        parts.append(_Part(f"{most}{duration(progress.eta)} left", 3))
    parts.append(_Part(duration(progress.elapsed), 5, "dim"))
    return parts


def _ended(progress: CallProgress) -> list[_Part]:
    is_good = progress.status == "completed"
    parts = [_Part(_GOOD if is_good else _BAD, 0, "green" if is_good else "red")]
    parts.append(_Part(progress.model or "call", 1, "bold"))
    if progress.caller:
        parts.append(_Part(progress.caller, 4))
    parts.append(_Part(doing(progress), 0, "" if is_good else "red"))
    parts.append(_Part(f"{'' if progress.is_exact else '~'}{progress.tokens:,} tokens", 2))
    if progress.overall_rate is not None:
        parts.append(_Part(f"{progress.overall_rate:.0f}/s", 6, "dim"))
    if progress.attempts > 1:
        parts.append(_Part(f"{progress.attempts} attempts", 5))
    parts.append(_Part(duration(progress.elapsed), 3, "dim"))
    return parts


def _joined(parts: list[_Part], width: int, encoding: str) -> Text:
    """Join as many parts as have room, and cut what is left."""
    parts = [part._replace(text=_encodable(part.text, encoding)) for part in parts]
    room = max(width - 1, 1)
    while sum(cell_len(part.text) + 2 for part in parts) - 2 > room and len(parts) > 1:
        least = max(parts, key=lambda part: part.rank)
        if not least.rank:
            break
        parts.remove(least)
    text = Text(no_wrap=True, end="")
    for number, part in enumerate(parts):
        left = room - text.cell_len - 2 * bool(number)
        if left <= 0:
            break
        cut = part.text if cell_len(part.text) <= left else set_cell_size(part.text, left)
        text.append("  " * bool(number)).append(cut, part.style)
    return text


def _encodable(text: str, encoding: str) -> str:
    """Return a text of characters that `encoding` has, and that move no cursor."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    try:
        printable.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        plain = "".join(_PLAIN.get(character, character) for character in printable)
        return plain.encode("ascii", "replace").decode("ascii")
    return printable
