"""Calls while an API is down: held, failed or refused, one at a time as the probe, and back in turns."""

from __future__ import annotations

import logging
import random
import threading
from itertools import pairwise
from typing import Any

import anthropic
import httpx2
import pytest

import seawall
from backoff.virtual import FINE, REQUEST, Sent, World, answered
from seawall.call import Attempt, Call
from seawall.state import READ, MemoryStore, StoreError, leases
from seawall_backoff.breaker import Breaker
from seawall_backoff.circuit import FIRST_PAUSE, LAST_PAUSE, PROBE
from seawall_backoff.circuits import POLL, REFRESH
from seawall_backoff.errors import CircuitOpenError
from seawall_backoff.memory import Memory
from seawall_backoff.slow_start import ABOVE

DOWN = answered(529, "overloaded_error")


class Outage:
    """An API that is down until a moment."""

    def __init__(self, seconds: float, error: Exception = DOWN) -> None:
        self.seconds = seconds
        self.error = error
        self.begun: float | None = None

    def __call__(self, sent: Sent) -> Any:
        if self.begun is None:
            self.begun = sent.at
        return self.error if sent.at < self.begun + self.seconds else FINE


def gaps(world: World, begin: int = 0) -> list[float]:
    moments = [sent.at for sent in world.sent[begin:]]
    return [after - before for before, after in pairwise(moments)]


# -- held


def test_an_outage_of_a_minute_costs_a_lone_call_a_minute_and_nothing_else(make_world: Any) -> None:
    world = make_world(api=Outage(60.0))
    ended = world.call()
    assert ended["error"] is None
    assert 60 <= ended["at"] - 1_000_000.0 <= 60 + LAST_PAUSE + 2


@pytest.mark.parametrize("processes", [1, 8])
def test_many_calls_of_some_processes_are_all_held_and_all_served(make_world: Any, processes: int) -> None:
    world = make_world(processes, api=Outage(60.0))
    ended = [world.start(number * 0.05, number % processes) for number in range(200)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 200
    during = [sent for sent in world.sent if sent.at < 1_000_060.0]
    assert len(during) <= 5 + 7 + 5 * processes


def test_while_it_is_open_one_call_at_a_time_is_sent_and_after_growing_pauses(make_world: Any) -> None:
    world = make_world(api=Outage(100.0))
    for number in range(50):
        world.start(number * 0.01)
    world.run(95.0)
    pauses = gaps(world, begin=4)
    for found, longest in zip(pauses, [2, 4, 8, 15, 15, 15, 15], strict=False):
        assert 0.7 * longest <= found <= longest + 1.2


class Slow:
    """A plugin that is asked after backoff, and makes each attempt wait."""

    name = "slow"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.waited: set[int] = set()

    @seawall.hookimpl
    def pre_request(self, call: Call) -> seawall.Wait | None:
        attempt = id(call.attempts[-1])
        if attempt in self.waited:
            return None
        self.waited.add(attempt)
        return seawall.Wait(self.seconds, "a rate limit")


def test_what_waits_for_another_plugin_is_held_when_it_opens_meanwhile(make_world: Any) -> None:
    world = make_world(api=Outage(60.0))
    waiting = [world.start(also=[Slow(10.0)]) for _ in range(20)]
    for _ in range(5):
        world.start(1.0)
    world.run(50.0)
    assert len(world.sent) <= 5 + 5 + 6
    world.run()
    assert [ended["error"] for ended in waiting] == [None] * 20


def test_a_probe_may_wait_for_another_plugin(make_world: Any) -> None:
    world = make_world(api=Outage(30.0))
    ended = [world.start(also=[Slow(3.0)]) for _ in range(20)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 20
    assert max(end["at"] for end in ended) - 1_000_000.0 <= 90.0


def test_the_probe_is_streamed_so_that_it_tells_early(make_world: Any) -> None:
    world = make_world(api=Outage(10.0))
    world.call()
    assert [sent.send.stream for sent in world.sent[:5]] == [False] * 5
    assert all(sent.send.stream for sent in world.sent[5:])


def test_who_has_most_attempts_left_is_the_probe(make_world: Any) -> None:
    world = make_world(api=Outage(300.0), settings={"max_attempts": 8})
    ended = [world.start(number * 0.01) for number in range(20)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 20
    assert max(end["call"].attempt for end in ended) <= 4


def test_a_held_call_is_told_once_why_and_when_it_goes_on(
    make_world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    world = make_world(api=Outage(30.0))
    world.call()
    lines = [record.getMessage() for record in caplog.records if "waiting" in record.getMessage()]
    assert len(lines) == len(set(lines))
    assert "api / opus-5.5 is down (OverloadedError (529)), attempt 6 of 16, probe in" in lines[0]


def test_the_log_tells_when_it_opens_and_when_it_closes(
    make_world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(api=Outage(30.0))
    for _ in range(20):
        world.start()
    world.run()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert warnings[0].startswith("api / opus-5.5 is down (OverloadedError (529)): calls are held")
    assert warnings[1] == "api / opus-5.5 is back: calls come at 1.0 a second at first"


def test_other_hosts_and_model_classes_go_on(make_world: Any) -> None:
    world = make_world(api=lambda sent: DOWN if sent.call.model == "claude-opus-5-5" else FINE)
    for _ in range(9):
        world.start()
    world.run(5.0)
    began = world.now
    ended = [world.start(model="claude-sonnet-5-5"), world.start(model="claude-haiku-5-5")]
    world.run(0.0)
    assert [end["at"] for end in ended] == [began, began]


def test_models_of_one_class_share_a_circuit(make_world: Any) -> None:
    world = make_world(api=Outage(30.0))
    for number in range(9):
        world.start(number * 0.01, model=f"claude-opus-4-{5 + number % 4}")
    world.run(1.0)
    assert len(world.sent) <= 6


def test_a_rate_limit_opens_nothing(make_world: Any) -> None:
    world = make_world(api=Outage(3.0, answered(429, "rate_limit_error")), settings={"cap": 1.0})
    ended = [world.start() for _ in range(20)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 20
    assert world.store.step(READ, key="backoff:circuit:api / opus-5.5") == {}
    assert len(world.sent) > 80


@pytest.mark.parametrize(
    "sign_of_life", [answered(429, "rate_limit_error"), answered(400, "invalid_request_error")]
)
def test_any_answer_but_a_failure_of_the_api_closes_it(make_world: Any, sign_of_life: Exception) -> None:
    outage = Outage(20.0)
    lives: list[float] = []

    def api(sent: Sent) -> Any:
        found = outage(sent)
        if found is FINE and not lives:
            lives.append(sent.at)
            return sign_of_life
        return found

    world = make_world(api=api)
    for _ in range(20):
        world.start()
    world.run(40.0)
    assert any(sent.at > lives[0] for sent in world.sent)
    assert gaps(world)[-1] < 2


def test_a_held_call_gives_up_when_max_elapsed_is_over_with_its_own_error(make_world: Any) -> None:
    world = make_world(api=Outage(9999.0), settings={"max_elapsed": 100.0, "max_attempts": 99})
    ended = [world.start() for _ in range(9)]
    world.run()
    assert all(isinstance(end["error"], anthropic.OverloadedError) for end in ended)
    assert all(end["at"] - 1_000_000.0 <= 100.1 for end in ended)


def test_a_call_that_was_never_sent_gives_up_with_an_error_that_says_so(make_world: Any) -> None:
    world = make_world(api=Outage(9999.0), settings={"max_elapsed": 50.0})
    for _ in range(9):
        world.start()
    late = world.start(10.0)
    world.run()
    if late["call"].attempt == 1 and not late["call"].attempts[0].error:
        assert isinstance(late["error"], CircuitOpenError)
        assert "api / opus-5.5 is down (OverloadedError (529)); nothing was sent" in str(late["error"])
        assert "max_elapsed = 50 s" in str(late["error"])
    assert late["at"] - 1_000_000.0 <= 61


def test_a_deadline_that_cannot_be_met_fails_at_once(make_world: Any) -> None:
    world = make_world(api=Outage(100.0))
    for _ in range(9):
        world.start()
    world.run(30.0)
    began, sends = world.now, len(world.sent)
    ended = world.start(deadline=1.0)
    world.run(0.0)
    assert isinstance(ended["error"], seawall.DeadlineExceededError)
    assert ended["at"] == began
    assert len(world.sent) == sends
    assert "api / opus-5.5 is down" in str(ended["error"])


def test_a_deadline_that_can_be_met_is_waited_for(make_world: Any) -> None:
    world = make_world(api=Outage(10.0))
    for _ in range(9):
        world.start()
    ended = world.start(1.0, deadline=60.0)
    world.run()
    assert ended["error"] is None


def test_what_a_server_asks_to_wait_the_probe_waits_too(make_world: Any) -> None:
    world = make_world(api=Outage(60.0, answered(529, "overloaded_error", retry_after="40")))
    for _ in range(20):
        world.start()
    world.run()
    assert [sent.at for sent in world.sent if 1_000_001 < sent.at < 1_000_039] == []


def test_an_error_in_the_stream_of_a_probe_opens_it_again(make_world: Any) -> None:
    outage = Outage(20.0)

    def api(sent: Sent) -> Any:
        found = outage(sent)
        if found is FINE and sent.at < 1_000_050.0:
            # accepted, and overloaded after all
            body = b'{"type": "error", "error": {"type": "overloaded_error", "message": "m"}}'
            return seawall_accepted(body)
        return found

    world = make_world(api=api)
    ended = [world.start() for _ in range(20)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 20
    during = [sent for sent in world.sent if 1_000_001 < sent.at < 1_000_050]
    assert len(during) <= 8


def seawall_accepted(body: bytes) -> Any:
    return type(FINE)(FINE.response, 200, body)


# -- off and fail


def test_in_mode_fail_calls_fail_while_it_is_open_but_for_the_probe(make_world: Any) -> None:
    world = make_world(api=Outage(20.0), settings={"mode": "fail"})
    ended = [world.start(number * 0.1) for number in range(300)]
    world.run()
    refused = [end["error"] for end in ended if isinstance(end["error"], CircuitOpenError)]
    failed = [end["error"] for end in ended if isinstance(end["error"], anthropic.OverloadedError)]
    served = [end for end in ended if end["error"] is None]
    assert len(refused) > 150
    assert "The next call that may find out whether it is back goes in" in str(refused[0])
    assert 5 <= len(failed) <= 12
    assert len(served) > 20
    assert any("mode = 'fail'" in note for note in failed[-1].__notes__)


def test_in_mode_off_calls_know_nothing_of_each_other(make_world: Any) -> None:
    world = make_world(api=Outage(3.0), settings={"mode": "off", "jitter": "none"})
    ended = [world.start() for _ in range(20)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 20
    assert len(world.sent) == 20 * 4


# -- back


def test_calls_come_back_in_turns_at_about_the_rate_of_before(make_world: Any) -> None:
    outage = Outage(0.0)
    world = make_world(api=lambda sent: DOWN if 1_000_060 <= sent.at < 1_000_120 else outage(sent))
    ended = [world.start(number / 10) for number in range(1200)]
    world.run(120.0)
    before = len(world.sent)
    world.run()
    assert [end["error"] for end in ended] == [None] * 1200
    moments = [sent.at for sent in world.sent[before:]]
    begun = moments[1]
    busiest = max(sum(at <= moment < at + 5 for moment in moments) for at in moments if at < begun + 9) / 5
    assert busiest <= 10 * ABOVE * 1.05
    assert sum(begun <= moment < begun + 3 for moment in moments) <= 3 * 10 * ABOVE
    assert 600 / (moments[-1] - begun) > 11


def test_a_process_of_which_nothing_is_known_begins_slowly_and_grows(make_world: Any) -> None:
    world = make_world(api=Outage(20.0))
    ended = [world.start() for _ in range(300)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 300
    sent = [sent.at - 1_000_000.0 for sent in world.sent]
    back = next(moment for moment in sent if moment >= 20)
    assert sum(back < moment <= back + 3 for moment in sent) <= 6
    assert world.now - 1_000_000.0 < back + 40


# -- what it costs


class Counting(MemoryStore):
    """Counts the steps."""

    def __init__(self, *, blocks: bool = False) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.blocks = blocks

    def step(self, step: Any, /, *, key: str, **arguments: Any) -> Any:
        self.steps.append(step.name)
        return super().step(step, key=key, **arguments)


def test_a_healthy_circuit_costs_one_look_in_five_seconds(make_world: Any) -> None:
    world = make_world(store=Counting())
    for number in range(100):
        world.start(number * 0.1)
    world.run()
    assert world.store.steps == ["ask", "note a name", "ask"]
    world.run(REFRESH)
    world.call()
    assert world.store.steps == ["ask", "note a name", "ask", "ask"]


def test_an_isolated_failure_costs_two_steps(make_world: Any) -> None:
    failed: list[Sent] = []

    def api(sent: Sent) -> Any:
        if sent.at > 1_000_001 and not failed:
            failed.append(sent)
            return DOWN
        return FINE

    world = make_world(store=Counting(), api=api)
    for number in range(40):
        world.start(number * 0.1)
    world.run()
    assert world.store.steps == ["ask", "note a name", "fail", "succeed"]


def test_a_hundred_held_calls_of_a_process_cost_a_look_a_second_at_most(make_world: Any) -> None:
    world = make_world(store=Counting(), api=Outage(60.0))
    for _ in range(100):
        world.start()
    world.run(60.0)
    assert len(world.store.steps) <= 60 / POLL + 20 + 100


def test_a_store_that_blocks_is_reached_by_offload(make_world: Any) -> None:
    world = make_world(store=Counting(blocks=True), api=Outage(20.0))
    ended = [world.start() for _ in range(20)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 20
    assert "fail" in world.store.steps


class Failing(MemoryStore):
    """A store that is out of reach."""

    def step(self, step: Any, /, *, key: str, **arguments: Any) -> Any:
        raise StoreError("127.0.0.1:6379", "it does not answer")


def test_a_store_that_fails_leaves_each_process_its_own_circuits(
    make_world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(2, store=Failing(), api=Outage(30.0))
    ended = [world.start(0.0, number % 2) for number in range(40)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 40
    told = [record for record in caplog.records if "it does not answer" in record.getMessage()]
    assert len(told) == 2
    assert len([sent for sent in world.sent if 1_000_001 < sent.at < 1_000_030]) <= 2 * 5


class Full(MemoryStore):
    """A store that can be read but not written, such as a Redis that is full, or a replica."""

    is_full = True

    def step(self, step: Any, /, *, key: str, **arguments: Any) -> Any:
        document = super().step(READ, key=key)
        if self.is_full and step.function(document, arguments)[0] != document:
            raise StoreError("127.0.0.1:6379", "OutOfMemoryError")
        return super().step(step, key=key, **arguments)


def test_a_store_that_can_only_be_read_leaves_each_process_its_own_circuits(make_world: Any) -> None:
    world = make_world(2, store=Full(), api=Outage(30.0))
    ended = [world.start(0.0, number % 2) for number in range(40)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 40
    assert len([sent for sent in world.sent if 1_000_001 < sent.at < 1_000_030]) <= 2 * 5


def test_a_store_that_is_back_in_an_outage_lets_no_held_call_go(make_world: Any) -> None:
    world = make_world(store=Full(), api=Outage(60.0))
    ended = [world.start() for _ in range(40)]
    world.run(10.0)
    world.store.is_full = False
    before = len(world.sent)
    world.run(45.0)
    assert len(world.sent) - before <= 7
    world.run()
    assert [end["error"] for end in ended] == [None] * 40


class Absent(MemoryStore):
    """A store that is out of reach for a while."""

    is_absent = True

    def step(self, step: Any, /, *, key: str, **arguments: Any) -> Any:
        if self.is_absent:
            raise StoreError("127.0.0.1:6379", "it does not answer")
        return super().step(step, key=key, **arguments)


def test_an_outage_that_outlasted_that_of_the_store_is_over_when_the_store_fails_again(
    make_world: Any,
) -> None:
    world = make_world(store=Absent(), api=Outage(60.0))
    for _ in range(10):
        world.start()
    world.run(10.0)
    world.store.is_absent = False
    world.run()
    world.run(3_600.0)
    world.store.is_absent, world.slept[:] = True, []
    ended = [world.start() for _ in range(10)]
    world.run()
    assert [end["error"] for end in ended] == [None] * 10
    assert not world.slept


def test_a_process_learns_from_its_first_failure_what_others_know(make_world: Any) -> None:
    world = make_world(2, api=Outage(30.0))
    for number in range(5):
        world.start(1.0 + number * 0.01, 0)
    world.start(0.5, 1, model="claude-opus-5-5")
    world.run(2.0)
    first = [sent for sent in world.sent if sent.process == 1]
    world.start(0.0, 1)
    world.run(0.1)
    assert len([sent for sent in world.sent if sent.process == 1]) <= len(first) + 1


# -- the probe


def breaker(clock: Any = lambda: 1000.0, mode: Any = "hold") -> Breaker:
    return Breaker(
        mode=mode,
        max_elapsed=100.0,
        max_attempts=8,
        clock=clock,
        wall_clock=clock,
        rng=random.Random(1),
    )


def begun(store: Any) -> tuple[Call, Memory]:
    call = Call(id="c", params={"model": "claude-opus-5-5"}, stream=True, host="api", store=store)
    call.attempts.append(Attempt(1, "send"))
    return call, Memory()


def opened(held: Breaker, store: Any) -> None:
    for _ in range(5):
        call, memory = begun(store)
        assert held.admit(call, memory) is None
        tell = held.failed(call, memory, cause="Overloaded", asked=0.0)
        assert tell is not None
        tell()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_of_sixteen_threads_one_is_the_probe() -> None:
    clock, store = Clock(), MemoryStore()
    held = breaker(clock)
    opened(held, store)
    clock.now += FIRST_PAUSE
    begin, found = threading.Barrier(16), []

    def ask() -> None:
        call, memory = begun(store)
        begin.wait()
        found.append(held.admit(call, memory))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(answer).__name__ for answer in found) == ["Amend"] + ["Wait"] * 15


def test_an_attempt_that_is_asked_about_again_stays_what_it_was() -> None:
    clock, store = Clock(), MemoryStore()
    held = breaker(clock)
    opened(held, store)
    call, memory = begun(store)
    assert isinstance(held.admit(call, memory), seawall.Wait)
    clock.now += FIRST_PAUSE
    assert [held.admit(call, memory) for _ in range(3)] == [seawall.Amend(stream=True)] * 3


@pytest.mark.parametrize("way", ["untold", "answered", "accepted", "failed"])
def test_whatever_ends_a_probe_another_one_may_follow(way: str) -> None:
    clock, store = Clock(), MemoryStore()
    held = breaker(clock)
    opened(held, store)
    clock.now += FIRST_PAUSE
    call, memory = begun(store)
    assert held.admit(call, memory) == seawall.Amend(stream=True)
    options = {"cause": "x", "asked": 0.0} if way == "failed" else {}
    getattr(held, way)(call, memory, **options)()
    assert held.untold(call, memory) is None
    clock.now += 2 * FIRST_PAUSE + 1
    assert not isinstance(held.admit(*begun(store)), seawall.Wait)


def test_a_probe_that_ends_without_a_word_gives_its_place_back(make_world: Any) -> None:
    class Refusing:
        name = "refusing"

        @seawall.hookimpl
        def pre_request(self, call: Any) -> Any:
            return seawall.Reject(seawall.RequestRejectedError("no")) if call.attempt == 1 else None

    world = make_world(api=Outage(30.0))
    for _ in range(9):
        world.start()
    world.run(1.0)
    for number in range(9):
        world.start(0.3 * number, also=[Refusing()])
    world.run(6.0)
    assert len([sent for sent in world.sent if sent.at > 1_000_001]) >= 1


class Interrupted(MemoryStore):
    """Ctrl-C is pressed once, right before or after a step that tells of a probe."""

    struck = ""
    """The name of the step."""
    is_made = False

    def step(self, step: Any, /, *, key: str, **arguments: Any) -> Any:
        who = arguments.get("owner" if step.name == "ask" else "probe")
        if step.name != self.struck or not who:
            return super().step(step, key=key, **arguments)
        found = super().step(step, key=key, **arguments) if self.is_made else {"is_probe": True}
        if step.name == "ask" and not found["is_probe"]:
            return found
        self.struck = ""
        raise KeyboardInterrupt


@pytest.mark.parametrize("is_made", [False, True])
@pytest.mark.parametrize("struck", ["ask", "succeed", "fail"])
def test_a_probe_that_is_interrupted_gives_its_place_back(
    make_world: Any, struck: str, *, is_made: bool
) -> None:
    store = Interrupted()
    world = make_world(store=store, api=Outage(5.0 if struck == "succeed" else 30.0))
    for _ in range(5):
        world.start()
    world.run(1.0)
    store.struck, store.is_made = struck, is_made
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert leases.owners(store.step(READ, key="backoff:circuit:api / opus-5.5")) == []


def test_a_probe_that_hangs_is_followed_by_another_in_a_minute(make_world: Any) -> None:
    hanging: list[Sent] = []

    def api(sent: Sent) -> Any:
        if sent.send.stream and not hanging:
            hanging.append(sent)
            return DOWN, 10_000.0
        return DOWN if sent.at < 1_000_060 else FINE

    world = make_world(api=api)
    for _ in range(9):
        world.start()
    world.run(130.0)
    after = [sent.at for sent in world.sent if sent.at > hanging[0].at]
    assert PROBE <= after[0] - hanging[0].at <= PROBE + 2


def test_a_probe_that_finds_no_free_connection_tells_nothing(make_world: Any) -> None:
    pool = anthropic.APITimeoutError(REQUEST)
    pool.__cause__ = httpx2.PoolTimeout("busy")
    pooled: list[Sent] = []

    def api(sent: Sent) -> Any:
        if sent.send.stream and not pooled:
            pooled.append(sent)
            return pool
        return DOWN if sent.at < 1_000_020 else FINE

    world = make_world(api=api)
    for _ in range(9):
        world.start()
    world.run(1.0)
    world.run(4.0)
    assert [sent for sent in world.sent if pooled[0].at < sent.at < pooled[0].at + POLL + 0.5]


def test_a_success_that_was_sent_before_the_last_failure_ends_no_row() -> None:
    clock, store = Clock(), MemoryStore()
    held = breaker(clock)
    early = begun(store)
    held.admit(*early)
    clock.now += 1
    late = begun(store)
    held.admit(*late)
    held.failed(*late, cause="x", asked=0.0)()  # type: ignore[misc]
    assert held.accepted(*early) is None
    clock.now += 1
    later = begun(store)
    held.admit(*later)
    assert held.accepted(*later) is not None


def test_a_fork_begins_anew() -> None:
    store = MemoryStore()
    held = breaker(Clock())
    opened(held, store)
    held.after_fork()
    assert isinstance(held.admit(*begun(store)), seawall.Wait)
