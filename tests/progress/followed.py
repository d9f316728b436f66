"""Calls that a `Progress` follows, told of by hand, on a clock that is set."""

import logging
from typing import Any

from seawall.call import Attempt, Call, Chunk, Outcome, Usage
from seawall.decisions import Wait
from seawall_progress import CallProgress, Event, Progress, ProgressSettings
from seawall_progress.running import Running

SECRET = "the content of the call"
KEYS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class Clock:
    """Tells the time it is given."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Ears:
    """Keeps what it hears."""

    def __init__(self, period: float = 1.0) -> None:
        self.period = period
        self.is_open = True
        self.events: list[Event] = []

    def hear(self, event: Event) -> None:
        self.events.append(event)

    @property
    def told(self) -> list[str]:
        return [f"{type(event).__name__} {event.progress.phase}" for event in self.events]


class Followed:
    """One call. Several may share a plugin; nothing looks by itself: `tick` it."""

    def __init__(self, other: "Followed | None" = None, *, call_id: str = "c", **options: Any) -> None:
        params = {"model": "claude-opus-5-5", "system": SECRET, **options.pop("params", {})}
        self.clock = other.clock if other else Clock()
        self.running = other.running if other else Running(self.clock, spawn=lambda _: None)
        settings = ProgressSettings(**options)
        self.plugin = other.plugin if other else Progress(settings, clock=self.clock, running=self.running)
        self.call = Call(id=call_id, params=params, stream=True)
        self.call.estimate = lambda text: len(text.split())

    def wait(self, seconds: float, reason: str) -> None:
        self.plugin.on_wait(self.call, Wait(seconds, reason))

    def attempt(self, way: Any = "send") -> None:
        self.call.attempts.append(Attempt(len(self.call.attempts) + 1, way))
        self.plugin.pre_request(self.call)

    def fail(self, error: Exception, *, tokens: int = 0) -> None:
        self.call.attempts[-1].error = error
        self.call.attempts[-1].usage = Usage(output_tokens=tokens, is_estimated=True)
        self.plugin.on_error(self.call)

    def event(self, kind: str, **event: Any) -> None:
        self.plugin.on_chunk(self.call, Chunk(kind, event, SECRET.encode()))
        self.call.attempts[-1].events += 1

    def block(self, kind: Any, **block: Any) -> None:
        if not self.call.attempts[-1].events:
            self.event("message_start", message={})
        self.event("content_block_start", index=0, content_block={"type": kind, "text": SECRET, **block})

    def delta(self, text: str, kind: str = "text_delta") -> None:
        self.event("content_block_delta", delta={"type": kind, KEYS[kind]: text})
        self.call.attempts[-1].written += len(text)

    def close(self) -> None:
        self.event("content_block_stop", index=0)

    def generate(self, seconds: int, *, per_second: int, kind: str = "text_delta") -> None:
        """Generate so many tokens each second, of one word each."""
        for _ in range(seconds):
            self.clock.now += 1
            self.delta(("abc " * per_second), kind)

    def end(self, status: Any = "completed", *, tokens: int | None = None, error: Any = None) -> Any:
        if tokens is not None:
            self.call.attempts[-1].usage = Usage(output_tokens=tokens)
        attempts = tuple(self.call.attempts)
        outcome = Outcome(status, attempts, {"content": SECRET}, error)
        return self.plugin.post_response(self.call, outcome)

    @property
    def now(self) -> CallProgress:
        return next(progress for progress in self.running.calls() if progress.call == self.call.id)


def lines(records: list[logging.LogRecord]) -> list[str]:
    """What the log says, without the name of the call."""
    return [record.getMessage().removeprefix("call c: ") for record in records]
