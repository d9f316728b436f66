"""What a journal tells of the attempts of earlier processes."""

from collections.abc import Iterable

from seawall import EarlierAttempt
from seawall_files.records import Kind, Record


def earlier_attempts(records: Iterable[Record]) -> list[EarlierAttempt]:
    """Return the attempts of which anything came, in order.

    Raises:
        ValueError: The records are whole, but not in this order or not those of attempts.
    """
    found: list[tuple[str, str, list[bytes]]] = []
    for record in records:
        if record.kind is Kind.ATTEMPT:
            said = record.object()
            way = said.get("way")
            if way not in ("send", "restart", "prefill", "user_turn"):
                raise ValueError(f"an attempt goes {way!r}, which is no way that is known")
            found.append((way, str(said.get("asked", "")), []))
        elif record.kind is Kind.FRAMES:
            if not found:
                raise ValueError("frames come before the first attempt")
            found[-1][2].append(record.payload)
    return [EarlierAttempt(way, frames, asked) for way, asked, frames in found if frames]  # type: ignore[arg-type] # checked above
