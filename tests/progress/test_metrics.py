"""The metrics of calls: what OpenTelemetry's own SDK was told, against the ledger and the simulator."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from calls import MODEL, SURFACES, call, plugins
from seawall import Attempt, Call, Chunk, Gauge, Outcome, Panel, Usage, Wait
from seawall_progress import Progress, ProgressSettings
from seawall_progress.instruments import OTHER, Known
from seawall_testkit import Fault, Limits, Simulator
from seawall_tokens import Tokens, TokensSettings
from seawall_tokens.report import read
from seawall_tokens.rows import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CACHED = [{"type": "text", "text": "Be brief. " * 3_000, "cache_control": {"type": "ephemeral"}}]
THOUGHTFUL = {
    "system": CACHED,
    "thinking": {"type": "enabled", "budget_tokens": 2_000},
    "model": "claude-opus-4-5",
}
SCRIPT: list[tuple[list[Fault], list[dict[str, Any]]]] = [
    ([], [{}]),
    ([Fault("status", 1, status=529), Fault("eof", 2, event=100), Fault("fin", 3, event=60)], [{}]),
    ([Fault("eof", 1, event=80)], [THOUGHTFUL, THOUGHTFUL]),
    ([Fault("eof", 1, event=30), Fault("status", 2, status=403)], [{}]),
]
"""Calls that succeed, are retried and continued, think and cache, and fail for good."""


class Told:
    """What a reader has been told."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        metrics = (
            [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []
        )
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]

    def sums(self, name: str, by: str) -> dict[Any, float]:
        sums: defaultdict[Any, float] = defaultdict(float)
        for point in self.points(name):
            sums[point.attributes.get(by)] += getattr(point, "value", None) or getattr(point, "sum", 0)
        return dict(sums)

    def counts(self, name: str, by: str) -> dict[Any, int]:
        counts: defaultdict[Any, int] = defaultdict(int)
        for point in self.points(name):
            counts[point.attributes.get(by)] += point.count
        return dict(counts)


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    yield told
    told.provider.shutdown()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEAWALL_STATE_DIR", str(tmp_path))
    return tmp_path / FILE


@pytest.mark.parametrize(("mode", "surface"), [SURFACES[0], SURFACES[-2]])
def test_the_metrics_of_all_kinds_of_calls_are_the_sums_of_the_ledger(mode, surface, told, ledger):
    enabled = [*plugins(), Tokens(TokensSettings()), Progress(meter_provider=told.provider)]
    sent = broken = continued = 0
    calls = [params for _, several in SCRIPT for params in several]
    for faults, several in SCRIPT:
        with Simulator(faults=faults, answer_tokens=800) as simulator:
            for params in several:
                with suppress(anthropic.APIError):
                    call(simulator, mode, surface, enabled, **params)
            assert simulator.wait_until(lambda simulator=simulator: not simulator.active_responses)
            sent += len(simulator.requests)
            continued += sum(len(request.body["messages"]) > 1 for request in simulator.requests)
            broken += sum(
                request.status == 200 and request.ended != "complete" for request in simulator.requests
            )
    report = read(ledger)
    totals = report.totals
    assert totals.attempts == sent
    assert min(totals.thinking_tokens, totals.cache_read_tokens, totals.cache_write_tokens) > 0
    cached = totals.cache_read_tokens + totals.cache_write_tokens
    assert told.sums("gen_ai.client.token.usage", "gen_ai.token.type") == {
        "input": totals.input_tokens + cached,
        "output": totals.output_tokens,
    }
    by_model = {
        model: s.input_tokens + s.cache_read_tokens + s.cache_write_tokens + s.output_tokens
        for model, s in report.rows
    }
    assert told.sums("gen_ai.client.token.usage", "gen_ai.request.model") == by_model
    assert told.sums("seawall.tokens.cached", "seawall.cache.operation") == {
        "read": totals.cache_read_tokens,
        "write": totals.cache_write_tokens,
    }
    assert sum(told.sums("seawall.tokens.thinking", "-").values()) == totals.thinking_tokens
    assert sum(told.sums("seawall.tokens.wasted", "-").values()) == totals.wasted_output_tokens > 0
    assert sum(told.sums("seawall.retries", "-").values()) == totals.attempts - len(calls)
    assert sum(told.sums("seawall.continuations", "-").values()) == continued >= broken > 0
    assert told.counts("gen_ai.client.operation.duration", "error.type") == {
        None: 4,
        "PermissionDeniedError": 1,
    }


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Followed:
    """One call, hook by hook."""

    def __init__(self, told: Told | None, **given: Any) -> None:
        self.clock = Clock()
        provider = None if told is None else told.provider
        self.plugin = Progress(
            ProgressSettings(**given.pop("settings", {})), clock=self.clock, meter_provider=provider
        )
        self.call = Call(
            **{"id": "c", "params": {"model": MODEL}, "stream": True, "host": "[::1]:8080", **given}
        )

    def send(self) -> Attempt:
        number = self.call.attempt + 1
        self.call.attempts.append(
            Attempt(number, "send" if number == 1 else "restart", asked=self.call.model)
        )
        self.plugin.pre_request(self.call)
        return self.call.attempts[-1]

    def later(self, seconds: float) -> None:
        self.clock.now += seconds

    def delta(self, kind: str = "content_block_delta") -> None:
        self.plugin.on_chunk(self.call, Chunk(kind, {}, b""))

    def accept(self) -> None:
        self.call.attempts[-1].status = 200
        self.plugin.on_accept(self.call)

    def fail(self, error: Exception) -> None:
        self.call.attempts[-1].error = error
        self.plugin.on_error(self.call)

    def end(self, status: Any = "completed", error: Exception | None = None) -> None:
        self.plugin.post_response(self.call, Outcome(status, tuple(self.call.attempts), error=error))


def test_times_are_those_of_the_call_with_its_waits_in_them(told):
    followed = Followed(told)
    followed.send()
    followed.plugin.on_wait(followed.call, Wait(1, "why"))
    followed.later(2)
    followed.plugin.pre_request(followed.call)
    followed.later(3)
    followed.accept()
    for kind in ("message_start", "ping", "content_block_delta"):
        followed.delta(kind)
    followed.later(0.5)
    followed.delta()
    followed.later(1)
    followed.fail(ValueError())
    followed.plugin.on_wait(followed.call, Wait(1, "why"))
    followed.later(10)
    followed.send()
    followed.accept()
    followed.delta()
    followed.end()
    assert told.sums("gen_ai.client.operation.time_to_first_chunk", "-") == {None: 5}
    assert told.sums("gen_ai.client.operation.time_per_output_chunk", "-") == {None: 0.5 + 11}
    assert told.counts("gen_ai.client.operation.time_per_output_chunk", "-") == {None: 2}
    assert told.sums("seawall.wait.duration", "seawall.wait.kind") == {"admission": 2, "retry": 10}
    assert told.sums("gen_ai.client.operation.duration", "-") == {None: 16.5}
    assert told.sums("seawall.retries", "error.type") == {"ValueError": 1}


def test_a_wait_with_another_reason_goes_on_with_the_one_before(told):
    followed = Followed(told)
    followed.call.attempts.append(Attempt(1, "send"))
    followed.plugin.on_wait(followed.call, Wait(1, "why"))
    followed.later(2)
    followed.plugin.on_wait(followed.call, Wait(1, "why"))
    followed.later(2)
    followed.end("abandoned")
    assert told.counts("seawall.wait.duration", "seawall.wait.kind") == {"admission": 1}
    assert told.sums("seawall.wait.duration", "seawall.wait.kind") == {"admission": 4}


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("completed", None, None),
        ("failed", KeyError("secret"), "KeyError"),
        ("stopped", ValueError(), "ValueError"),
        ("abandoned", None, "abandoned"),
    ],
)
def test_how_a_call_ended_is_its_error_type(status, error, expected, told):
    followed = Followed(told)
    followed.send()
    followed.accept()
    followed.end(status, error)
    assert told.counts("gen_ai.client.operation.duration", "error.type") == {expected: 1}


def test_attributes_are_names_of_the_conventions(told):
    followed = Followed(told, provider="aws.bedrock")
    attempt = followed.send()
    attempt.model, attempt.usage = f"{MODEL}-20261101", Usage(10, 20)
    followed.accept()
    followed.end()
    output, _ = sorted(
        (dict(point.attributes) for point in told.points("gen_ai.client.token.usage")),
        key=lambda attributes: attributes["gen_ai.token.type"],
        reverse=True,
    )
    assert output == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": f"{MODEL}-20261101",
        "gen_ai.token.type": "output",
        "server.address": "::1",
        "server.port": 8080,
    }


def test_tokens_are_told_of_the_model_that_was_asked(told):
    followed = Followed(told)
    first = followed.send()
    first.usage = Usage(10, 20)
    followed.fail(ValueError())
    followed.call.params = {"model": "claude-haiku-4-5"}
    followed.send().usage = Usage(1, 2)
    followed.end()
    assert told.sums("gen_ai.client.token.usage", "gen_ai.request.model") == {
        MODEL: 30,
        "claude-haiku-4-5": 3,
    }
    assert told.sums("seawall.tokens.wasted", "gen_ai.request.model") == {MODEL: 20}


def test_two_clients_of_one_process_are_told_together(told):
    for _ in range(2):
        followed = Followed(told)
        followed.send()
        followed.later(1)
        followed.end()
    assert told.sums("gen_ai.client.operation.duration", "-") == {None: 2}
    assert len(told.points("gen_ai.client.operation.duration")) == 1


def test_what_is_left_is_that_of_all_plugins_when_it_is_looked_at(told):
    left = {"all": 3.0, "reports": -1.0}
    followed = [Followed(told) for _ in left]
    for (label, amount), one in zip(left.items(), followed, strict=True):
        gauges = [
            Gauge(label, amount, 10, "dollars", measures="budget"),
            Gauge("opus", 7, 9, "requests", measures="rate_limit"),
            Gauge("disk", 1, 2, "bytes"),
        ]
        one.call.describe = lambda now, gauges=gauges: [Panel("p", gauges=gauges)]
        one.send()
    assert told.sums("seawall.budget.left", "seawall.budget.name") == left
    assert told.sums("seawall.rate_limit.left", "seawall.rate_limit.unit") == {"requests": 7}
    del one, followed[0]
    gc.collect()
    assert told.sums("seawall.budget.left", "seawall.budget.name") == {"reports": -1.0}


def test_budgets_and_rate_limits_are_told_as_their_plugin_knows_them(told, ledger):
    budgets = [{"tokens": 1_000_000, "per": "day", "name": "all"}]
    tokens = Tokens(TokensSettings.model_validate({"budgets": budgets}))
    enabled = [*plugins(), tokens, Progress(meter_provider=told.provider)]
    with Simulator(limits=Limits(rpm=6_000, itpm=6_000_000, otpm=600_000)) as simulator:
        got = call(simulator, "sync", "create", enabled)
    spent = got.message.usage.input_tokens + got.message.usage.output_tokens
    (left,) = told.sums("seawall.budget.left", "seawall.budget.unit").items()
    assert left == ("tokens", 1_000_000 - spent)
    assert len(told.points("seawall.rate_limit.left")) == 3


def test_more_values_than_anyone_looks_at_are_one():
    known = Known(2)
    assert [known(value) for value in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER, "a", OTHER]


@pytest.mark.parametrize(
    ("attribute", "of"),
    [
        ("server.address", lambda number: {"host": f"host{number}.example:8080"}),
        ("gen_ai.request.model", lambda number: {"params": {"model": f"model-{number}"}}),
    ],
)
def test_the_values_of_all_clients_of_a_process_are_bounded_together(attribute, of, told):
    for number in range(66):
        followed = Followed(told, **of(number))
        followed.send()
        followed.end()
    counts = told.counts("gen_ai.client.operation.duration", attribute)
    assert len(counts) == 65
    assert counts[OTHER] == 2


def test_nothing_is_told_when_it_is_switched_off(told):
    followed = Followed(told, settings={"metrics": False})
    followed.send()
    followed.accept()
    followed.end()
    assert told.points("gen_ai.client.operation.duration") == []


def test_a_provider_is_told_of_calls_that_begin_after_it_was_set(told, monkeypatch):
    def use(provider):
        monkeypatch.setattr("opentelemetry.metrics.get_meter_provider", lambda: provider)

    use(NoOpMeterProvider())
    running, later = Followed(None), Followed(None)
    running.send()
    running.fail(ValueError())
    use(told.provider)
    running.send()
    running.end()
    assert told.points("gen_ai.client.operation.duration") == []
    later.send()
    later.end()
    assert len(told.points("gen_ai.client.operation.duration")) == 1


UNCONFIGURED = """
import sys
import seawall
from seawall.call import Attempt, Call, Chunk
from seawall_progress import Progress
call, progress = Call("c", {}, True), Progress()
call.attempts.append(Attempt(1, "send"))
progress.pre_request(call)
assert "opentelemetry" not in sys.modules, "it was imported"
import opentelemetry.metrics
progress.pre_request(call)
progress.on_chunk(call, Chunk("content_block_delta", {}, b""))
assert not any(type(memory).__module__.endswith("metrics") for memory in call.state.values())
"""


def test_without_an_sdk_nothing_is_imported_and_nothing_remembered():
    subprocess.run([sys.executable, "-W", "error", "-c", UNCONFIGURED], check=True, timeout=60)
