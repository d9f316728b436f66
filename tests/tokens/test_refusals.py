"""What a caller is told."""

import pickle
from datetime import UTC, datetime

from seawall import RequestRejectedError
from seawall.state import MemoryStore, StoreError
from seawall_tokens.budget import Budget
from seawall_tokens.refusals import exceeded, unchecked, unpriced, used_up
from seawall_tokens.spending import Share
from seawall_tokens.tariff import Tariff


def share_of(**budget):
    budget = Budget(**{"dollars": 50.0, "per": "day", "name": "nightly", **budget})
    share = Share(
        budget,
        title=budget.title("reports"),
        key="k",
        store=MemoryStore(),
        owner="a",
        window=budget.window(datetime(2026, 11, 25, 9, 30, tzinfo=UTC)),
        tariff=Tariff(0.12, 25e-6),
        possible=64_000,
    )
    share.booked, share.held = 0.12, 0.0123
    return share


def refused(share, held=0.0):
    return exceeded(
        share, {"window": share.window, "is_refused": True, "granted": 0, "spent": 49.9, "held": held}
    )


def test_a_refusal_tells_the_budget_what_is_spent_what_it_would_cost_the_limit_and_when_it_ends():
    error = refused(share_of(), held=0.05)
    assert str(error) == (
        "budget 'nightly' (50.00 dollars a day): of 50.00 dollars, 49.90 dollars are spent and 0.05 dollars "
        "held for running calls; this attempt would cost up to 0.12 dollars for its input, and 1.72 dollars "
        "with all the output it asks for. This day ends at 2026-11-26 00:00 UTC. Raise the limit, or send "
        "less."
    )
    assert (error.budget, error.unit, error.limit, error.spent, error.held) == (
        *("nightly", "dollars", 50.0, 49.9, 0.05),
    )
    assert error.at_most == 0.12 + 25e-6 * 64_000
    assert error.ends == datetime(2026, 11, 26, tzinfo=UTC)


def test_what_is_not_is_not_told():
    message = str(refused(share_of(per="total"), held=1e-17))
    assert "held" not in message
    assert "ends" not in message
    assert refused(share_of(per="total")).ends is None


def test_a_budget_without_a_name_is_called_by_what_it_is_and_whose():
    assert refused(share_of(name="")).budget == "'50.00 dollars a day'"
    assert refused(share_of(name="", caller="*")).budget == "'50.00 dollars a day' of caller 'reports'"


def test_a_refusal_can_be_pickled():
    error = pickle.loads(pickle.dumps(refused(share_of())))
    assert (error.spent, error.ends) == (49.9, datetime(2026, 11, 26, tzinfo=UTC))


def test_a_model_without_a_price_is_told_how_to_get_one():
    error = unpriced("'nightly'", "claude-next")
    assert isinstance(error, RequestRejectedError)
    assert "tokens.prices.'claude-next' = { input = …, output = … }" in str(error)


def test_a_store_that_fails_is_told_with_the_way_on():
    error = unchecked(share_of(), StoreError("redis:6379", "gone"))
    assert "'nightly' (50.00 dollars a day) cannot be checked: state store redis:6379: gone" in str(error)
    assert 'tokens.on_store_error = "open"' in str(error)


def test_a_stop_tells_what_was_spent_and_when_the_window_ends():
    assert used_up(share_of()) == (
        "budget 'nightly' (50.00 dollars a day) is used up: this attempt has spent about 0.1323 dollars, "
        "and no more of 50.00 dollars is left; this day ends at 2026-11-26 00:00 UTC"
    )
    assert "ends" not in used_up(share_of(per="call"))


def test_a_stop_since_the_store_fails_says_that():
    share = share_of()
    share.lose(is_open=False)
    assert "cannot be checked" in used_up(share)
