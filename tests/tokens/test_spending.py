"""How far an attempt may go with what is held for it."""

import math
from datetime import UTC, datetime

import pytest

from seawall import Attempt
from seawall.state import MemoryStore
from seawall_tokens.budget import Budget
from seawall_tokens.spending import AHEAD, LEAST, Share, Spending
from seawall_tokens.tariff import Tariff
from seawall_tokens.unseen import DENSITY


def share_of(possible=64_000, *, input_tokens=1_000.0, per_token=2.0, unseen=0.0):
    return Share(
        Budget(tokens=1_000_000, per="day"),
        title="'it'",
        key="k",
        store=MemoryStore(),
        owner="a",
        window="w",
        tariff=Tariff(input_tokens, per_token),
        possible=possible,
        unseen=unseen,
    )


def booked(granted, *, window="w"):
    return {"window": window, "is_refused": False, "granted": granted, "spent": 0, "held": 0}


def begun(granted=None, **share):
    share = share_of(**share)
    entry = share.first_entry()
    share.take(entry, booked(entry["wanted"] if granted is None else granted))
    return share


def spending_of(*shares, written=0):
    spending = Spending(
        Attempt(1, "send", written=written),
        model="claude-opus-5-5",
        at=datetime(2026, 11, 25, tzinfo=UTC),
        expected_input=0,
        most_input=0,
        possible=0,
        own={},
        shares=list(shares),
    )
    spending.set_marks()
    return spending


def test_at_first_the_input_is_booked_and_a_part_of_the_output_is_held():
    assert share_of().first_entry() == {
        "window": "w",
        "spent": 1_000,
        "wanted": 2 * AHEAD,
        "least": 2 * LEAST,
    }


def test_no_more_is_asked_for_than_the_answer_can_have():
    assert share_of(100).first_entry() == {"window": "w", "spent": 1_000, "wanted": 200, "least": 200}
    assert share_of(0).first_entry()["wanted"] == 0


def test_what_was_written_is_booked_and_as_much_as_before_is_held_again():
    share = begun()
    assert share.entry(500) == {"window": "w", "spent": 1_000, "wanted": 2 * AHEAD}
    share.take(share.entry(500), booked(2 * AHEAD))
    assert share.entry(500)["spent"] == 0
    assert share.entry(63_000)["wanted"] == 2 * 1_000


def test_nothing_is_given_back_while_it_runs_and_no_more_is_booked_than_it_can_cost():
    share = begun()
    share.take(share.entry(500), booked(2 * AHEAD))
    assert share.entry(100)["spent"] == 0
    assert share.entry(10**9)["spent"] == share.at_most - share.booked
    assert share.entry(10**9)["wanted"] == 0


def test_at_the_end_what_it_cost_takes_the_place_of_what_was_booked():
    share = begun()
    assert share.last_entry(800) == {"window": "w", "spent": -200, "wanted": 0}


def test_it_may_write_what_is_held():
    assert begun().allowed == AHEAD
    assert begun(granted=600).allowed == 300
    assert begun(granted=600).is_last
    assert not begun().is_last


def test_what_it_may_have_unseen_is_held_besides_and_it_is_refused_where_that_does_not_fit():
    entry = share_of(unseen=10_000).first_entry()
    assert (entry["wanted"], entry["least"]) == (2 * (AHEAD + 10_000), 2 * (LEAST + 10_000))
    assert share_of(2_000, unseen=10_000).first_entry()["least"] == 2 * 2_000
    assert begun(unseen=10_000).allowed == AHEAD
    assert begun(unseen=10_000, granted=2 * 10_256).allowed == LEAST


@pytest.mark.parametrize(
    "share", [begun(possible=3_000), begun(possible=0), begun(per_token=0.0)], ids=["all", "none", "free"]
)
def test_what_can_cost_no_more_than_is_held_has_no_end(share):
    assert share.allowed == math.inf
    assert not share.is_last


def test_where_the_store_fails_it_goes_to_the_end_of_what_is_held_or_on():
    share = begun()
    share.lose(is_open=False)
    assert (share.allowed, share.is_last, share.is_lost) == (AHEAD, True, True)
    share.lose(is_open=True)
    assert (share.allowed, share.is_last) == (math.inf, False)
    share.take(share.entry(0), booked(2 * AHEAD))
    assert (share.allowed, share.is_last, share.is_lost) == (AHEAD, False, False)


def test_where_it_was_booked_is_where_it_is_booked_from_then_on():
    share = share_of()
    share.take(share.first_entry(), booked(0, window="w2"))
    assert share.entry(5)["window"] == "w2"


def test_more_is_held_when_half_of_it_is_written():
    spending = spending_of(begun(), written=1_000)
    assert spending.mark == (1_000 + AHEAD / DENSITY) / 2
    assert spending.stop_at == math.inf


def test_it_stops_at_the_end_of_what_is_held_when_there_is_no_more():
    spending = spending_of(begun(granted=600))
    assert spending.mark == spending.stop_at == 300 / DENSITY


def test_the_budget_that_allows_the_least_decides():
    most, least = begun(granted=900), begun(granted=600)
    spending = spending_of(begun(), most, least)
    assert spending.stop_at == 300 / DENSITY
    assert spending.last_share() is least
    assert spending_of(begun()).last_share() is None


def test_an_attempt_of_no_budget_has_no_mark():
    assert spending_of().mark == math.inf
