"""What the heartbeat says of running calls, when its thread runs, and what it never says."""

import gc
import logging
import os
import signal
import threading
import warnings

import pytest

import seawall
from calls import MESSAGES, call, plugins
from seawall.call import Attempt, Call
from seawall_streaming import Streaming, StreamingSettings
from seawall_streaming.heartbeat import Heartbeat
from seawall_testkit import Simulator

NAME = "seawall-heartbeat"
SECRET = "the content of the call"
HOUR = 3600.0


class Clock:
    """Tells the time it is given."""

    now = 100.0

    def __call__(self):
        return self.now


class Held(Clock):
    """Keeps the heartbeat's thread of this process, and the lock it has, until it may go on."""

    def __init__(self):
        self.process = os.getpid()
        self.is_asked, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self):
        if threading.current_thread().name == NAME and os.getpid() == self.process:
            self.is_asked.set()
            self.may_go_on.wait(60)
        return self.now


class Silent(Heartbeat):
    """Beats only when it is told to: its thread, once started, ends at once."""

    def _run(self):
        pass


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines(caplog):
    """The lines since the last look, without the name of the call."""
    caplog.set_level(logging.INFO, logger="seawall.streaming")

    def read():
        said = [record.getMessage() for record in caplog.records if record.name == "seawall.streaming"]
        caplog.clear()
        return said

    return read


def running(call_id="c", events=0, way="send", number=1):
    made = Call(id=call_id, params={"system": SECRET, "messages": MESSAGES}, stream=True)
    made.attempts.append(Attempt(number, way, events=events))
    return made


def threads():
    return [thread for thread in threading.enumerate() if thread.name == NAME]


# -- what it says


def test_a_call_is_spoken_of_every_interval_and_not_before(clock, lines):
    heartbeat, followed = Silent(30.0, clock), running(events=7)
    heartbeat.follow(followed)
    assert heartbeat.beat() == 30.0
    assert lines() == []
    clock.now += 29.0
    assert heartbeat.beat() == 1.0
    assert lines() == []
    clock.now += 1.0
    assert heartbeat.beat() == 30.0
    assert lines() == ["call c: 30 s, attempt 1 (send): 7 events in 30 s"]
    clock.now += 31.0
    heartbeat.beat()
    assert lines() == ["call c: 61 s, attempt 1 (send): silent for 30 s"]


def test_events_are_counted_since_the_last_line(clock, lines):
    heartbeat, followed = Silent(10.0, clock), running(events=5)
    heartbeat.follow(followed)
    said = []
    for events in (5, 5, 12):
        followed.attempts[-1].events = events
        clock.now += 10.0
        heartbeat.beat()
        said += [line.partition("): ")[2] for line in lines()]
    assert said == ["5 events in 10 s", "silent for 10 s", "7 events in 10 s"]


def test_a_further_attempt_is_counted_anew_and_its_way_is_told(clock, lines):
    heartbeat, followed = Silent(10.0, clock), running(events=50)
    heartbeat.follow(followed)
    clock.now += 10.0
    heartbeat.beat()
    followed.attempts.append(Attempt(2, "user_turn", events=3))
    clock.now += 10.0
    heartbeat.beat()
    assert lines()[-1] == "call c: 20 s, attempt 2 (user turn): 3 events in 10 s"


@pytest.mark.parametrize(
    ("attempts", "said"),
    [([], "waiting to be sent"), ([Attempt(1, "send")], "attempt 1 (send): no event yet")],
)
def test_a_call_without_an_event_says_what_it_waits_for(clock, lines, attempts, said):
    heartbeat, followed = Silent(10.0, clock), running()
    followed.attempts[:] = attempts
    heartbeat.follow(followed)
    clock.now += 10.0
    heartbeat.beat()
    assert lines() == [f"call c: 10 s, {said}"]


def test_each_call_has_a_time_of_its_own(clock, lines):
    heartbeat, first, second = Silent(30.0, clock), running("first"), running("second")
    heartbeat.follow(first)
    clock.now += 20.0
    heartbeat.follow(second)
    assert heartbeat.beat() == 10.0
    clock.now += 10.0
    assert heartbeat.beat() == 20.0
    assert [line.partition(":")[0] for line in lines()] == ["call first"]
    clock.now += 20.0
    heartbeat.beat()
    assert [line.partition(":")[0] for line in lines()] == ["call second"]


def test_to_be_followed_again_changes_nothing(clock, lines):
    heartbeat, followed = Silent(30.0, clock), running()
    heartbeat.follow(followed)
    clock.now += 20.0
    heartbeat.follow(followed)
    assert heartbeat.beat() == 10.0


def test_nothing_is_said_of_a_call_that_has_ended(clock, lines):
    heartbeat, followed = Silent(30.0, clock), running()
    heartbeat.follow(followed)
    heartbeat.leave(followed)
    heartbeat.leave(followed)
    clock.now += 99.0
    assert heartbeat.beat() is None
    assert lines() == []


def test_a_call_that_was_forgotten_is_not_kept_alive(clock, lines):
    heartbeat, followed = Silent(30.0, clock), running()
    heartbeat.follow(followed)
    del followed
    gc.collect()
    assert heartbeat.beat() is None


def test_no_line_holds_content(clock, lines):
    heartbeat = Silent(1.0, clock)
    calls = [running("a"), running("b", events=4), running("d", events=4, way="prefill", number=3)]
    for followed in calls:
        heartbeat.follow(followed)
    clock.now += 1.0
    heartbeat.beat()
    said = "\n".join(lines())
    assert said.count("\n") == 2
    assert SECRET not in said
    assert MESSAGES[0]["content"] not in said


# -- its thread


def test_the_thread_starts_with_the_first_call_and_ends_with_the_last(lines):
    heartbeat, first, second = Heartbeat(HOUR, Clock()), running("first"), running("second")
    before = threads()
    heartbeat.follow(first)
    heartbeat.follow(second)
    (thread,) = [thread for thread in threads() if thread not in before]
    assert thread.daemon
    heartbeat.leave(first)
    assert thread.is_alive()
    heartbeat.leave(second)
    thread.join(5)
    assert not thread.is_alive()


def test_the_thread_waits_for_no_longer_than_threads_can(lines, monkeypatch):
    failures, clock = [], Held()
    monkeypatch.setattr(threading, "excepthook", failures.append)
    heartbeat, followed, before = Heartbeat(1e300, clock), running(), threads()
    heartbeat.follow(followed)
    (thread,) = [thread for thread in threads() if thread not in before]
    assert clock.is_asked.wait(5)
    clock.may_go_on.set()
    # takes the lock that the thread lets go of when it waits
    heartbeat.leave(followed)
    thread.join(5)
    assert failures == []


def test_a_call_after_that_starts_another_thread(lines):
    heartbeat, before = Heartbeat(HOUR, Clock()), threads()
    for _ in range(3):
        followed = running()
        heartbeat.follow(followed)
        (thread,) = [thread for thread in threads() if thread not in before]
        heartbeat.leave(followed)
        thread.join(5)
        assert not thread.is_alive()


def test_the_thread_speaks_by_itself(caplog, lines):
    heartbeat, followed, spoken = Heartbeat(0.01, iter(range(10**6)).__next__), running(), threading.Event()

    class Listening(logging.Handler):
        def emit(self, record):
            spoken.set()

    logger, listening = logging.getLogger("seawall.streaming"), Listening()
    logger.addHandler(listening)
    try:
        heartbeat.follow(followed)
        assert spoken.wait(5)
    finally:
        logger.removeHandler(listening)
        heartbeat.leave(followed)


def test_a_call_goes_on_where_no_thread_can_be_started_and_a_later_one_tries_again(lines, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't create new thread at interpreter shutdown")  # as Python 3.12 does

    heartbeat, before = Silent(HOUR, Clock()), threads()
    first, second = running("1"), running("2")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        heartbeat.follow(first)
    started = []

    def start(thread):
        started.append(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    heartbeat.follow(second)
    assert len(started) == 1
    assert [thread for thread in threads() if thread not in before] == []
    heartbeat.leave(first)
    heartbeat.leave(second)


def test_nothing_is_started_when_nobody_would_read_it(caplog):
    caplog.set_level(logging.WARNING, logger="seawall.streaming")
    heartbeat, before, followed = Heartbeat(HOUR, Clock()), threads(), running()
    heartbeat.follow(followed)
    assert [thread for thread in threads() if thread not in before] == []
    assert heartbeat.beat() is None
    heartbeat.leave(followed)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_waits_for_no_lock_and_speaks_of_its_own_calls_only(lines):
    held = Held()
    heartbeat, followed, own = Heartbeat(HOUR, held), running("parent's"), running("child's")
    heartbeat.follow(followed)
    assert held.is_asked.wait(5)
    with warnings.catch_warnings():
        # newer Pythons warn of forks beside threads
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        is_alone = False
        try:
            # ends a child that waits
            signal.alarm(20)
            heartbeat.follow(own)
            heartbeat.leave(own)
            is_alone = heartbeat.beat() is None
        finally:
            os._exit(not is_alone)
    status = os.waitpid(child, 0)[1]
    held.may_go_on.set()
    assert status == 0
    assert heartbeat.beat() == HOUR
    heartbeat.leave(followed)


class Looking:
    """Keeps the threads that run while a call does."""

    name = "looking"

    def __init__(self):
        self.seen = set()

    @seawall.hookimpl
    def on_chunk(self):
        self.seen.update(threads())


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("surface", ["create", "messages.stream()"])
def test_a_call_over_a_stream_is_followed_as_long_as_it_runs(mode, surface, lines):
    looking, before = Looking(), set(threads())
    with Simulator() as simulator:
        call(simulator, mode, surface, [*plugins(heartbeat=HOUR), looking])
    (thread,) = looking.seen - before
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("level", "heartbeat"),
    [(logging.WARNING, HOUR), (logging.INFO, None), (logging.INFO, 0)],
    ids=["not logged", "None", "0"],
)
def test_a_call_has_no_thread_where_there_is_no_heartbeat(level, heartbeat, caplog):
    caplog.set_level(level, logger="seawall.streaming")
    looking, before = Looking(), set(threads())
    with Simulator() as simulator:
        call(simulator, "sync", "create", [*plugins(heartbeat=heartbeat), looking])
    assert looking.seen <= before


def test_a_small_call_that_waits_is_not_followed(lines):
    before = threads()
    plugin = Streaming(StreamingSettings(heartbeat=HOUR))
    plugin.pre_request(Call(id="c", params={"max_tokens": 100}, stream=False))
    assert threads() == before
