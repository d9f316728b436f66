"""How long the headers of a response ask to wait.

`retry-after-ms` in milliseconds, else `retry-after` in seconds or as an HTTP date: RFC 9110, section 10.2.3.
"""

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return how long a response asks to wait.

    Args:
        headers: Of the response; their names in lower case, as in `Attempt.headers`, or in any case, as in
            those of httpx2.
        now: What a date is compared with; seconds since 1970.

    Returns:
        Seconds from 0 on, for a date that has passed 0; `None` when it asks in no known form.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if (seconds := _number(headers.get(name, ""))) is not None:
            return seconds * unit
    date = _date(headers.get("retry-after", ""))
    return None if date is None else max(0.0, date - now)


def _number(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _date(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
