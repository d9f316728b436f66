"""Recorded answers of the real API, fed to the hooks: are the tokens told near those it counted?"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from statistics import mean
from typing import Any

import pytest

from progress.followed import KEYS, Followed
from recordings import needs_recordings, recordings
from seawall_tokens import Estimator

ESTIMATOR = Estimator()
SUMMARISE = ("claude-sonnet-4-2", "claude-sonnet-5")
"""Models of the recordings that show a summary of their thinking."""

pytestmark = needs_recordings


@dataclass
class Told:
    """What was told of one answer."""

    last: int = 0
    """Tokens, just before the API told its count."""
    counted: int = 0
    way: list[tuple[float, int]] = field(default_factory=list)
    """From 50 tokens on: the tokens of the text so far, counted in one piece; those told."""

    @property
    def error(self) -> float:
        return abs(self.last - self.counted) / self.counted


def kind_of(events: list[dict[str, Any]]) -> str:
    """What an answer is made of; `unseen`: part of what was counted is not shown."""
    model = events[0]["message"]["model"]
    kinds = {event["content_block"]["type"] for event in events if event["type"] == "content_block_start"}
    if kinds & {"redacted_thinking", "compaction", "advisor_tool_result"}:
        return "unseen"
    if "thinking" in kinds and model.startswith(SUMMARISE):
        return "unseen"
    if kinds & {"server_tool_use", "mcp_tool_use"}:
        return "server tools"
    if "thinking" in kinds:
        return "thinking"
    return "tool input" if "tool_use" in kinds else "text"


def told_of(request: Any, events: list[dict[str, Any]], *, is_text: bool) -> Told:
    names = ("max_tokens", "tool_choice") if isinstance(request, dict) else ()
    model = events[0]["message"]["model"]
    params = {"model": model, **{name: request[name] for name in names if name in request}}
    call, told, text = Followed(params=params), Told(), ""
    call.call.estimate = lambda text: ESTIMATOR.estimate_text(text, model)
    call.attempt()
    for event in events:
        if event["type"] == "message_delta":
            told.last, told.counted = call.now.tokens, event["usage"]["output_tokens"]
        call.event(**{"kind": event["type"], **{key: event[key] for key in event if key != "type"}})
        piece = next((event["delta"][key] for key in KEYS.values() if key in event.get("delta", ())), "")
        call.call.attempts[-1].written += len(piece)
        text += piece
        if is_text and piece and call.call.attempts[-1].events % 8 == 0 and (tokens := call.now.tokens) >= 50:
            told.way.append((call.call.estimate(text), tokens))
    told.way = [(count / call.call.estimate(text), tokens) for count, tokens in told.way]
    return told


@cache
def answers() -> dict[str, list[Told]]:
    """What was told of each different streamed answer of 50 tokens and more, by kind."""
    found: dict[str, list[Told]] = defaultdict(list)
    seen = set()
    for row in recordings():
        if not row["sse"] or row["status"] != 200 or row["suspect"]:
            continue
        data = [line[6:] for line in row["response_body"].splitlines() if line.startswith("data: {")]
        events = [json.loads(text) for text in data]
        counted = next(
            event["usage"]["output_tokens"] for event in events if event["type"] == "message_delta"
        )
        pieces = (
            event["delta"].get(key, "") for event in events if "delta" in event for key in KEYS.values()
        )
        identity = counted, "".join(pieces)
        if counted >= 50 and identity not in seen:
            seen.add(identity)
            kind = kind_of(events)
            found[kind].append(told_of(row["request"], events, is_text=kind == "text"))
    return found


@pytest.mark.parametrize(
    ("kind", "share", "error"),
    [
        ("text", 0.9, 0.025),
        ("tool input", 0.9, 0.02),
        ("server tools", 0.9, 0.04),
        ("thinking", 0.8, 0.03),
    ],
)
def test_what_is_told_when_all_has_come_is_near_what_the_api_counts(kind, share, error):
    """So many of the answers of a kind within 5 %, and the mean error of all of them.

    The constants of the markup are of answers that were not streamed. Fits without a repository, tried on
    its answers, have 91, 94, 92 and 86 % of them within 5 %.
    """
    told = answers()[kind]
    assert len(told) >= 5
    assert mean(one.error <= 0.05 for one in told) >= share, [(one.last, one.counted) for one in told]
    assert mean(one.error for one in told) <= error


def test_text_stays_near_the_count_from_50_tokens_on():
    """The API counts once; what it would have counted before is that, shared out as the tokenizer counts."""
    told = [one for one in answers()["text"] if one.way]
    assert len(told) >= 20
    worst = [max(abs(tokens / (share * one.counted) - 1) for share, tokens in one.way) for one in told]
    assert mean(error <= 0.05 for error in worst) >= 0.7, worst
    assert max(worst) <= 0.11


def test_of_what_is_not_shown_no_more_is_told_than_the_api_counts():
    assert all(one.last <= 1.15 * one.counted for one in answers()["unseen"])
    assert mean(one.error for one in answers()["unseen"]) > 0.1, "it can be estimated: say so in the docs"
