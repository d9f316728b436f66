"""What a process tells others of its calls, to which store, and that it does not while nobody watches."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from seawall.call import Call
from seawall.state import READ, MemoryStore, StoreError
from seawall_progress.board import Board
from seawall_progress.publisher import Publisher
from seawall_progress.sharing import KEY, LASTS, MOST
from seawall_progress.values import CallProgress

NEVER, PATIENCE = 3_600.0, 30.0


class Shared(MemoryStore):
    """A store that other processes see."""

    blocks = True

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.fails = False
        self.threads: set[str] = set()

    def step(self, step: Any, /, *, key: str, **arguments: Any) -> Any:
        self.steps.append(step.name)
        self.threads.add(threading.current_thread().name)
        if self.fails:
            raise StoreError("here", "it fails")
        return super().step(step, key=key, **arguments)


class Process:
    """A process whose calls are followed, and a clock."""

    def __init__(self, interval: float = NEVER) -> None:
        self.now = 1_000_000.0
        self.calls: list[Call] = []
        self.running: list[CallProgress] = []
        self.publisher = Publisher(lambda: tuple(self.running), clock=self.clock, interval=interval)

    def clock(self) -> float:
        return self.now

    def begin(self, store: Any, **changes: Any) -> Call:
        call = Call(f"c{len(self.running)}", {"model": "m"}, stream=True, store=store)
        self.running.append(progress(call.id, **changes))
        self.calls.append(call)
        self.publisher.follow(call)
        return call

    def end(self, call: Call) -> None:
        self.calls.remove(call)
        self.running = [one for one in self.running if one.call != call.id]
        self.publisher.leave(call)

    def seen(self, store: Any) -> list[Any]:
        board = Board(store, lambda _: [], clock=self.clock)
        return [call for process in board.look()["processes"] for call in process["calls"]]


def progress(call: str, **changes: Any) -> CallProgress:
    names = CallProgress.__dataclass_fields__
    given: dict[str, Any] = dict.fromkeys(names)
    texts = dict.fromkeys(("model", "caller", "reason", "status"), "")
    numbers = dict.fromkeys(("elapsed", "in_phase", "tokens", "attempts", "continuations"), 0)
    return CallProgress(**{**given, **texts, **numbers, "phase": "writing", "call": call, **changes})


def test_what_runs_is_told_while_somebody_watches(caplog):
    store, process = Shared(), Process()
    call = process.begin(store, tokens=7, reason="x" * 999)
    process.publisher.tell()
    assert store.step(READ, key=KEY) == {}
    assert process.seen(store) == []
    process.publisher.tell()
    (seen,) = process.seen(store)
    assert (seen["call"], seen["tokens"], seen["phase"], len(seen["reason"])) == (call.id, 7, "writing", 200)
    process.end(call)
    process.publisher.tell()
    assert process.seen(store) == []
    assert caplog.text == ""


def test_while_nobody_watches_a_look_is_one_step_and_nothing_is_worked_out():
    store = Shared()
    publisher = Publisher(lambda: pytest.fail("it was worked out"), clock=lambda: 0.0, interval=NEVER)
    call = Call("c", {}, stream=True, store=store)
    publisher.follow(call)
    publisher.tell()
    publisher.leave(call)
    assert store.steps == ["report"]


def test_a_store_is_told_of_its_own_calls_alone():
    one, other, process = Shared(), Shared(), Process()
    process.begin(one)
    process.begin(other)
    for store in (one, other):
        process.seen(store)
    process.publisher.tell()
    assert [[call["call"] for call in process.seen(store)] for store in (one, other)] == [["c0"], ["c1"]]


def test_a_call_that_is_gone_without_its_end_is_not_told_of_any_more():
    store, process = Shared(), Process()
    process.begin(store)
    process.seen(store)
    process.publisher.tell()
    assert len(process.seen(store)) == 1
    process.calls.clear()
    gc.collect()
    process.publisher.tell()
    assert process.seen(store) == []
    assert not process.publisher._is_needed()


def test_calls_that_only_this_process_can_see_are_not_told():
    process, others = Process(), set(threading.enumerate())
    process.begin(MemoryStore())
    assert set(threading.enumerate()) <= others


def test_of_very_many_calls_the_oldest_are_told_and_of_the_others_how_many():
    store, process = Shared(), Process()
    for _ in range(MOST + 3):
        process.begin(store)
    process.seen(store)
    process.publisher.tell()
    (document,) = Board(store, lambda _: [], clock=process.clock).look()["processes"]
    assert (len(document["calls"]), document["more"], document["calls"][0]["call"]) == (MOST, 3, "c0")


def test_a_store_that_fails_is_said_once_and_calls_go_on(caplog):
    store, process = Shared(), Process()
    call = process.begin(store)
    store.fails = True
    process.publisher.tell()
    process.publisher.tell()
    assert caplog.text.count("who watches does not see the calls of this process") == 1
    store.fails = False
    process.seen(store)
    process.publisher.tell()
    assert [seen["call"] for seen in process.seen(store)] == [call.id]


def test_a_process_that_is_gone_without_a_word_is_forgotten_with_what_it_told():
    store, process = Shared(), Process()
    process.begin(store)
    process.seen(store)
    process.publisher.tell()
    process.now += LASTS
    assert process.seen(store) == []
    assert [key for key in store._texts if key.startswith("progress:calls")] == []


def test_a_thread_of_its_own_tells_and_ends_with_the_last_call():
    store, process = Shared(), Process(interval=0.001)
    process.seen(store)
    call = process.begin(store)
    (thread,) = [
        thread for thread in threading.enumerate() if thread.name == "seawall-publisher" and thread.is_alive()
    ][-1:]
    process.end(call)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert store.threads <= {"seawall-publisher", threading.current_thread().name}
    assert process.seen(store) == []
