"""What people are told of rate limits, budgets and today's cost: that of calls made through the simulator."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from calls import MODEL, call, plugins
from seawall.description import describe
from seawall.registry import configured_store, load
from seawall.state import owners
from seawall_testkit import Limits, Simulator
from seawall_tokens import Tokens, TokensSettings, caller
from seawall_tokens.booking import BOOK
from seawall_tokens.budget import Budget
from seawall_tokens.organizations import Limits as Document
from seawall_tokens.panels import Panels

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
BUDGETS = [
    {"tokens": 1_000_000, "per": "day", "name": "all"},
    {"tokens": 500_000, "per": "total", "caller": "*"},
    {"tokens": 100_000, "per": "call"},
]


def told(state: Path, now: float | None = None, **settings: Any) -> dict[str, Any]:
    """The panels as another process that makes no call would tell them."""
    hooks = load(plugins=[Tokens(TokensSettings.model_validate({"budgets": BUDGETS, **settings}))])
    moment = datetime.now(UTC).timestamp() if now is None else now
    return {panel.title: panel for panel in describe(hooks, configured_store(), state, moment)}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEAWALL_STATE_DIR", str(tmp_path))
    return tmp_path


def send(simulator: Simulator, *callers: str) -> int:
    """Make calls; return the tokens that were billed."""
    for name in callers:
        enabled = [*plugins(), Tokens(TokensSettings.model_validate({"budgets": BUDGETS}))]
        with caller(name):
            call(simulator, "sync", "create", enabled, max_tokens=9_000)
    assert simulator.wait_until(lambda: not simulator.active_responses)
    return sum(sent.input_tokens + sent.output_tokens for sent in simulator.requests)


def test_what_calls_of_another_process_left_is_told(state):
    limits = Limits(rpm=6_000, itpm=6_000_000, otpm=600_000)
    with Simulator(limits=limits) as simulator:
        billed = send(simulator, "reports", "chat")
        panels = told(state)
    assert list(panels) == ["Rate limits", "Budgets", "Spent today (UTC)"]
    rates = {gauge.label: gauge for gauge in panels["Rate limits"].gauges}
    assert {label: gauge.limit for label, gauge in rates.items()} == {
        "opus-5.5: requests": 6_000,
        "opus-5.5: input tokens": 6_000_000,
        "opus-5.5: output tokens": 600_000,
    }
    assert all(gauge.left < gauge.limit and gauge.measures == "rate_limit" for gauge in rates.values())
    assert [list(row) for row in panels["Rate limits"].rows] == [["opus-5.5", 0, 0, None]]
    total, *of_callers = panels["Budgets"].gauges
    assert (total.left, total.limit, total.measures) == (1_000_000 - billed, 1_000_000, "budget")
    assert total.label == "'all' (1,000,000 tokens a day)"
    assert total.note.startswith("until ")
    assert [gauge.label.partition(" of ")[2] for gauge in of_callers] == ["caller 'chat'", "caller 'reports'"]
    assert sum(gauge.limit - gauge.left for gauge in of_callers) == billed
    (spent,) = panels["Spent today (UTC)"].rows
    named = dict(zip(panels["Spent today (UTC)"].columns, spent, strict=True))
    assert (named["model"], named["attempts"], named["input"] + named["output"]) == (MODEL, 2, billed)
    assert named["dollars"] > 0


def test_where_nothing_was_done_it_says_so(state):
    panels = told(state)
    assert (panels["Rate limits"].rows, panels["Spent today (UTC)"].rows) == ([], [])
    assert panels["Rate limits"].note == "No call was paced in the last minutes."
    assert panels["Spent today (UTC)"].note == "Nothing was spent today."
    (total,) = panels["Budgets"].gauges
    assert (total.left, panels["Budgets"].alert) == (1_000_000, "")


def test_what_is_switched_off_or_not_configured_has_no_panel(state):
    assert list(told(state, pace=False, budgets=[])) == ["Spent today (UTC)"]
    settings = TokensSettings.model_validate({"pace": False})
    assert Panels(settings).tell(configured_store(), None, NOON) == []


def test_a_budget_that_is_used_up_is_an_alert_and_what_is_held_is_not_left(state):
    budget = Budget.model_validate(BUDGETS[0])
    window = budget.window(datetime.fromtimestamp(NOON, UTC))
    entry = {"window": window, "spent": 600_000, "wanted": 400_000}
    entries = {owners.new_owner(): entry}
    configured_store().step(BOOK, key=budget.key(""), now=NOON, limit=budget.limit, entries=entries, dead=[])
    panel = told(state, NOON)["Budgets"]
    assert panel.gauges[0].left == 0
    assert panel.gauges[0].note == "400,000 tokens held for running calls, until 2026-11-29 00:00 UTC"
    assert panel.alert == "used up: 'all' (1,000,000 tokens a day)"
    assert told(state, NOON + 86_400)["Budgets"].gauges[0].left == 1_000_000


def test_a_ledger_that_cannot_be_read_is_an_alert_and_the_rest_is_told(state):
    (state / "ledger.sqlite").write_bytes(b"no ledger" * 999)
    panels = told(state)
    assert "cannot be read" in panels["Spent today (UTC)"].alert
    assert "Budgets" in panels


def test_the_ledger_is_read_again_after_some_seconds(state):
    panels = Panels(TokensSettings())
    store = configured_store()

    def rows(now: float) -> int:
        return len(panels.tell(store, state, now)[-1].rows)

    now = datetime.now(UTC).timestamp()
    assert rows(now) == 0
    with Simulator() as simulator:
        send(simulator, "chat")
    assert rows(now + 1) == 0
    assert rows(now + 6) == 1


def test_limits_that_nobody_uses_any_more_are_left_out(state):
    with Simulator(limits=Limits(rpm=100)) as simulator:
        send(simulator, "chat")
    assert told(state, datetime.now(UTC).timestamp() + 1_000)["Rate limits"].rows == []


def test_a_key_names_whose_limits_they_are():
    limits = Document("[::1]:8080", "org:1", "opus-5.5")
    assert Document.of(limits.key).key == limits.key
    assert Document.of("rate:127.0.0.1:80:abc:opus-5.5") == ("127.0.0.1:80", "abc", "opus-5.5")
