"""How long the server asks to wait.

`retry-after-ms` in milliseconds, else `retry-after` in seconds or as an HTTP date: RFC 9110, section 10.2.3.
"""

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after(error: Exception, *, clock: Callable[[], float] = time.time) -> float:  # noqa: TID251 - a default
    """Return the seconds the response behind `error` asks to wait; 0 when it asks in no known form."""
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", {})
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if (seconds := _number(headers.get(name))) is not None:
            return seconds * unit
    return max(0.0, _date(headers.get("retry-after")) - clock())


def _number(value: str | None) -> float | None:
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _date(value: str | None) -> float:
    try:
        moment = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return 0.0
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
