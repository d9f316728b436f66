"""Who is told what of running calls, and when."""

import gc
import math
import threading

from progress.followed import Clock, Ears, Followed
from seawall.call import Call
from seawall_progress import Advanced, Ended, PhaseChanged, Started
from seawall_progress.running import Running
from seawall_progress.sentences import sentence
from seawall_progress.track import Track


def test_those_who_listen_hear_of_beginnings_phases_and_ends_at_once():
    call, ears = Followed(), Ears()
    call.running.listen(ears)
    call.wait(1, "room")
    call.attempt()
    call.block("thinking")
    call.delta("x", "thinking_delta")
    call.close()
    call.block("text")
    call.event("ping")
    call.end("failed")
    assert ears.told == [
        "Started queued",
        "PhaseChanged queued",
        "PhaseChanged connecting",
        "PhaseChanged thinking",
        "PhaseChanged writing",
        "Ended done",
    ]
    changed = [event.before for event in ears.events if isinstance(event, PhaseChanged)]
    assert changed == ["queued", "queued", "connecting", "thinking"]


def test_in_between_they_hear_as_often_as_they_ask_for():
    call, seldom, often = Followed(), Ears(10), Ears(2)
    call.attempt()
    call.block("text")
    for ears in (seldom, often):
        call.running.listen(ears)
    for _ in range(22):
        call.running.tick()
        call.clock.now += 1
        call.delta("x")
    # the first word on what the call does counts as a change to those who came late
    assert [type(event) for event in seldom.events] == [PhaseChanged, Advanced, Advanced]
    assert [type(event) for event in often.events].count(Advanced) == 9


def test_a_stall_is_told_by_who_looks_and_so_is_its_end():
    call, ears = Followed(stalled_after=5), Ears()
    call.running.listen(ears)
    call.attempt()
    call.block("text")
    for _ in range(7):
        call.running.tick()
        call.clock.now += 1
    call.delta("x")
    call.clock.now += 1
    call.running.tick()
    assert [told for told in ears.told if "Phase" in told][1:] == [
        "PhaseChanged writing",
        "PhaseChanged stalled",
        "PhaseChanged writing",
    ]


def test_who_is_not_open_hears_nothing_and_nobody_is_looked_at():
    call, ears = Followed(), Ears()
    ears.is_open = False
    call.running.listen(ears)
    call.attempt()
    assert call.running.tick() is None
    ears.is_open = True
    assert call.running.tick() == 1.0
    call.running.unlisten(ears)
    call.running.unlisten(ears)
    assert call.running.tick() is None
    call.end()
    assert ears.events == []


def test_the_next_look_is_when_the_first_of_them_wants_it():
    call = Followed()
    call.attempt()
    for period in (8, 3):
        call.running.listen(Ears(period))
    assert call.running.tick() == 3
    call.clock.now += 2
    assert call.running.tick() == 1


def test_calls_are_told_apart_the_oldest_first():
    first = Followed(call_id="a")
    first.attempt()
    first.clock.now += 1
    second = Followed(first, call_id="b")
    second.attempt()
    assert [progress.call for progress in first.running.calls()] == ["a", "b"]
    first.end()
    assert [progress.call for progress in first.running.calls()] == ["b"]


def test_a_call_that_is_dropped_is_not_followed():
    running, clock = Running(spawn=lambda _: None), Clock()
    call = Call(id="c", params={}, stream=True)
    running.follow(call, Track(call, clock, stalled_after=20))
    assert len(running.calls()) == 1
    del call
    gc.collect()
    assert running.calls() == ()


def test_a_call_that_is_gone_without_its_end_has_ended_for_those_who_listen():
    call, ears, late = Followed(call_id="gone"), Ears(), Ears()
    other = Followed(call, call_id="other")
    call.running.listen(ears)
    other.attempt()
    call.attempt()
    call.block("text")
    call.running.tick()
    call.generate(3, per_second=10)
    call.running.tick()
    del call.call
    gc.collect()
    assert [progress.call for progress in call.running.calls()] == ["other"]
    call.running.listen(late)
    call.running.tick()
    (ended,) = [event.progress for event in ears.events if isinstance(event, Ended)]
    assert (ended.call, ended.phase, ended.status, ended.tokens) == ("gone", "done", "unknown", 30)
    assert sentence(ended) == "unknown, about 30 tokens, 10 tokens/s, 3.0 s"
    assert late.told == ["Ended done"]


def test_nothing_is_kept_of_calls_that_are_gone_while_nobody_listens():
    running, clock = Running(spawn=lambda _: None), Clock()
    for number in range(5):
        call = Call(id=str(number), params={}, stream=True)
        running.follow(call, Track(call, clock, stalled_after=20))
    del call
    gc.collect()
    last = Call(id="last", params={}, stream=True)
    running.follow(last, Track(last, clock, stalled_after=20))
    assert len(running._calls) == 1


class Fails(Ears):
    """Raises at all it hears."""

    def hear(self, event):
        super().hear(event)
        raise ConnectionError("what it held")


def test_one_who_raises_costs_the_call_and_the_others_nothing(caplog):
    call, fails, ears = Followed(), Fails(), Ears()
    for listener in (fails, ears):
        call.running.listen(listener)
    call.attempt()
    call.running.tick()
    call.clock.now += 1
    call.running.tick()
    call.end()
    assert fails.told == ears.told
    assert [type(event) for event in ears.events] == [Started, PhaseChanged, Advanced, Ended]
    assert "Fails was told what a call does, and raised ConnectionError" in caplog.text
    assert "what it held" not in caplog.text


class Threads:
    """Starts threads, and keeps what they raised."""

    def __init__(self):
        self.started = []
        self.raised = []

    def __call__(self, work):
        self.started.append(threading.Thread(target=self._run, args=(work,), daemon=True))
        self.started[-1].start()

    def _run(self, work):
        try:
            work()
        except (ArithmeticError, OSError) as error:
            self.raised.append(error)


class Noting(Ears):
    """Notes that it was asked how often it wants to hear, and that it heard."""

    def __init__(self, period):
        self._period = period
        self.was_asked, self.has_advanced = threading.Event(), threading.Event()
        self.is_open = True

    @property
    def period(self):
        self.was_asked.set()
        return self._period

    def hear(self, event):
        if isinstance(event, Advanced):
            self.has_advanced.set()


def test_one_who_never_wants_to_hear_in_between_does_not_keep_others_from_it():
    threads, never, often = Threads(), Noting(math.inf), Noting(0.01)
    running = Running(spawn=threads)
    call = Call(id="c", params={}, stream=True)
    running.listen(never)
    running.follow(call, Track(call, Clock(), stalled_after=20))
    # the thread has seen only this one when it works out how long it waits
    assert never.was_asked.wait(30)
    running.listen(often)
    assert often.has_advanced.wait(30)
    running.leave(call)
    threads.started[0].join(30)
    assert not threads.started[0].is_alive()
    assert (len(threads.started), threads.raised) == (1, [])


def test_after_a_thread_that_failed_there_is_another_one():
    class Broken(Track):
        def look(self, *_, counts=True):
            raise ArithmeticError

    threads, ears = Threads(), Noting(0.01)
    running, call = Running(spawn=threads), Call(id="c", params={}, stream=True)
    running.follow(call, Broken(call, Clock(), stalled_after=20))
    running.listen(ears)
    threads.started[0].join(30)
    assert [type(error) for error in threads.raised] == [ArithmeticError]
    running._calls.clear()
    running.follow(call, Track(call, Clock(), stalled_after=20))
    assert ears.has_advanced.wait(30)
    running.leave(call)
    threads.started[1].join(30)
    assert len(threads.started) == 2


def test_who_comes_while_the_last_look_of_a_thread_is_over_is_looked_at():
    works, ears = [], Ears()
    running = Running(spawn=works.append)
    calls = [Call(id=name, params={}, stream=True) for name in "ab"]
    running.listen(ears)
    running.follow(calls[0], Track(calls[0], Clock(), stalled_after=20))
    running.leave(calls[0])
    tick, looks = running.tick, []

    def look():
        looks.append(tick())
        if len(looks) == 1:
            running.follow(calls[1], Track(calls[1], Clock(), stalled_after=20))
        else:
            running.leave(calls[1])
            looks[-1] = None
        return looks[-1]

    running.tick = look
    works[0]()
    assert (looks, len(works)) == ([None, None], 1)


def test_where_no_thread_can_be_started_a_call_goes_on():
    def spawn(_):
        raise RuntimeError("can't start new thread")

    running, ears, call = Running(spawn=spawn), Ears(), Call(id="c", params={}, stream=True)
    running.listen(ears)
    running.follow(call, Track(call, Clock(), stalled_after=20))
    running.leave(call)
    assert ears.told == ["Started queued", "Ended queued"]


def test_a_thread_looks_while_there_are_calls_and_somebody_listens():
    spawned: list[threading.Thread] = []

    def spawn(work):
        spawned.append(threading.Thread(target=work, daemon=True))
        spawned[-1].start()

    class Heard(Ears):
        has_heard = threading.Event()

        def hear(self, event):
            if isinstance(event, Advanced):
                self.has_heard.set()

    running, ears = Running(spawn=spawn), Heard(period=0.01)
    call = Call(id="c", params={}, stream=True)
    running.follow(call, Track(call, Clock(), stalled_after=20))
    assert spawned == []
    running.listen(ears)
    assert ears.has_heard.wait(10)
    running.leave(call)
    spawned[0].join(10)
    assert not spawned[0].is_alive()
    again = Call(id="d", params={}, stream=True)
    running.follow(again, Track(again, Clock(), stalled_after=20))
    assert len(spawned) == 2
    running.leave(again)
    spawned[1].join(10)
    assert not spawned[1].is_alive()


def test_many_threads_look_at_calls_that_many_others_run():
    calls = [Followed(call_id="0")]
    calls += [Followed(calls[0], call_id=str(number)) for number in range(1, 8)]
    running, failures = calls[0].running, []
    is_over = threading.Event()
    running.listen(Ears())

    def look():
        while not is_over.is_set():
            try:
                calls[0].clock.now += 0.01
                running.tick()
                for progress in running.calls():
                    assert progress.percent is None or 0 <= progress.percent <= 100
            except Exception as error:
                failures.append(error)
                raise

    def run(call):
        for _ in range(30):
            call.attempt()
            for kind, delta in (("thinking", "thinking_delta"), ("text", "text_delta")):
                call.block(kind)
                for _ in range(50):
                    call.delta("a word ", delta)
            call.fail(ValueError(), tokens=10)
        call.end()

    looking = [threading.Thread(target=look) for _ in range(4)]
    calling = [threading.Thread(target=run, args=(call,)) for call in calls]
    _start(*looking, *calling)
    _join(*calling)
    is_over.set()
    _join(*looking)
    assert failures == []
    assert running.calls() == ()


def _start(*threads):
    for thread in threads:
        thread.start()


def _join(*threads):
    for thread in threads:
        thread.join()
