"""What the server asks to wait, in every form it is written in."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx2
import pytest
from hypothesis import given, strategies as st

from seawall import retry_after

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC).timestamp()


def seconds(**headers: str) -> float | None:
    """What is read from these headers at noon, of a response and of an attempt."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = [(name.title().encode(), value.encode("latin-1")) for name, value in named.items()]
    asked = retry_after(httpx2.Headers(raw), now=NOW)
    assert retry_after(named, now=NOW) == asked
    return asked


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("1e3", 1000.0),
        ("86400", 86400.0),
        ("1e300", 1e300),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e999", None),
        ("", None),
        ("soon", None),
        ("7 seconds", None),
        ("7,5", None),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sunday, 22-Nov-26 12:00:30 GMT", 30.0),
        ("Sun Nov 22 12:00:30 2026", 30.0),
        ("Sun, 22 Nov 2026 13:00:30 +0100", 30.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("Sun, 22 Nov 2026 12:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 11:59:59 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Sun, 32 Nov 2026 12:00:30 GMT", None),
        ("Sun, 22 Nov 99999999999 12:00:30 GMT", None),
        ("Sun, 22 Nov 2026 12:00:30 +9999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, expected: float | None) -> None:
    assert seconds(retry_after=value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1500", 1.5), ("0", 0.0), ("0.5", 0.0005), ("-5", None), ("nan", None), ("inf", None), ("soon", None)],
)
def test_retry_after_ms_is_milliseconds(value: str, expected: float | None) -> None:
    assert seconds(retry_after_ms=value) == expected


def test_milliseconds_go_before_seconds() -> None:
    assert seconds(retry_after_ms="1500", retry_after="9") == 1.5


def test_zero_milliseconds_are_an_answer() -> None:
    assert seconds(retry_after_ms="0", retry_after="9") == 0


@pytest.mark.parametrize("value", ["-5", "nan", "soon", "", "Sun, 22 Nov 2026 12:00:30 GMT"])
def test_seconds_are_read_where_milliseconds_are_no_number(value: str) -> None:
    assert seconds(retry_after_ms=value, retry_after="9") == 9


def test_who_does_not_ask_is_not_waited_for() -> None:
    assert seconds() is None


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 - Hypothesis takes naive bounds
def test_a_date_is_waited_for_and_never_backwards(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    asked = seconds(retry_after=format_datetime(moment, usegmt=True))
    assert asked == max(0.0, moment.timestamp() - NOW)


words = st.sampled_from(
    [
        "Sun,",
        "22",
        "Nov",
        "2026",
        "12:00:30",
        "GMT",
        "+9999",
        "-0000",
        "9" * 12,
        "0",
        "-1",
        ",",
        "(",
        '"',
        "é",
    ]
)
garbage = st.one_of(
    st.lists(words, max_size=8).map(" ".join), st.text(st.characters(codec="latin-1"), max_size=40)
)


@given(garbage.filter(lambda text: not set(text) & set("\r\n\0")))
def test_garbage_is_a_finite_time_and_never_an_error(text: str) -> None:
    for name in ("retry_after", "retry_after_ms"):
        asked = seconds(**{name: text})
        assert asked is None or (asked >= 0 and math.isfinite(asked))
