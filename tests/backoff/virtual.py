"""Calls in virtual time: the engine with the plugins of several processes, and an API that a test writes."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2

from seawall import Call, Offload
from seawall.engine import Engine
from seawall.hooks import Hooks
from seawall.registry import manager_of
from seawall.state import MemoryStore
from seawall.steps import Abandoned, Accepted, Send, Sleep
from seawall_backoff import Backoff, BackoffSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

REQUEST = httpx2.Request("POST", "http://api/v1/messages")
FINE = Accepted(httpx2.Response(200, request=REQUEST), 200, b'{"type": "message"}')


def answered(status: int, kind: str = "x", **headers: str) -> anthropic.APIStatusError:
    """The SDK's error for an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx2.Response(status, headers=named, request=REQUEST)
    body = {"type": "error", "error": {"type": kind, "message": "m"}}
    return {429: anthropic.RateLimitError, 529: anthropic.OverloadedError}.get(
        status, anthropic.APIStatusError
    )("m", response=response, body=body)


@dataclass
class Sent:
    """One attempt as the API saw it."""

    at: float
    call: Call
    process: int
    send: Send


@dataclass
class World:
    """Runs calls of several processes in virtual time."""

    processes: int = 1
    settings: dict[str, Any] = field(default_factory=dict)
    api: Callable[[Sent], Any] = lambda _: FINE
    """What an attempt comes to: `Accepted` or an error, or a pair of it and the seconds it takes."""
    store: Any = field(default_factory=MemoryStore)
    now: float = 1_000_000.0
    sent: list[Sent] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plugins = [
            Backoff(
                BackoffSettings(**self.settings),
                rng=random.Random(number),
                clock=self.clock,
                wall_clock=self.clock,
            )
            for number in range(self.processes)
        ]
        self._order = itertools.count()
        self._due: list[Any] = []

    def clock(self) -> float:
        return self.now

    def start(self, after: float = 0.0, process: int = 0, **options: Any) -> dict[str, Any]:
        """Have a call begin; returns what becomes of it."""
        ended: dict[str, Any] = {}
        self._push(after, self._perform(ended, process, options))
        return ended

    def run(self, seconds: float = math.inf) -> None:
        """Let time pass, or all calls end."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, process = heapq.heappop(self._due)
            pause = next(process, None)
            if pause is not None:
                self._push(pause, process)
        self.now = max(self.now, end if seconds < math.inf else self.now)

    def close(self) -> None:
        """Have the calls abandoned that have not ended."""
        for _, _, process in self._due:
            process.close()
        self._due = []

    def call(self, process: int = 0, **options: Any) -> dict[str, Any]:
        """Make one call and wait until it has ended."""
        ended = self.start(0.0, process, **options)
        self.run()
        return ended

    def _push(self, after: float, process: Generator[float, None, None]) -> None:
        heapq.heappush(self._due, (self.now + after, next(self._order), process))

    def _perform(
        self, ended: dict[str, Any], process: int, options: dict[str, Any]
    ) -> Generator[float, None, None]:
        options = {"model": "claude-opus-5-5", "host": "api", "deadline": math.inf, "also": (), **options}
        moment = self.now + options["deadline"]
        call = Call(
            id="c",
            params={"model": options["model"], "max_tokens": 9, "messages": [], **options.get("params", {})},
            stream=options.get("stream", False),
            host=options["host"],
            store=self.store,
            remaining=lambda: moment - self.now,
        )
        ended["call"] = call
        named = {"backoff": self.plugins[process], **{plugin.name: plugin for plugin in options["also"]}}
        steps, heard = Engine(call, Hooks.of(manager_of(named))).run(), None
        try:
            while True:
                step, heard = steps.send(heard), None
                match step:
                    case Sleep(seconds):
                        self.slept.append(seconds)
                        yield seconds
                    case Offload(work):
                        heard = work()
                    case Send():
                        self.sent.append(Sent(self.now, call, process, step))
                        found = self.api(self.sent[-1])
                        heard, seconds = found if isinstance(found, tuple) else (found, 0.0)
                        yield seconds
        except StopIteration:
            ended |= {"at": self.now, "error": None}
        except GeneratorExit as left:
            with suppress(StopIteration, Abandoned):
                step = steps.throw(Abandoned(left))
                while True:
                    step = steps.send(step.work() if isinstance(step, Offload) else None)
        except Exception as error:  # noqa: BLE001 - a test looks at it
            ended |= {"at": self.now, "error": error}
