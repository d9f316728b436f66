"""What the terminal shows of calls, in any width and encoding."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from seawall_progress import CallProgress, Expected
from seawall_progress.screen import line, lines

WRITING = CallProgress(
    call="c1",
    model="claude-opus-5-5",
    caller="reports",
    phase="writing",
    reason="",
    status="",
    elapsed=58.0,
    in_phase=40.0,
    wait_left=None,
    tokens=3612,
    is_exact=False,
    hides_thinking=False,
    rate=61.0,
    overall_rate=60.0,
    first_token=1.2,
    longest_gap=0.8,
    silent=0.1,
    percent=45.2,
    eta=72.0,
    expected=Expected(8000, "said"),
    attempts=1,
    continuations=0,
)
WAITING: dict[str, Any] = {"phase": "waiting", "rate": None, "percent": None, "eta": None, "tokens": 0}


def shown(progress: CallProgress, *, width: int = 120, encoding: str = "utf-8") -> str:
    return line(progress, width=width, encoding=encoding).plain


def test_a_line_tells_who_does_what_how_far_how_fast_and_for_how_long():
    assert shown(WRITING) == (
        "claude-opus-5-5  reports  writing  ━━━━━━━─────────  45 %  ~3,612 tokens  61/s"
        "  ~1 min 12 s left  58 s"
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {**WAITING, "reason": "attempt 2 failed (OverloadedError)", "wait_left": 12.0},
            "claude-opus-5-5  reports  waiting 12 s: attempt 2 failed (OverloadedError)  58 s",
        ),
        (
            {"expected": Expected(64000, "ceiling"), "percent": 5.6, "rate": None},
            "claude-opus-5-5  reports  writing  6 % of max  ~3,612 tokens  <1 min 12 s left  58 s",
        ),
        (
            {"phase": "thinking", "hides_thinking": True, "percent": None, "rate": None, "eta": None},
            "claude-opus-5-5  reports  thinking  >~3,612 tokens  58 s",
        ),
        (
            {"phase": "done", "status": "completed", "is_exact": True, "elapsed": 131.0, "attempts": 3},
            "✓  claude-opus-5-5  reports  completed  3,612 tokens  60/s  3 attempts  2 min 11 s",
        ),
        (
            {"phase": "done", "status": "failed", "reason": "OverloadedError", "overall_rate": None},
            "✗  claude-opus-5-5  reports  failed (OverloadedError)  ~3,612 tokens  58 s",
        ),
    ],
)
def test_each_phase_is_told_by_what_matters_in_it(changes, text):
    assert shown(replace(WRITING, **changes)) == text


def test_the_narrower_the_terminal_the_less_is_told():
    assert shown(WRITING, width=60) == "claude-opus-5-5  writing  ~3,612 tokens  ~1 min 12 s left"
    assert shown(WRITING, width=50) == "claude-opus-5-5  writing  ~3,612 tokens"
    assert shown(WRITING, width=30) == "claude-opus-5-5  writing"
    assert shown(WRITING, width=15) == "writing"
    assert shown(WRITING, width=5) == "writ"
    assert shown(WRITING, width=1) == "w"


def test_calls_without_room_are_counted():
    calls = [replace(WRITING, call=str(number), model=f"m{number}") for number in range(9)]
    assert [row.plain.split()[0] for row in lines(calls, width=80, height=4, encoding="utf-8")] == [
        "m0",
        "m1",
        "m2",
        "and",
    ]
    assert lines(calls, width=80, height=4, encoding="utf-8")[-1].plain == "and 6 more"
    assert len(lines(calls, width=80, height=9, encoding="utf-8")) == 9
    assert len(lines(calls, width=80, height=1, encoding="utf-8")) == 1


words = st.text(max_size=30) | st.sampled_from(["\x1b[2J", "a\nb", "\r", "日本語" * 9, "é", "\ud800"])


@given(
    st.integers(1, 200),
    st.sampled_from(["utf-8", "cp1252", "cp437", "cp932", "ascii", "no such"]),
    st.tuples(words, words, words),
    st.sampled_from(["writing", "waiting", "done", "stalled", "queued"]),
)
def test_a_line_has_room_can_be_encoded_and_moves_no_cursor(width, encoding, said, phase):
    model, caller, reason = said
    text = line(
        replace(WRITING, model=model, caller=caller, reason=reason, phase=phase, status="failed"),
        width=width,
        encoding=encoding,
    )
    assert text.cell_len <= max(width - 1, 1)
    assert text.plain.isprintable()
    text.plain.encode("ascii" if encoding == "no such" else encoding)
