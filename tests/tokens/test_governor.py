"""The governor with a clock that is set by hand: who waits, who is refused, what is given back."""

import os
import random
import threading

import pytest

from forks import forked
from seawall import RequestRejectedError, Wait
from seawall.call import Attempt, Call, Usage
from seawall.decisions import Reject
from seawall.state import READ, MemoryStore, RedisStore, StoreError, leases
from seawall_tokens.callers import Caller
from seawall_tokens.governor import Governor
from seawall_tokens.prefixes import cached_prefix
from seawall_tokens.settings import TokensSettings

LIMITS = {"claude": {"requests": 60, "input_tokens": 60_000, "output_tokens": 6_000}}
HEADERS = {
    "anthropic-ratelimit-input-tokens-limit": "600000",
    "anthropic-ratelimit-input-tokens-remaining": "20000",
    "anthropic-organization-id": "org",
}
KEY = "rate:api:account:opus-5.5"


class World:
    """A governor, its store and its clock."""

    def __init__(self, *, store=None, **settings):
        self.now = 0.0
        self.store = store or MemoryStore()
        settings = TokensSettings(**{"limits": LIMITS, **settings})
        self.governor = Governor(settings, clock=lambda: self.now, rng=random.Random(1), interval=None)

    def call(self, max_tokens=100, model="claude-opus-5-5", **params):
        params = {"model": model, "max_tokens": max_tokens, "messages": [], **params}
        call = Call("1", params, stream=True, host="api", account="account", store=self.store)
        call.attempts.append(Attempt(1, "send"))
        return call

    def admit(self, call, tokens=1_000, caller=""):
        return self.governor.admit(call, Caller(caller), input_tokens=tokens)

    def warm(self):
        """Let the ramp pass, so that buckets are full."""
        for self.now in range(0, 200, 40):
            ended = self.call()
            self.admit(ended, 1)
            self.governor.settle(ended)

    def document(self, key=KEY):
        return self.store.step(READ, key=key)


@pytest.fixture
def world():
    world = World()
    world.warm()
    return world


def test_an_attempt_goes_when_there_is_room_and_once_admitted_it_stays_so(world):
    call = world.call()
    assert world.admit(call) is None
    before = world.document()
    assert world.admit(call) is None
    assert world.document() == before


def test_one_that_finds_no_room_is_told_for_how_long_and_why(world):
    assert world.admit(world.call(), 58_000) is None
    late = world.call()
    decision = world.admit(late)
    assert isinstance(decision, Wait)
    assert decision.reason == "input tokens per minute"
    world.now += decision.seconds
    assert world.admit(late) is None


def test_what_an_attempt_did_not_use_comes_back(world):
    call = world.call()
    world.admit(call, 30_000)
    call.attempts[-1].status = 200
    call.attempts[-1].usage = Usage(input_tokens=1_000, cache_creation_input_tokens=500, output_tokens=40)
    world.governor.settle(call)
    document = world.document()
    assert document["levels"]["input"] == pytest.approx(58_500, abs=2)
    assert document["levels"]["output"] == pytest.approx(5_960, abs=2)
    assert not leases.owners(document)


def test_one_that_was_never_sent_costs_nothing(world):
    before = world.document()["levels"]
    call = world.call()
    world.admit(call, 30_000)
    world.governor.settle(call)
    assert world.document()["levels"] == pytest.approx(before)


def test_one_that_was_left_before_its_answer_came_costs_what_it_was_estimated(world):
    call = world.call()
    world.admit(call, 30_000)
    call.attempts[-1].asked = call.model
    world.governor.settle(call)
    assert world.document()["levels"]["input"] == pytest.approx(30_000, abs=2)
    assert world.document()["levels"]["requests"] == pytest.approx(59, abs=0.1)


def test_one_that_broke_without_an_answer_costs_what_it_was_estimated(world):
    call = world.call()
    world.admit(call, 30_000)
    call.attempts[-1].error = ConnectionError()
    world.governor.settle(call)
    assert world.document()["levels"]["input"] == pytest.approx(30_000, abs=2)


@pytest.mark.parametrize("bad", [-5, -(10**18)])
def test_a_usage_that_cannot_be_does_not_fill_a_bucket(world, bad):
    call = world.call()
    world.admit(call, 30_000)
    call.attempts[-1].status = 200
    call.attempts[-1].usage = Usage(input_tokens=bad, output_tokens=bad)
    world.governor.settle(call)
    levels = world.document()["levels"]
    assert levels["input"] <= 60_000
    assert levels["output"] <= 6_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_that_leaves_a_call_of_its_parent_gives_nothing_of_it_back(world):
    call = world.call()
    world.admit(call, 30_000)
    call.attempts[-1].status = 200
    call.attempts[-1].usage = Usage(input_tokens=10_000, output_tokens=10)
    before = world.document()

    def leave():
        world.governor.settle(call)
        return world.document() == before

    assert os.waitpid(forked(leave), 0)[1] == 0


def test_a_stream_drains_the_bucket_as_it_writes(world):
    call = world.call(max_tokens=2_000)
    world.admit(call)
    call.attempts[-1].written = 3_500
    world.governor.report()
    document = world.document()
    assert document["levels"]["output"] == pytest.approx(5_000, abs=2)
    assert leases.held(document)["streams"] == 1
    world.governor.report()
    assert world.document()["levels"]["output"] == pytest.approx(5_000, abs=2)


def test_what_a_stream_drained_beyond_what_the_api_counted_comes_back(world):
    before = world.document()["levels"]["output"]
    call = world.call(max_tokens=2_000)
    world.admit(call)
    call.attempts[-1].written = 3_500
    world.governor.report()
    call.attempts[-1].status = 200
    call.attempts[-1].usage = Usage(input_tokens=1_000, output_tokens=700)
    world.governor.settle(call)
    assert world.document()["levels"]["output"] == pytest.approx(before - 700)


def test_what_the_answer_says_of_the_limits_holds_for_all(world):
    call = world.call()
    world.admit(call)
    call.attempts[-1].status, call.attempts[-1].headers = 200, HEADERS
    world.governor.report()
    assert world.document()["levels"]["input"] == pytest.approx(20_000)


def test_two_keys_of_one_organization_share_its_limits(world):
    for account in ("account", "another"):
        call = world.call()
        call.account = account
        world.admit(call)
        call.attempts[-1].status, call.attempts[-1].headers = 200, HEADERS
        world.governor.settle(call)
    assert not leases.owners(world.document())
    last = world.call()
    last.account = "another"
    world.admit(last)
    assert leases.owners(world.document())


def test_another_workspace_of_an_organization_has_limits_of_its_own(world):
    for account, workspace in (("account", "reports"), ("another", "chat"), ("third", "chat")):
        call = world.call()
        call.account = account
        world.admit(call)
        headers = {**HEADERS, "anthropic-workspace-id": workspace}
        call.attempts[-1].status, call.attempts[-1].headers = 200, headers
        world.governor.settle(call)
    last = world.call()
    last.account = "third"
    world.admit(last)
    assert not leases.owners(world.document())
    assert leases.owners(world.document("rate:api:another:opus-5.5"))


def test_what_runs_when_an_answer_tells_the_organization_still_counts():
    world = World(max_concurrent=2)
    first, second, third = (world.call() for _ in range(3))
    assert (world.admit(first), world.admit(second)) == (None, None)
    first.attempts[-1].status, first.attempts[-1].headers = 200, HEADERS
    world.governor.settle(first)
    assert world.admit(third) is None
    for governor in (world, World(store=world.store, max_concurrent=2)):
        assert "2 running calls" in governor.admit(governor.call()).reason


def test_a_callers_name_may_be_of_undecodable_bytes(redis_server):
    with RedisStore(redis_server.url, prefix="undecodable:") as store:
        world = World(store=store)
        assert world.admit(world.call(), caller="\udc80") is None
        assert list(world.document()["finished"]) == ["\\udc80"]


def test_classes_of_models_do_not_share(world):
    world.admit(world.call(), 58_000)
    assert world.admit(world.call(model="claude-haiku-5-5"), 1_000) is None


def test_a_call_that_asks_another_model_uses_the_limits_of_that_one(world):
    before = world.document()["levels"]
    call = world.call()
    world.admit(call, 30_000)
    call.params = {**call.params, "model": "claude-sonnet-5-5"}
    assert world.admit(call, 200) is None
    assert world.document()["levels"] == pytest.approx(before)
    assert leases.owners(world.document("rate:api:account:sonnet-5.5"))
    world.governor.settle(call)
    assert not leases.owners(world.document("rate:api:account:sonnet-5.5"))


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "7"},
        {"retry-after-ms": "7000"},
        {"retry-after": "50", "retry-after-ms": "7000"},
        {"retry-after": "7", "retry-after-ms": "soon"},
        {"retry-after": "Thu, 01 Jan 1970 00:02:47 GMT"},  # the clock of `world` is at 160 s
    ],
)
def test_after_a_429_the_class_is_held_and_the_request_is_next(world, headers):
    first, second = world.call(), world.call()
    world.admit(first)
    first.attempts[-1].status, first.attempts[-1].headers = 429, headers
    first.attempts[-1].error = RuntimeError()
    world.governor.settle(first)
    assert isinstance(world.admit(second), Wait)
    first.attempts.append(Attempt(2, "restart"))
    decision = world.admit(first)
    assert 7.2 <= decision.seconds <= 7.7
    assert world.admit(second).reason.endswith("1 before it")


@pytest.mark.parametrize(
    "retry_after", ["", "soon", "-1", "nan", "inf", "1e9", "Fri, 01 Jan 1971 00:00:00 GMT"]
)
def test_a_429_that_tells_no_time_is_not_the_rate_limits(world, retry_after):
    call = world.call()
    world.admit(call)
    call.attempts[-1].status, call.attempts[-1].headers = 429, {"retry-after": retry_after}
    world.governor.settle(call)
    assert "held_until" not in world.document()


def test_one_that_would_wait_longer_than_max_wait_is_refused_with_the_numbers():
    world = World(max_wait=10.0)
    world.warm()
    world.admit(world.call(), 58_000)
    decision = world.admit(world.call(), 50_000)
    assert isinstance(decision, Reject)
    assert isinstance(decision.error, RequestRejectedError)
    said = str(decision.error)
    assert "tokens.max_wait = 10 s" in said
    assert "waited 0.0 s" in said
    assert "input tokens per minute" in said


def test_attempts_that_ran_are_no_time_that_a_call_has_waited():
    world = World(max_wait=10.0, max_concurrent=1)
    call = world.call()
    world.admit(call)
    world.now += 600
    world.governor.settle(call)
    world.admit(world.call())
    call.attempts.append(Attempt(2, "user_turn"))
    for _ in range(3):
        assert isinstance(world.admit(call), Wait)
        world.now += 4
    assert "waited 12.0 s" in str(world.admit(call).error)


def test_one_that_leaves_makes_room_for_those_behind(world):
    world.admit(world.call(), 57_000)
    first, second = world.call(), world.call()
    world.admit(first, 50_000)
    assert world.admit(second, 10).reason.endswith("1 before it")
    world.governor.settle(first)
    world.now += 0.1
    assert world.admit(second, 10) is None


def test_what_a_continuation_sends_again_counts(world):
    call = world.call()
    call.attempts.append(Attempt(2, "user_turn", kept=1_000))
    world.admit(call, 1_000)
    assert world.document()["levels"]["input"] == pytest.approx(58_000, abs=2)


def test_what_a_restart_does_not_send_again_does_not_count(world):
    call = world.call()
    call.attempts[-1].written = 3_500
    call.attempts.append(Attempt(2, "restart"))
    world.admit(call, 1_000)
    assert world.document()["levels"]["input"] == pytest.approx(59_000, abs=2)


CACHED = {"system": [{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}]}


def test_the_first_request_of_a_cached_prompt_goes_alone_and_the_next_expect_to_read_it(world):
    first, second = world.call(**CACHED), world.call(**CACHED)
    assert world.admit(first, 9_000) is None
    assert "cache" in world.admit(second, 9_000).reason
    first.attempts[-1].status = 200
    first.attempts[-1].usage = Usage(input_tokens=1_000, cache_creation_input_tokens=8_000)
    world.governor.settle(first)
    assert world.admit(second, 9_000) is None
    second.attempts[-1].status = 200
    second.attempts[-1].usage = Usage(input_tokens=1_000, cache_read_input_tokens=8_000)
    world.governor.settle(second)
    before = world.document()["levels"]["input"]
    world.admit(world.call(**CACHED), 9_000)
    assert before - world.document()["levels"]["input"] == pytest.approx(1_000)


def test_a_prompt_without_a_marker_is_not_cached():
    assert cached_prefix({"system": "Long.", "messages": []}) == ""
    assert cached_prefix({"system": [{"type": "text", "text": "Long."}]}) == ""
    assert cached_prefix(CACHED)
    tool = {"name": "a", "cache_control": {"type": "ephemeral"}}
    assert cached_prefix({"tools": [tool]}) != cached_prefix({"tools": [tool, tool]})


def test_the_longest_key_of_the_limits_counts():
    limits = {"claude": {"requests": 1}, "claude-opus": {"requests": 2}, "claude-haiku": {"requests": 3}}
    settings = TokensSettings(limits=limits)
    assert settings.limits_of("claude-opus-5-5") == {"requests": 2}
    assert settings.limits_of("claude-sonnet-5") == {"requests": 1}
    assert settings.limits_of("gpt") == {}


class Failing(MemoryStore):
    fails = True

    def step(self, step, /, *, key, **arguments):
        if self.fails:
            raise StoreError("redis:6379", "gone")
        return super().step(step, key=key, **arguments)


def test_when_the_store_fails_calls_go_on_and_each_time_that_is_said_once_and_that_it_is_over(caplog):
    store = Failing()
    world = World(store=store)
    for fails in (True, True, False, False, True):
        store.fails = fails
        call = world.call()
        assert world.admit(call) is None
        world.governor.settle(call)
    fails = "calls are sent without pacing while this lasts: state store redis:6379: gone"
    said = [record.message for record in caplog.records]
    assert said == [fails, "rate limits are looked up again", fails]


def test_or_they_are_refused_where_that_is_asked_for():
    world = World(store=Failing(), on_store_error="closed")
    decision = world.admit(world.call())
    assert isinstance(decision.error, RequestRejectedError)
    assert "on_store_error" in str(decision.error)


def test_sixteen_threads_share_a_governor_and_nothing_is_lost(world):
    start = threading.Barrier(16)
    admitted = []

    def work():
        start.wait()
        for _ in range(20):
            call = world.call(max_tokens=1)
            if world.admit(call, 10) is None:
                admitted.append(call)
            call.attempts[-1].status = 200
            call.attempts[-1].usage = Usage(input_tokens=10)
            world.governor.settle(call)

    race(work)
    assert len(admitted) <= 60
    document = world.document()
    assert not leases.owners(document)
    assert "waiting" not in document
    assert document["levels"]["requests"] == pytest.approx(60 - len(admitted), abs=1e-6)


def test_sixteen_threads_never_run_more_than_max_concurrent():
    world = World(max_concurrent=3, limits={})
    start, running, most = threading.Barrier(16), [], []

    def work():
        start.wait()
        for _ in range(10):
            call = world.call()
            while world.admit(call, 1) is not None:
                pass
            running.append(call)
            most.append(len(running))
            running.remove(call)
            call.attempts[-1].status = 200
            world.governor.settle(call)

    race(work)
    assert len(most) == 160
    assert max(most) <= 3


def race(work):
    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
