"""Budgets by hand: what is booked before, while and after an attempt, and what is refused or stopped."""

import gc
import math
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from forks import forked
from seawall import Amend, Attempt, BudgetExceededError, Call, Reject, RequestRejectedError, Stop, Usage
from seawall.state import READ, MemoryStore, StoreError, leases
from seawall_tokens import Estimate
from seawall_tokens.budget import Budget
from seawall_tokens.budgets import Budgets
from seawall_tokens.prices import ModelPrice, Prices
from seawall_tokens.unseen import DENSITY

NOW = 1_790_000_000.0
MODEL = "claude-opus-5-5"
STREAMED = Amend(stream=True)


class Store(MemoryStore):
    """A store that fails when it is told to."""

    fails = False

    def step(self, step, /, *, key, **arguments):
        if self.fails:
            raise StoreError("there", "gone")
        return super().step(step, key=key, **arguments)


class Desk:
    """Calls against some budgets that estimate each request at 90 tokens, and 100 at most."""

    def __init__(self, *budgets, **settings):
        self.now = NOW
        self.store = Store()
        self.settings = [Budget(**budget) for budget in budgets]
        prices = Prices({MODEL: ModelPrice(input=1, output=2)})
        self.budgets = Budgets(
            self.settings,
            prices=prices,
            estimate=lambda params, caller: Estimate(90, 100),
            clock=lambda: self.now,
            **settings,
        )

    def call(self, max_tokens=10_000, model=MODEL):
        call = Call("1", {"model": model, "max_tokens": max_tokens}, stream=True, store=self.store)
        call.attempts.append(Attempt(1, "send"))
        return call

    def begun(self, caller="", **params):
        call = self.call(**params)
        assert self.budgets.reserve(call, caller) == STREAMED
        return call

    def write(self, call, characters):
        call.attempts[-1].written += characters
        return self.budgets.check(call)

    def end(self, call, events=9, **usage):
        call.attempts[-1].status, call.attempts[-1].events = 200, events
        call.attempts[-1].usage = Usage(**usage)
        self.budgets.settle(call)

    def spent(self, number=0, caller=""):
        return sum(self._document(number, caller).get("spent", {}).values())

    def held(self, number=0, caller=""):
        return sum(leases.held(self._document(number, caller)).values())

    def _document(self, number, caller):
        return MemoryStore.step(self.store, READ, key=self.settings[number].key(caller))


def per_day(tokens, **rest):
    return {"tokens": tokens, "per": "day", **rest}


def error_of(decision):
    assert isinstance(decision, Reject)
    return decision.error


def test_without_budgets_there_is_nothing_to_do():
    assert not Desk().budgets
    assert Desk().budgets.is_loaded
    assert Desk(per_day(1_000)).budgets


def test_prices_are_loaded_for_budgets_in_dollars_only():
    assert Desk(per_day(1_000)).budgets.is_loaded
    desk = Desk({"dollars": 1, "per": "day"})
    assert not desk.budgets.is_loaded
    desk.budgets.load()
    assert desk.budgets.is_loaded


def test_before_it_is_sent_the_most_the_input_can_be_is_booked_and_4096_tokens_are_held():
    desk = Desk(per_day(50_000))
    desk.begun()
    assert (desk.spent(), desk.held()) == (100, 4_096)


def test_a_call_that_asks_another_model_is_booked_at_the_price_of_that_one():
    desk, other = (Desk({"dollars": 1, "per": "day"}) for _ in range(2))
    call = desk.begun()
    held = desk.held()
    call.params = {**call.params, "model": "claude-sonnet-5-5"}
    assert desk.budgets.reserve(call, "") == STREAMED
    other.begun(model="claude-sonnet-5-5")
    assert (desk.spent(), desk.held()) == pytest.approx((other.spent(), other.held()))
    assert desk.held() != held


def test_asked_again_after_a_wait_it_books_nothing_more():
    desk = Desk(per_day(50_000))
    call = desk.begun()
    assert desk.budgets.reserve(call, "") == STREAMED
    assert (desk.spent(), desk.held()) == (100, 4_096)


def test_an_answer_that_ended_is_booked_as_the_api_counted_it():
    desk = Desk(per_day(50_000))
    call = desk.begun()
    for _ in range(2):
        desk.end(call, input_tokens=50, cache_read_input_tokens=20, output_tokens=7)
        assert (desk.spent(), desk.held()) == (77, 0)


def test_what_was_never_sent_costs_nothing():
    desk = Desk(per_day(50_000))
    call = desk.begun()
    desk.budgets.settle(call)
    assert (desk.spent(), desk.held()) == (0, 0)


def test_what_was_left_before_its_answer_came_costs_what_was_estimated():
    desk = Desk(per_day(50_000))
    call = desk.begun()
    call.attempts[-1].asked = MODEL
    desk.budgets.settle(call)
    assert (desk.spent(), desk.held()) == (90, 0)


@pytest.mark.parametrize("nonsense", [-5, math.nan, math.inf, None, "7"])
def test_an_answer_that_tells_no_counts_costs_what_was_estimated(nonsense):
    desk = Desk(per_day(50_000))
    call = desk.begun()
    desk.write(call, 800)
    desk.end(call, input_tokens=nonsense, output_tokens=nonsense)
    assert desk.spent() == 90 + math.ceil(800 * DENSITY)


def test_dollars_go_by_the_price():
    desk = Desk({"dollars": 1, "per": "day"})
    call = desk.begun()
    assert desk.spent() == pytest.approx(100e-6)
    assert desk.held() == pytest.approx(2 * 4_096e-6)
    desk.end(call, input_tokens=50, output_tokens=7)
    assert desk.spent() == pytest.approx(64e-6)


def test_a_model_without_a_price_is_refused_and_nothing_is_booked():
    desk = Desk({"dollars": 1, "per": "day"}, per_day(50_000))
    error = error_of(desk.budgets.reserve(desk.call(model="claude-next"), ""))
    assert isinstance(error, RequestRejectedError)
    assert (desk.spent(), desk.spent(1)) == (0, 0)


def test_a_call_is_refused_where_256_tokens_of_its_answer_do_not_fit():
    desk = Desk(per_day(355))
    error = error_of(desk.budgets.reserve(desk.call(), ""))
    assert isinstance(error, BudgetExceededError)
    assert (error.limit, error.spent, error.held, error.at_most) == (355, 0, 0, 10_100)
    assert (desk.spent(), desk.held()) == (0, 0)
    assert desk.begun(max_tokens=255)
    assert Desk(per_day(356)).begun()


def test_a_call_that_does_not_fit_into_one_budget_is_booked_in_none():
    desk = Desk(per_day(50_000), {"tokens": 200, "per": "total"}, {"tokens": 60_000, "per": "month"})
    assert "200 tokens in all" in str(error_of(desk.budgets.reserve(desk.call(), "")))
    assert [(desk.spent(number), desk.held(number)) for number in range(3)] == [(0, 0)] * 3


def test_only_budgets_that_apply_to_the_caller_count():
    desk = Desk(per_day(50_000, caller="a"), per_day(60_000, caller="*"), {"tokens": 70_000, "per": "caller"})
    desk.begun("a")
    desk.begun("b")
    assert desk.spent(0, "a") == 100
    assert [desk.spent(number, caller) for number in (1, 2) for caller in "ab"] == [100] * 4
    only = Desk(per_day(50_000, caller="a"))
    assert only.budgets.reserve(only.call(), "b") is None


def test_another_day_has_a_budget_of_its_own_and_a_call_stays_in_the_one_it_began_in():
    desk = Desk(per_day(400))
    call = desk.begun()
    assert error_of(desk.budgets.reserve(desk.call(), "")).ends.timestamp() > desk.now
    desk.now += 86_400
    desk.begun()
    desk.end(call, input_tokens=100, output_tokens=5)
    document = desk.store.step(READ, key=desk.settings[0].key(""))
    assert list(document["spent"].values()) == [105, 100]


def test_while_it_streams_what_it_wrote_is_booked_and_as_much_is_held_again():
    desk = Desk(per_day(50_000))
    call = desk.begun()
    assert desk.write(call, 1_000) is None
    desk.budgets.renew()
    assert (desk.spent(), desk.held()) == (100 + 360, 4_096)


def test_a_stream_that_wrote_all_that_is_left_is_stopped_with_the_reason():
    desk = Desk(per_day(600))
    call = desk.begun()
    assert desk.write(call, int(500 / DENSITY)) is None
    stop = desk.write(call, 1)
    assert isinstance(stop, Stop)
    assert "'600 tokens a day' is used up" in stop.reason


def test_a_stream_goes_on_when_others_gave_back_what_they_held():
    desk = Desk(per_day(6_000))
    other, call = desk.begun(), desk.begun()
    assert desk.held() == 6_000 - 200
    desk.end(other, input_tokens=100, output_tokens=10)
    desk.budgets.renew()
    assert desk.write(call, 5_000) is None
    assert desk.held() == 4_096


def test_a_call_that_ended_is_renewed_no_more_and_one_that_was_dropped_neither():
    desk = Desk(per_day(50_000))
    desk.end(desk.begun(), input_tokens=1)
    dropped = desk.begun()
    del dropped
    gc.collect()
    before = desk.store.step(READ, key=desk.settings[0].key(""))
    desk.budgets.renew()
    assert desk.store.step(READ, key=desk.settings[0].key("")) == before


def test_a_budget_per_call_is_for_all_its_attempts_and_for_no_other_call():
    desk = Desk({"tokens": 1_000, "per": "call"})
    call = desk.begun()
    desk.end(call, input_tokens=100, output_tokens=600)
    call.attempts.append(Attempt(2, "restart"))
    error = error_of(desk.budgets.reserve(call, ""))
    assert error.spent == 700
    desk.begun()


def test_the_attempt_before_is_settled_before_the_next_one_is_booked():
    desk = Desk(per_day(50_000))
    call = desk.begun()
    call.attempts[0].status, call.attempts[0].usage = 200, Usage(input_tokens=80, output_tokens=400)
    call.attempts.append(Attempt(2, "restart"))
    assert desk.budgets.reserve(call, "") == STREAMED
    assert (desk.spent(), desk.held()) == (480 + 100, 4_096)


def test_a_continuation_sends_what_there_is_and_asks_for_the_rest():
    desk = Desk(per_day(50_000))
    call = desk.begun(max_tokens=1_000)
    desk.end(call, input_tokens=80, output_tokens=400)
    call.attempts.append(Attempt(2, "prefill", kept=400))
    desk.budgets.reserve(call, "")
    assert (desk.spent(), desk.held()) == (480 + 500, 600)


def test_a_continuation_asks_for_256_tokens_at_least():
    desk = Desk(per_day(50_000))
    call = desk.begun(max_tokens=1_000)
    desk.end(call, input_tokens=80, output_tokens=990)
    call.attempts.append(Attempt(2, "prefill", kept=990))
    desk.budgets.reserve(call, "")
    assert desk.held() == 256


def test_a_store_that_fails_refuses_and_books_nothing_elsewhere():
    desk = Desk({"tokens": 5_000, "per": "call"}, per_day(50_000))
    desk.store.fails = True
    error = error_of(desk.budgets.reserve(desk.call(), ""))
    assert isinstance(error, RequestRejectedError)
    assert "cannot be checked" in str(error)
    desk.store.fails = False
    assert (desk.spent(1), desk.held(1)) == (0, 0)


def test_where_the_setting_is_open_calls_go_on_and_are_booked_when_the_store_is_back():
    desk = Desk(per_day(50_000), on_store_error="open")
    desk.store.fails = True
    call = desk.begun()
    assert desk.write(call, 200_000) is None
    desk.budgets.renew()
    desk.end(call, input_tokens=100, output_tokens=900)
    desk.store.fails = False
    desk.end(desk.begun(), input_tokens=10, output_tokens=10)
    assert (desk.spent(), desk.held()) == (1_020, 0)


def test_a_stream_whose_store_fails_goes_to_the_end_of_what_is_held_and_is_stopped():
    desk = Desk(per_day(50_000))
    call = desk.begun()
    desk.store.fails = True
    desk.budgets.renew()
    assert desk.write(call, int(4_096 / DENSITY)) is None
    assert "cannot be checked" in desk.write(call, 2).reason


def test_a_stream_whose_store_is_back_goes_on():
    desk = Desk(per_day(50_000))
    call = desk.begun()
    desk.store.fails = True
    desk.budgets.renew()
    desk.store.fails = False
    desk.budgets.renew()
    assert desk.write(call, int(4_096 / DENSITY) + 1) is None


def test_what_an_answer_had_unseen_is_held_for_the_next_one_besides():
    desk = Desk(per_day(50_000), {"tokens": 50_000, "per": "call"})
    call = desk.begun()
    desk.write(call, 1_000)
    desk.end(call, input_tokens=100, output_tokens=2_360)
    desk.begun()
    assert desk.held() == 4_096 + 2_000
    # one call shares with nobody
    assert call.state[desk.budgets].own != {}


def test_a_call_is_refused_where_what_it_may_have_unseen_does_not_fit():
    desk = Desk(per_day(5_000))
    desk.end(desk.begun(), input_tokens=100, output_tokens=2_500)
    assert isinstance(error_of(desk.budgets.reserve(desk.call(), "")), BudgetExceededError)
    desk.begun(max_tokens=2_000)


def test_of_counts_that_are_estimated_and_of_answers_that_were_not_streamed_nothing_is_learned():
    desk = Desk(per_day(50_000))
    desk.end(desk.begun(), input_tokens=1, output_tokens=5_000, is_estimated=True)
    desk.end(desk.begun(), events=0, input_tokens=1, output_tokens=5_000)
    desk.begun()
    assert desk.held() == 4_096


def test_sixteen_threads_never_pass_a_budget():
    desk, start = Desk(per_day(20_000)), threading.Barrier(16)
    really, lock = [0], threading.Lock()

    def work(_):
        start.wait()
        while True:
            call = desk.call()
            if isinstance(desk.budgets.reserve(call, ""), Reject):
                return
            for _ in range(10):
                if desk.write(call, 120):
                    break
                desk.budgets.renew()
            tokens = call.attempts[-1].written // 4
            with lock:
                really[0] += 100 + tokens
            desk.end(call, input_tokens=100, output_tokens=tokens)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert desk.held() == 0
    assert desk.spent() == pytest.approx(really[0])
    assert 19_000 < really[0] <= 20_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_leaves_the_calls_of_its_parent_to_it():
    desk = Desk(per_day(50_000))
    call = desk.begun()
    with warnings.catch_warnings():
        # newer Pythons warn of forks beside threads
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(desk.budgets.reserve(desk.call(), "") != STREAMED or desk.held() != 2 * 4_096)
    assert os.waitpid(child, 0)[1] == 0
    desk.end(call, input_tokens=1)
    assert (desk.spent(), desk.held()) == (1, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("spends", [False, True])
def test_a_forked_child_that_leaves_a_call_of_its_parent_books_nothing_of_it(spends):
    desk = Desk(per_day(50_000))
    call = desk.begun()

    def leave() -> bool:
        if spends:
            desk.end(desk.begun(), input_tokens=1)
        before = desk.spent(), desk.held()
        desk.end(call, input_tokens=70, output_tokens=700)
        return (desk.spent(), desk.held()) == before

    assert os.waitpid(forked(leave), 0)[1] == 0
