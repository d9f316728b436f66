"""What protection costs: thread CPU time per event of a stream, protected and bare, interleaved in one run.

    uv run python benchmarks/overhead.py [--events 4000] [--rounds 12]

The body is served from memory, so that only the SDK and Seawall are measured. The minimum of the rounds is
printed: on a shared machine the rest is noise.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import anthropic
import httpx2
from arguments import at_least
from own_state import own_state

import seawall
from seawall.call import Call
from seawall.state import open_store
from seawall_progress import Progress
from seawall_progress.display import Display
from seawall_progress.publisher import Publisher
from seawall_progress.running import RUNNING
from seawall_progress.terminal import Terminal

_START = {
    "type": "message_start",
    "message": {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1},
    },
}
_PARAMS = {
    "model": "claude-opus-5-5",
    "max_tokens": 64_000,
    "messages": [{"role": "user", "content": "Write."}],
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=at_least(1), default=4000, help="text deltas of the stream")
    parser.add_argument("--rounds", type=at_least(1), default=12)
    options = parser.parse_args()
    frames = _frames(options.events)
    _publishing()
    for batch in (1, 16):
        bare, protected, without, followed, shown = _clients(frames, batch)
        cases = {
            "bare create(stream=True)": lambda bare=bare: _drain(bare),
            "protected create(stream=True)": lambda protected=protected: _drain(protected),
            "all but progress": lambda without=without: _drain(without),
            "and progress, nobody looks": lambda followed=followed: _drain(followed),
            "and progress, on a terminal": lambda shown=shown: _drain(shown),
            "bare stream().get_final_message()": lambda bare=bare: _final(bare),
            "protected create(), enforced": lambda protected=protected: protected.messages.create(**_PARAMS),
        }
        best = _measured(cases, options.rounds)
        print(f"\n{batch} events a chunk{'us/event':>38}")
        for name, seconds in best.items():
            print(f"{name:<40}{seconds / options.events * 1e6:>10.2f}")
        extra = (
            (best["protected create(stream=True)"] - best["bare create(stream=True)"]) / options.events * 1e6
        )
        for case in ("and progress, nobody looks", "and progress, on a terminal"):
            adds = (best[case] - best["all but progress"]) / options.events * 1e6
            print(
                f"{case}: {adds:.2f} us/event; over bare: {best[case] / best['bare create(stream=True)']:.2f}"
            )
        share = best["protected create(), enforced"] / best["bare stream().get_final_message()"]
        print(
            f"added to a stream: {extra:.2f} us/event; enforced create over get_final_message(): {share:.2f}"
        )


def _publishing() -> None:
    """Print what it costs to ask whether anybody watches, as a thread does once a second while calls run."""
    with open_store("sqlite") as store:
        call = Call(id="c", params={}, stream=True, store=store)
        publisher = Publisher(RUNNING.calls, interval=3600.0)
        publisher.follow(call)
        best = float("inf")
        for _ in range(300):
            began = time.thread_time()
            publisher.tell()
            best = min(best, time.thread_time() - began)
        publisher.leave(call)
    told = ", ".join(f"{best / rate * 1e6:.2f} us/event at {rate} events a second" for rate in (50, 500))
    print(f"\nnobody watches, asked once a second: {best * 1e6:.0f} us; {told}")


def _frames(events: int) -> list[bytes]:
    delta = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "sixteen letters "},
    }
    events_ = [
        _START,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *[delta] * events,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": events}},
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events_]


class _Body(httpx2.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> object:
        return iter(self._chunks)


def _clients(frames: list[bytes], batch: int) -> tuple[anthropic.Anthropic, ...]:
    chunks = [b"".join(frames[start : start + batch]) for start in range(0, len(frames), batch)]
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(
        lambda _request: httpx2.Response(200, headers=headers, stream=_Body(chunks))
    )
    bare = anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=transport), timeout=600.0)
    return bare, seawall.protect(bare), *_followed(bare)


def _followed(bare: anthropic.Anthropic) -> list[anthropic.Anthropic]:
    """Return clients without the progress plugin, with it, and with it and a terminal that is shown."""
    rest = ["streaming", "backoff", "tokens", "files"]
    shown = Progress(terminal=_Shown())
    plugins = (rest, [*rest, Progress()], [*rest, shown])
    return [seawall.protect(bare, plugins=several) for several in plugins]


class _Shown(Terminal):
    """A terminal that nobody sees."""

    def shown(self, *_args: object, **_options: object) -> Display:
        return Display(Path(os.devnull).open("w", encoding="utf-8"))


def _drain(client: anthropic.Anthropic) -> None:
    for _ in client.messages.create(stream=True, **_PARAMS):
        pass


def _final(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**_PARAMS) as stream:
        stream.get_final_message()


def _measured(cases: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(rounds):
        for name, case in cases.items():
            began = time.thread_time()
            case()
            best[name] = min(best[name], time.thread_time() - began)
    return best


if __name__ == "__main__":
    with own_state():
        main()
