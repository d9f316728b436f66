"""How good the numbers are that progress tells: tokens while streaming, and the time that is left.

    uv run python benchmarks/progress.py [--recordings FOLDER]

The recordings are `exchanges-*.jsonl.gz` beside the project or in `SEAWALL_RECORDINGS`; each answer goes
through a protected client, event by event. The constants of the markup were fitted to the dev half.
The time left is told at half-way of answers that a simulator paces over a socket; its tokens have 3.8
characters, and are estimated at four.
"""

import argparse
import gzip
import json
import os
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import httpx2
from own_state import own_state

import seawall
import seawall_progress
from seawall_progress.running import RUNNING
from seawall_testkit import Simulator

_LEAST = 50
"""Tokens of the answers that count."""
_SUMMARISE = ("claude-sonnet-4-2", "claude-sonnet-5")
"""Models of the recordings that show a summary of their thinking."""

_WRITTEN = ("text", "thinking", "partial_json")


def main() -> None:
    """Replay, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[2] / "shared" / "data"
    default = Path(os.environ.get("SEAWALL_RECORDINGS") or beside)
    parser.add_argument("--recordings", type=Path, default=default)
    place: Path = parser.parse_args().recordings
    files = [place] if place.is_file() else sorted(place.glob("exchanges*.jsonl.gz"))
    for file in files:
        _tokens(file)
    if not files:
        print(f"no exchanges*.jsonl.gz in {place}: the tokens are not compared")
    print("\ntime left at half-way of a paced answer")
    for tokens, rate in ((600, 100.0), (900, 150.0), (200, 40.0)):
        _time_left(tokens, rate)


def _tokens(file: Path) -> None:
    errors: dict[str, list[float]] = defaultdict(list)
    for request, events in _answers(file):
        told, counted, way = _told(request, events)
        kind = _kind(events)
        errors[kind].append(abs(told - counted) / counted)
        if kind == "text" and way:
            errors["text, on its way"].append(
                max(abs(told - share * counted) / (share * counted) for share, told in way)
            )
    print(f"{file.name}, answers of {_LEAST} tokens and more, when all has come; on its way: at its worst")
    print(f"{'':<18}{'answers':>9}{'within 5 %':>12}{'mean error':>12}{'worst':>8}")
    for kind, found in sorted(errors.items()):
        share = statistics.mean(error <= 0.05 for error in found)
        print(f"{kind:<18}{len(found):>9}{share:>12.0%}{statistics.mean(found):>12.1%}{max(found):>8.0%}")


def _time_left(tokens: int, rate: float) -> None:
    told: list[tuple[float, float | None]] = []
    params = {"model": "claude-opus-5-5", "max_tokens": 8000, "messages": [{"role": "user", "content": "x"}]}

    def note(event: object) -> None:
        if isinstance(event, seawall_progress.Advanced):
            told.append((time.monotonic(), event.progress.eta))

    with (
        Simulator(answer_tokens=tokens, tokens_per_second=rate) as simulator,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare,
        seawall_progress.expect(tokens=tokens),
    ):
        client = seawall.protect(bare, plugins=["streaming", "progress"])
        began = time.monotonic()
        with seawall_progress.follow(note, every=0.1):
            client.messages.create(**params)
        ended = time.monotonic()
    now, eta = min(told, key=lambda one: abs(one[0] - (began + ended) / 2))
    if eta is None:
        print(f"{tokens} tokens, {rate:.0f} a second: nothing was told")
        return
    off = eta / (ended - now) - 1
    met = "met" if abs(off) <= 0.2 else "NOT MET"
    print(
        f"{tokens} tokens, {rate:.0f} a second: told {eta:.2f} s, was {ended - now:.2f} s, {off:+.1%}; {met}"
    )


def _answers(file: Path) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield each different streamed answer: its request, its events."""
    seen = set()
    for line in gzip.decompress(file.read_bytes()).splitlines():
        row = json.loads(line)
        if not row["sse"] or row["status"] != 200 or row["suspect"]:
            continue
        data = [line[6:] for line in row["response_body"].splitlines() if line.startswith("data: {")]
        events = [json.loads(text) for text in data]
        pieces = (event["delta"].get(key, "") for event in events if "delta" in event for key in _WRITTEN)
        identity = _counted(events), "".join(pieces)
        if _counted(events) >= _LEAST and identity not in seen:
            seen.add(identity)
            yield row["request"] if isinstance(row["request"], dict) else {}, events


def _counted(events: list[dict[str, Any]]) -> int:
    return next(event["usage"]["output_tokens"] for event in events if event["type"] == "message_delta")


def _kind(events: list[dict[str, Any]]) -> str:
    kinds = {event["content_block"]["type"] for event in events if event["type"] == "content_block_start"}
    is_summary = "thinking" in kinds and events[0]["message"]["model"].startswith(_SUMMARISE)
    if is_summary or kinds & {"redacted_thinking", "compaction", "advisor_tool_result"}:
        return "partly unseen"
    if kinds & {"server_tool_use", "mcp_tool_use"}:
        return "server tools"
    if "thinking" in kinds:
        return "thinking"
    return "tool input" if "tool_use" in kinds else "text"


def _told(request: dict[str, Any], events: list[dict[str, Any]]) -> tuple[int, int, list[tuple[float, int]]]:
    """Return the tokens told of an answer just before the API counts them, its count, and its way.

    That is, from 50 tokens on: the share of its text that had come, and the tokens told. The API counts once;
    what it would have counted before is that, shared out as the estimate counts the text in one piece.
    """
    frames = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    transport = httpx2.MockTransport(
        lambda _request: httpx2.Response(
            200, headers={"content-type": "text/event-stream"}, stream=_Body(frames)
        )
    )
    names = ("max_tokens", "tool_choice")
    params = {"max_tokens": 64_000, **{name: request[name] for name in names if name in request}}
    params |= {"model": events[0]["message"]["model"], "messages": [{"role": "user", "content": "x"}]}
    with httpx2.Client(transport=transport) as http:
        client = seawall.protect(anthropic.Anthropic(api_key="test", http_client=http), plugins=_PLUGINS)
        told, text, way = 0, "", []
        for event in client.messages.create(stream=True, **params):
            if event.type == "message_delta":
                break
            told = next(progress.tokens for progress in RUNNING.calls())
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
                way += [(text, told)] if told >= _LEAST else []
    count = partial(seawall.estimate_tokens, model=params["model"])
    return told, _counted(events), [(count(so_far) / count(text), told) for so_far, told in way]


_PLUGINS = ["streaming", "tokens", "progress"]


class _Body(httpx2.SyncByteStream):
    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._frames)


if __name__ == "__main__":
    # the models of the recordings are old
    warnings.simplefilter("ignore", DeprecationWarning)
    with own_state():
        main()
