"""What a budget is: its windows, whom it applies to, what it is called."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from seawall_tokens import TokensSettings
from seawall_tokens.budget import Budget

NOW = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("per", "window", "ends"),
    [
        ("hour", "2026-12-31T23", NEW_YEAR),
        ("day", "2026-12-31", NEW_YEAR),
        ("month", "2026-12", NEW_YEAR),
        ("total", "always", None),
        ("caller", "always", None),
        ("call", "always", None),
    ],
)
def test_a_window_is_one_of_the_calendar_in_utc(per, window, ends):
    budget = Budget(dollars=1, per=per)
    assert budget.window(NOW) == window
    assert budget.ends(window) == ends


@pytest.mark.parametrize("month", range(1, 13))
def test_a_month_ends_when_the_next_one_begins(month):
    budget = Budget(dollars=1, per="month")
    start = datetime(2028, month, 1, tzinfo=UTC)
    following = datetime(2028 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    assert budget.ends(budget.window(start)) == following


@pytest.mark.parametrize("per", ["hour", "day", "month"])
def test_names_of_windows_sort_as_the_windows_follow(per):
    budget = Budget(dollars=1, per=per)
    moments = [datetime(2026, 9, 30, 9, tzinfo=UTC), datetime(2026, 10, 9, 10, tzinfo=UTC), NOW, NEW_YEAR]
    windows = [budget.window(moment) for moment in moments]
    assert windows == sorted(windows)


def test_a_budget_is_for_all_callers_for_one_or_for_each():
    everybody, one = Budget(dollars=1, per="day"), Budget(dollars=1, per="day", caller="a")
    each, own = Budget(dollars=1, per="day", caller="*"), Budget(dollars=1, per="caller")
    assert [one.applies_to(caller) for caller in ("a", "b", "")] == [True, False, False]
    for budget in (everybody, each, own):
        assert all(budget.applies_to(caller) for caller in ("a", "b", ""))
    assert everybody.key("a") == everybody.key("b") != one.key("a") == one.key("b")
    assert each.key("a") != each.key("b")
    assert own.key("a") != own.key("b")
    assert len({budget.key("a") for budget in (everybody, one, each, own)}) == 4


def test_what_was_spent_is_kept_when_the_limit_is_changed_and_apart_for_another_name():
    budget = Budget(dollars=1, per="day")
    assert budget.key("") == Budget(dollars=2, per="day").key("")
    others = [
        Budget(dollars=1, per="day", name="x"),
        Budget(tokens=1, per="day"),
        Budget(dollars=1, per="hour"),
    ]
    assert budget.key("") not in {other.key("") for other in others}


def test_a_caller_of_any_name_has_a_key():
    assert Budget(dollars=1, per="caller").key("\ud800🌊|\n").encode()


@pytest.mark.parametrize(
    ("settings", "caller", "title"),
    [
        ({"dollars": 50.0, "per": "day"}, "x", "'50.00 dollars a day'"),
        ({"dollars": 0.05, "per": "hour"}, "x", "'0.05 dollars an hour'"),
        ({"tokens": 2_000_000, "per": "total", "name": "night"}, "x", "'night' (2,000,000 tokens in all)"),
        ({"tokens": 1, "per": "caller"}, "x", "'1 tokens a caller' of caller 'x'"),
        ({"dollars": 3, "per": "month", "caller": "*"}, "", "'3.00 dollars a month' of caller ''"),
        ({"dollars": 3, "per": "call"}, "", "'3.00 dollars a call'"),
    ],
)
def test_its_title_says_how_much_in_which_time_and_whose(settings, caller, title):
    assert Budget(**settings).title(caller) == title


@pytest.mark.parametrize(
    ("dollars", "said"),
    [
        (0, "0.00 dollars"),
        (50, "50.00 dollars"),
        (49.9991, "49.9991 dollars"),
        (1234.5, "1,234.50 dollars"),
        (0.004, "0.004 dollars"),
        (0.0000125, "0.0000125 dollars"),
    ],
)
def test_amounts_are_written_as_money_and_not_rounded_to_what_they_are_not(dollars, said):
    assert Budget(dollars=1, per="day").amount(dollars) == said


@pytest.mark.parametrize(
    "wrong",
    [
        {"per": "day"},
        {"per": "day", "dollars": 1, "tokens": 1},
        {"dollars": 1},
        {"per": "week", "dollars": 1},
        {"per": "day", "dollars": 0},
        {"per": "day", "dollars": float("nan")},
        {"per": "day", "dollars": float("inf")},
        {"per": "day", "tokens": -1},
        {"per": "day", "tokens": 1.5},
        {"per": "day", "tokens": 1, "unknown": 1},
    ],
)
def test_a_budget_that_is_none_is_refused(wrong):
    with pytest.raises(ValidationError):
        Budget(**wrong)


def test_two_budgets_that_differ_in_the_limit_only_are_refused_and_named():
    day = {"dollars": 1, "per": "day"}
    with pytest.raises(ValidationError, match="budgets 0 and 2 differ in nothing but the limit"):
        TokensSettings.model_validate({"budgets": [day, {**day, "per": "hour"}, {**day, "dollars": 2}]})
    TokensSettings.model_validate({"budgets": [day, {**day, "name": "other"}, {**day, "caller": "a"}]})
