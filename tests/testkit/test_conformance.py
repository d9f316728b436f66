"""What the conformance suite finds in plugins that break a promise, and that those shipped keep them all."""

import random
import re
import sys
import threading

import pytest
from anthropic import APIConnectionError

from seawall import ConfigError, Cut, GiveUp, Reject, RequestRejectedError, Retry, hookimpl
from seawall.registry import installed
from seawall_backoff import Backoff
from seawall_testkit import assert_conforms
from seawall_testkit.conformance import checks
from seawall_testkit.conformance.stage import Ending, Stage
from seawall_testkit.conformance.watch import WatchedStore
from testkit import bad_plugins as bad

FOUND = [
    (
        checks.settles,
        bad.SettlesOnlySuccess,
        "a call that failed with HTTP 400 stays reserved: the next",
    ),
    (
        checks.settles,
        bad.SettlesOnlySuccess,
        "was left by its caller in its stream stays reserved",
    ),
    (
        checks.settles,
        bad.MakesWait,
        "a call that failed with HTTP 400 stays reserved: the next one gets Wait",
    ),
    (checks.settles, bad.SettlesInChunks, "a call that completed without a stream stays reserved"),
    (checks.settles, bad.LeavesALease, "a call that completed stays reserved: a lease is left in 'slots'"),
    (checks.settles, bad.KeepsCalls, "a call that was answered by another plugin is kept in memory"),
    (
        checks.settles,
        bad.ChangesTheRequest,
        "in a call that completed, pre_request changes call.params in place; answer Amend(params=...)",
    ),
    (checks.is_idempotent, bad.ReservesAtEachAsk, "a call that was asked twice stays reserved"),
    (checks.is_idempotent, bad.AnswersAnew, "asked twice within an attempt, it says Amend("),
    (checks.tolerates_unknown_events, bad.KnowsAllEvents, "on_chunk raises TypeError: "),
    (checks.tolerates_unknown_events, bad.StopsAtTheUnknown, "on_chunk answers Stop("),
    (checks.never_blocks, bad.ReadsAFile, "a hook blocks: pre_request opens a file"),
    (checks.never_blocks, bad.Sleeps, "a hook blocks: on_chunk sleeps"),
    (checks.never_blocks, bad.AsksOverAnOpenConnection, "a hook blocks: pre_request uses a connection"),
    (checks.never_blocks, bad.AsksAnOpenDatabase, "a hook blocks: post_response uses a database"),
    (checks.never_blocks, bad.ReachesTheStore, "a hook blocks: on_error reaches call.store, which"),
    (checks.is_alike_in_both_drivers, bad.RemembersByThread, "to a sync client and nothing to an async one"),
    (
        checks.is_safe_in_threads,
        bad.RacesForSlots,
        "16 threads at once: pre_request raises RuntimeError: dict",
    ),
    (
        checks.is_safe_in_threads,
        bad.EndsItsThread,
        "16 threads at once: a call ends in SystemExit: one at a time",
    ),
]


@pytest.mark.parametrize(("check", "plugin", "expected"), FOUND)
def test_a_broken_promise_is_found_by_its_check(check, plugin, expected):
    with Stage(plugin) as stage:
        said = list(check(stage))
    assert any(expected in what for what in said), said


class Ends:
    """Keeps how calls ended."""

    def __init__(self, ended):
        self.ended = ended

    @hookimpl
    def post_response(self, outcome):
        self.ended.append((outcome.status, len(outcome.attempts), type(outcome.error).__name__))


def test_the_calls_of_the_suite_end_as_they_are_said_to():
    ended = []
    with Stage(lambda: Ends(ended)) as stage:
        for ending in Ending:
            stage.scene(ending, stage.new_witness(), WatchedStore()).run()
    assert dict(zip(Ending, ended, strict=True)) == {
        Ending.COMPLETED: ("completed", 1, "NoneType"),
        Ending.WHOLE: ("completed", 1, "NoneType"),
        Ending.RETRIED: ("completed", 2, "NoneType"),
        Ending.REFUSED: ("failed", 1, "BadRequestError"),
        Ending.CUT: ("failed", 1, "APIConnectionError"),
        Ending.REJECTED: ("failed", 1, "RequestRejectedError"),
        Ending.ANSWERED: ("completed", 1, "NoneType"),
        Ending.STOPPED: ("stopped", 1, "StreamStoppedError"),
        Ending.LEFT: ("abandoned", 1, "NoneType"),
        Ending.INTERRUPTED: ("abandoned", 1, "NoneType"),
    }


def test_the_same_plugin_without_the_mistake_conforms():
    assert_conforms(bad.Slots)


def test_its_threads_begin_to_be_traced_one_after_another(monkeypatch):
    # Python 3.11 raises where two do at once
    settrace, in_use, overlaps = sys.settrace, threading.Lock(), []

    def guarded(function):
        if not in_use.acquire(blocking=False):
            overlaps.append(function)
            return
        try:
            for _ in range(2_000):
                pass  # another thread has its turn
            settrace(function)
        finally:
            in_use.release()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    monkeypatch.setattr(sys, "settrace", guarded)
    try:
        with Stage(bad.Slots) as stage:
            assert list(checks.is_safe_in_threads(stage)) == []
    finally:
        sys.setswitchinterval(interval)
    assert overlaps == []


def test_what_does_not_wait_is_let_pass():
    with Stage(bad.WakesALoop) as stage:
        assert list(checks.never_blocks(stage)) == []


def test_a_reason_may_name_the_call():
    with Stage(bad.NamesTheCall) as stage:
        assert list(checks.is_alike_in_both_drivers(stage)) == []


def test_a_plugin_that_lets_no_attempt_succeed_comes_to_an_end():
    class CutsAll:
        @hookimpl
        def on_chunk(self, chunk):
            return Cut("too late") if chunk.type == "message_delta" else None

    with Stage(CutsAll) as stage:
        assert list(checks.settles(stage)) == []


def test_who_stops_an_answer_for_what_came_does_not_stop_at_the_unknown():
    with Stage(bad.StopsWhatIsLong) as stage:
        assert list(checks.tolerates_unknown_events(stage)) == []


def test_what_a_start_would_refuse_is_refused_in_its_words():
    class Async:
        @hookimpl
        async def on_error(self, call):
            pass

    class Unmarked(bad.Slots):
        def pre_request(self, call):
            pass

    with pytest.raises(ConfigError, match=r"Async\): on_error is async; a hook is a plain function"):
        assert_conforms(Async)
    with pytest.raises(ConfigError, match="pre_request is called like a hook and not marked"):
        assert_conforms(Unmarked)


def test_a_property_is_not_run():
    class Lazy(bad.NamesTheCall):
        @property
        def connection(self):
            raise LookupError("not connected yet")

    with Stage(Lazy) as stage:
        assert stage.new_witness().plugin.pre_request


def test_a_plugin_in_the_place_of_its_class_is_refused():
    with pytest.raises(TypeError, match=r"Slots object at .*: the class of a plugin is expected"):
        assert_conforms(bad.Slots())


def test_a_hook_that_raises_does_not_block():
    class Raises:
        @hookimpl
        def pre_request(self, call):
            raise LookupError

    with Stage(Raises) as stage:
        assert list(checks.never_blocks(stage)) == []


def test_a_reason_may_have_the_words_of_an_error_which_transports_tell_differently():
    class TellsTheError:
        @hookimpl
        def on_error(self, call, error):
            return Retry(0.0, str(error)) if isinstance(error, APIConnectionError) else GiveUp(str(error))

    with Stage(TellsTheError) as stage:
        assert list(checks.is_alike_in_both_drivers(stage)) == []


def test_a_plugin_that_lets_no_call_through_leaves_none_reserved():
    class Closed:
        @hookimpl
        def pre_request(self, call):
            return Reject(RequestRejectedError("closed"))

    with Stage(Closed) as stage:
        assert list(checks.settles(stage)) == []


def test_one_error_names_all_that_is_broken_and_says_what_to_do():
    class Both(bad.ReadsAFile):
        name = "both"

        @hookimpl
        def on_chunk(self, chunk):
            return chunk.event["index"]

    with pytest.raises(AssertionError) as caught:
        assert_conforms(Both)
    message = str(caught.value)
    assert message.startswith("Both does not conform:\n- ")
    assert "pre_request opens a file; answer Offload(work)" in message
    assert re.search(r"in a call that completed, on_chunk raises KeyError: 'index'", message)


@pytest.mark.parametrize("name", ["streaming", "progress", "files"])
def test_a_plugin_that_is_shipped_conforms(name):
    assert_conforms(installed()[name].load())


def test_backoff_conforms():
    assert_conforms(lambda: Backoff(rng=random.Random(1)))


def test_tokens_conforms_with_a_budget_and_a_limit_of_concurrent_calls():
    settings = {"max_concurrent": 8, "budgets": [{"dollars": 50, "per": "day"}]}
    assert_conforms(installed()["tokens"].load(), settings=settings)


def test_settings_for_a_plugin_without_any_are_refused():
    with pytest.raises(TypeError, match="has no `Settings`; leave them out"):
        assert_conforms(bad.Slots, settings={"free": 1})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"base": 0}, "settings.base = 0: input should be greater than 0"),
        ({"bas": 1}, "unknown setting 'settings.bas'; did you mean 'base'?"),
        (5, "settings = 5: a table is expected"),
    ],
)
def test_settings_are_refused_in_the_words_of_a_start(settings, expected):
    with pytest.raises(ConfigError) as caught:
        assert_conforms(Backoff, settings=settings)
    assert str(caught.value) == f"Backoff: {expected}"


def test_settings_that_are_no_model_are_refused_in_the_words_of_a_start():
    class Guard(bad.Slots):
        Settings = dict

    with pytest.raises(ConfigError, match="Guard: its Settings are no pydantic model: <class 'dict'>"):
        assert_conforms(Guard)
