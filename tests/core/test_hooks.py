"""The order in which plugins are asked, how their answers combine, and what happens when one fails."""

from __future__ import annotations

import copy
import logging
import math
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from seawall import (
    Amend,
    Answer,
    BudgetExceededError,
    ConfigError,
    DeadlineExceededError,
    EarlierAttempt,
    GiveUp,
    Offload,
    PluginError,
    Redirect,
    Reject,
    Replay,
    RequestRejectedError,
    Resume,
    Retry,
    SeawallError,
    Stop,
    StreamStoppedError,
    Wait,
    errors,
    hookimpl,
    hookspecs,
)
from seawall.hooks import CallHooks, Hooks, Implementation, combine_errors, combine_requests
from seawall.registry import manager_of

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "the content of the call"


def hooks_of(*plugins: Any) -> Hooks:
    return Hooks.of(manager_of({plugin.name: plugin for plugin in plugins}))


class Named:
    """A plugin that answers with its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    @hookimpl
    def on_error(self, call: Any, error: Any) -> Any:
        return self.name


class First(Named):
    @hookimpl(tryfirst=True)
    def on_error(self, call: Any, error: Any) -> Any:
        return self.name


class Last(Named):
    @hookimpl(trylast=True)
    def on_error(self, call: Any, error: Any) -> Any:
        return self.name


# -- the order


def test_plugins_are_asked_in_the_order_in_which_they_are_enabled() -> None:
    hooks = hooks_of(Named("c"), Named("a"), Named("b"))
    assert [hook.plugin for hook in hooks.on_error] == ["c", "a", "b"]


def test_tryfirst_and_trylast_move_to_the_ends_of_the_order() -> None:
    hooks = hooks_of(Last("x"), Named("a"), First("y"), Named("b"))
    assert [hook.plugin for hook in hooks.on_error] == ["y", "a", "b", "x"]


def test_each_implementation_is_called_on_its_own_plugin() -> None:
    hooks = hooks_of(Named("a"), Named("b"))
    assert [hook.function(None, None) for hook in hooks.on_error] == ["a", "b"]


def test_there_is_a_tuple_of_implementations_for_every_hook_specification() -> None:
    specified = {name for name, value in vars(hookspecs).items() if hasattr(value, "seawall_spec")}
    assert set(Hooks.__slots__) == specified


def test_a_plugin_without_an_implementation_of_a_hook_is_not_asked() -> None:
    assert hooks_of(Named("a")).pre_request == ()


# -- the arguments


class All(Named):
    @hookimpl
    def on_error(self, call: Any, error: Any) -> Any:
        return call, error


class Second(Named):
    @hookimpl
    def on_error(self, error: Any) -> Any:
        return error


class Neither(Named):
    @hookimpl
    def on_error(self) -> Any:
        return "nothing"


class Swapped(Named):
    @hookimpl
    def on_error(self, error: Any, call: Any) -> Any:
        return call, error


class Static(Named):
    @hookimpl
    @staticmethod
    def on_error(error: Any) -> Any:
        return error


class ByOtherName(Named):
    @hookimpl
    def on_error(self, call: Any) -> Any:
        return call

    @hookimpl(specname="on_chunk")
    def look(self, chunk: Any) -> Any:
        return chunk


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (All, ("call", "error")),
        (Second, "error"),
        (Neither, "nothing"),
        (Swapped, ("call", "error")),
        (Static, "error"),
        (ByOtherName, "call"),
    ],
)
def test_an_implementation_gets_the_arguments_it_names(kind: type[Named], expected: Any) -> None:
    (hook,) = hooks_of(kind("a")).on_error
    assert hook.function("call", "error") == expected


def test_an_implementation_under_another_name_is_asked_for_its_hook() -> None:
    (hook,) = hooks_of(ByOtherName("a")).on_chunk
    assert hook.function("call", "chunk") == "chunk"


# -- plugins that fail


class Fails(Named):
    @hookimpl
    def on_error(self, call: Any, error: Any) -> Any:
        raise ZeroDivisionError(SECRET)

    @hookimpl
    def on_chunk(self, call: Any, chunk: Any) -> Any:
        raise ZeroDivisionError(SECRET)

    @hookimpl
    def estimate_tokens(self, text: str, model: str) -> Any:
        raise ZeroDivisionError(SECRET)


class MayFail(Fails):
    required = False


def test_a_hook_that_raises_ends_in_a_plugin_error_that_names_plugin_and_hook() -> None:
    hooks = hooks_of(Fails("guard"))
    with pytest.raises(PluginError) as caught:
        CallHooks(hooks).ask(hooks.on_error[0], "on_error", None, None)
    assert (caught.value.plugin, caught.value.hook) == ("guard", "on_error")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert str(caught.value) == (
        f"plugin 'guard' failed in on_error: ZeroDivisionError: {SECRET}. Mend it, or take it out of "
        "`plugins`; with `required = False` on its class calls go on."
    )


@pytest.mark.parametrize("error", [ConfigError("x"), PluginError("other", "on_error", ValueError())])
def test_an_error_of_ours_passes_through_a_hook_as_it_is(error: SeawallError) -> None:
    class Raises(Named):
        required = False

        @hookimpl
        def on_error(self) -> Any:
            raise error

    hooks = hooks_of(Raises("guard"))
    with pytest.raises(SeawallError) as caught:
        CallHooks(hooks).ask(hooks.on_error[0], "on_error", None, None)
    assert caught.value is error


def test_a_plugin_that_is_not_required_is_left_out_for_the_rest_of_the_call() -> None:
    hooks = hooks_of(Named("a"), MayFail("b"), Named("c"))
    asked = CallHooks(hooks)
    assert asked.ask(asked.implementations("on_error")[1], "on_error", None, None) is None
    assert [hook.plugin for hook in asked.implementations("on_error")] == ["a", "c"]
    assert asked.implementations("estimate_tokens") == ()
    assert asked.on_chunk == ()


def test_the_next_call_asks_the_plugin_again() -> None:
    hooks = hooks_of(MayFail("b"))
    CallHooks(hooks).ask(hooks.on_error[0], "on_error", None, None)
    assert len(CallHooks(hooks).implementations("on_error")) == 1
    assert len(CallHooks(hooks).on_chunk) == 1


def test_a_plugin_left_out_is_logged_once_and_without_content(caplog: pytest.LogCaptureFixture) -> None:
    hooks = hooks_of(MayFail("b"))
    with caplog.at_level(logging.INFO):
        CallHooks(hooks).ask(hooks.on_error[0], "on_error", SECRET, None)
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "seawall.hooks",
            "WARNING",
            (
                "plugin 'b' failed in on_error (ZeroDivisionError) and is left out for the rest of this "
                "call; it is not required"
            ),
        )
    ]
    assert SECRET not in caplog.text


def test_only_the_debug_level_shows_where_a_plugin_failed(caplog: pytest.LogCaptureFixture) -> None:
    hooks = hooks_of(MayFail("b"))
    with caplog.at_level(logging.DEBUG, "seawall"):
        CallHooks(hooks).ask(hooks.on_error[0], "on_error", None, None)
    assert "Traceback" in caplog.text


def test_a_plugin_is_required_unless_it_says_otherwise() -> None:
    hooks = hooks_of(Fails("a"), MayFail("b"))
    assert [hook.is_required for hook in hooks.on_error] == [True, False]


def test_sixteen_calls_may_leave_out_a_plugin_at_once() -> None:
    hooks = hooks_of(Named("a"), MayFail("b"))
    begin = threading.Barrier(16)
    seen: list[list[str]] = []

    def call() -> None:
        asked = CallHooks(hooks)
        begin.wait()
        for hook in asked.implementations("on_error"):
            asked.ask(hook, "on_error", None, None)
        seen.append([hook.plugin for hook in asked.implementations("on_error")])

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [["a"]] * 16
    assert len(hooks.on_error) == 2


# -- estimates


class Estimates:
    def __init__(self, answer: Any, *, name: str = "a", required: bool = True) -> None:
        self.name, self.required, self._answer = name, required, answer

    @hookimpl
    def estimate_tokens(self, text: str, model: str) -> Any:
        return self._answer(text, model) if callable(self._answer) else self._answer


def test_without_a_plugin_an_estimate_is_a_quarter_of_the_characters() -> None:
    assert CallHooks(Hooks()).estimate("x" * 11, "m") == 2


def test_the_first_estimate_counts_and_none_is_no_estimate() -> None:
    hooks = hooks_of(
        Estimates(None), Estimates(lambda text, model: len(text + model), name="b"), Estimates(9, name="c")
    )
    assert CallHooks(hooks).estimate("four", "m") == 5


def test_an_estimate_of_zero_is_an_answer() -> None:
    assert CallHooks(hooks_of(Estimates(0), Estimates(9, name="b"))).estimate("four", "m") == 0


@pytest.mark.parametrize("answer", ["12", 3.5, -1, [], math.nan])
def test_an_estimate_that_is_no_count_is_the_fault_of_its_plugin(answer: Any) -> None:
    with pytest.raises(
        PluginError, match=r"^plugin 'a' failed in estimate_tokens: ValueError: .* is no number"
    ):
        CallHooks(hooks_of(Estimates(answer))).estimate("four", "m")


@pytest.mark.parametrize("answer", ["12", lambda *_: 1 // 0])
def test_an_estimate_falls_to_the_next_when_its_plugin_is_not_required(answer: Any) -> None:
    hooks = CallHooks(hooks_of(Estimates(answer, required=False), Estimates(7, name="b")))
    assert hooks.estimate("four", "m") == 7
    assert [hook.plugin for hook in hooks.implementations("estimate_tokens")] == ["b"]


# -- decisions that cannot be acted upon

TIMES: list[Callable[[Any], Any]] = [lambda s: Wait(s, "r"), Retry, lambda s: Amend(timeout=s)]


@pytest.mark.parametrize("make", TIMES, ids=["Wait", "Retry", "Amend"])
@pytest.mark.parametrize("seconds", [-1, -0.001, math.nan, math.inf, "5", [1]])
def test_a_time_that_cannot_be_waited_is_refused_where_it_is_made(
    make: Callable[[Any], Any], seconds: Any
) -> None:
    with pytest.raises(ValueError, match="a finite number of seconds, 0 or more, is expected"):
        make(seconds)


@pytest.mark.parametrize("make", TIMES, ids=["Wait", "Retry", "Amend"])
@pytest.mark.parametrize("seconds", [0, 5, 0.5])
def test_a_time_may_be_any_number_from_zero(make: Callable[[Any], Any], seconds: float) -> None:
    assert make(seconds) == make(float(seconds))


def test_a_reject_without_an_exception_is_refused_where_it_is_made() -> None:
    with pytest.raises(
        ValueError, match=r"takes an exception, such as RequestRejectedError\(\.\.\.\), not a str"
    ):
        Reject("too dear")  # type: ignore[arg-type]


WHOLE = dict.fromkeys(("id", "type", "role", "model", "stop_reason"), "something") | {
    "content": [{"type": "text", "text": "Hi."}],
    "usage": {"output_tokens": 1},
}


@pytest.mark.parametrize("lacks", ["id", "type", "role", "model", "content", "stop_reason", "usage"])
def test_an_answer_with_half_a_message_is_the_fault_of_its_plugin(lacks: str) -> None:
    guard = Implementation("guard", True, print)
    assert CallHooks(Hooks()).checked(guard, "pre_request", Answer(WHOLE)) == Answer(WHOLE)
    for half in (WHOLE | {lacks: None}, {key: value for key, value in WHOLE.items() if key != lacks}):
        with pytest.raises(PluginError, match=f"'guard' .* the message of its Answer lacks {lacks}"):
            CallHooks(Hooks()).checked(guard, "pre_request", Answer(half))


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"content": "Hi."}, "has a content that is no list of blocks"),
        ({"content": ["Hi."]}, "has a content that is no list of blocks"),
        ({"content": [{"text": "Hi."}]}, "has a block without 'type'"),
        ({"content": [{"type": "text"}]}, "has a block without 'text'"),
        ({"content": [{"type": "tool_use"}]}, "has a block without 'input'"),
        ({"content": [{"type": "text", "text": {"Hi."}}]}, r"is no JSON \(Object of type set .*\)"),
        ({"usage": 5}, "has a usage that is no mapping"),
    ],
)
def test_an_answer_that_no_caller_could_read_is_the_fault_of_its_plugin(part: Any, said: str) -> None:
    guard = Implementation("guard", True, print)
    with pytest.raises(PluginError, match=f"'guard' failed .* the message of its Answer {said}"):
        CallHooks(Hooks()).checked(guard, "pre_request", Answer(WHOLE | part))


def test_an_answer_without_a_message_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="takes a message as a mapping, not a str"):
        Answer("hello")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amended", "said"),
    [
        ({"params": ["x"]}, "Amend.params takes a Mapping, not a list"),
        ({"params": {"stream": True}}, r"Amend.params has 'stream'; .* said by Amend\(stream=True\)"),
        ({"headers": None}, "Amend.headers takes a Mapping, not a NoneType"),
        ({"headers": {"x-team": 1}}, r"Amend.headers\['x-team'\]: name and value are texts"),
        ({"headers": {5: "x"}}, r"Amend.headers\[5\]: name and value are texts"),
        ({"stream": "yes"}, "Amend.stream = 'yes': True, False or None is expected"),
        ({"resume": "blocks"}, "Amend.resume takes a Resume, not a str"),
    ],
)
def test_an_amend_of_the_wrong_kind_is_refused_where_it_is_made(amended: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"{said}$"):
        Amend(**amended)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"hold": "block"}, "Resume.hold = 'block': 'none' or 'blocks' is expected"),
        (
            {"continue_after_tokens": "9"},
            "Resume.continue_after_tokens = '9': an integer, 0 or more, is expected",
        ),
        (
            {"continue_after_tokens": -1},
            "Resume.continue_after_tokens = -1: an integer, 0 or more, is expected",
        ),
        ({"prompt": 5}, "Resume.prompt = 5: a text is expected"),
        ({"prompt": ""}, "Resume.prompt = '': a text is expected"),
    ],
)
def test_a_way_to_go_on_that_is_none_is_refused_before_the_message_breaks(wrong: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        Resume(**wrong)


def test_work_that_cannot_be_called_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="Offload takes a function without arguments, not a int"):
        Offload(5)  # type: ignore[arg-type]


# -- combination of `pre_request`

keys = st.sampled_from(["a", "b", ""])
amends = st.builds(
    Amend,
    params=st.dictionaries(keys, st.integers(0, 1)),
    headers=st.dictionaries(st.sampled_from(["X-A", "x-a", "x-b"]), st.sampled_from(["0", "1"]), max_size=1),
    stream=st.sampled_from([None, True, False]),
    timeout=st.sampled_from([None, 1.0, 2.0]),
)
requests = st.one_of(
    st.none(),
    st.builds(lambda: Reject(ValueError())),
    st.builds(lambda n: Answer({"n": n}), st.integers()),
    st.builds(Wait, st.floats(0, 1e6), st.just("r")),
    st.builds(Redirect, st.just("m"), st.just("r")),
    st.builds(Replay, st.just([EarlierAttempt("send", [])])),
    amends,
)


def named(decisions: list[Any]) -> list[tuple[str, Any]]:
    return [(f"plugin{number}", decision) for number, decision in enumerate(decisions)]


def said(decisions: list[Any]) -> dict[tuple[str, str], list[Any]]:
    """Everything the amends say, by what it is about."""
    everything: dict[tuple[str, str], list[Any]] = {}
    for amend in decisions:
        if isinstance(amend, Amend):
            for key, value in amend.params.items():
                everything.setdefault(("params", key), []).append(value)
            for key, value in amend.headers.items():
                everything.setdefault(("headers", key.lower()), []).append(value)
            for key in ("stream", "timeout"):
                if (value := getattr(amend, key)) is not None:
                    everything.setdefault(("Amend", key), []).append(value)
    return everything


@given(st.lists(requests, max_size=8))
def test_answers_before_a_request_combine_by_the_rules(decisions: list[Any]) -> None:
    def of(kind: type) -> list[Any]:
        return [decision for decision in decisions if isinstance(decision, kind)]

    everything = said(decisions)
    agree = all(value == values[0] for values in everything.values() for value in values)
    if not (of(Reject) or of(Answer) or agree):
        with pytest.raises(ConfigError):
            combine_requests(named(decisions))
        return
    plan = combine_requests(named(decisions))
    assert plan.reject is (of(Reject)[0].error if of(Reject) else None)
    assert plan.answer is (of(Answer)[0] if of(Answer) else None)
    assert plan.again is next(
        (said for said in decisions if isinstance(said, Redirect | Replay | Wait)), None
    )
    if not (of(Reject) or of(Answer)):
        assert said([plan.amend]) == {key: values[:1] for key, values in everything.items()}


def test_no_decision_at_all_sends_the_request_as_it_is() -> None:
    plan = combine_requests([])
    assert (plan.reject, plan.answer, plan.again, plan.amend) == (None, None, None, Amend())


def test_an_exception_that_is_false_still_rejects() -> None:
    class EmptyError(Exception):
        def __len__(self) -> int:
            return 0

    error = EmptyError()
    assert combine_requests(named([Reject(error), Reject(ValueError())])).reject is error


def test_what_another_asking_follows_is_the_first_that_was_said() -> None:
    assert combine_requests(named([Wait(1, "a"), Redirect("m", "b"), Wait(2, "c")])).again == Wait(1, "a")
    assert combine_requests(named([Redirect("m", "b"), Wait(2, "c")])).again == Redirect("m", "b")


CONTRADICTIONS = [
    (Amend(params={"system": SECRET}), Amend(params={"system": "other"}), "params['system']"),
    (Amend(headers={"X-Key": SECRET}), Amend(headers={"x-key": "other"}), "headers['x-key']"),
    (Amend(stream=True), Amend(stream=False), "Amend['stream']"),
    (Amend(timeout=1), Amend(timeout=2), "Amend['timeout']"),
]


@pytest.mark.parametrize(
    ("one", "other", "what"), CONTRADICTIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_amends_that_contradict_each_other_name_both_plugins_and_no_value(
    one: Amend, other: Amend, what: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        combine_requests([("a", one), ("b", Amend()), ("c", other)])
    assert str(caught.value) == (
        f"plugins 'a' and 'c' set {what} to different values; take one of them out of `plugins`, "
        "or set them alike"
    )


@pytest.mark.parametrize(
    ("one", "other", "what"), CONTRADICTIONS, ids=lambda value: value if isinstance(value, str) else ""
)
@pytest.mark.parametrize("stronger", [Reject(ValueError()), Answer({})], ids=["Reject", "Answer"])
def test_a_contradiction_does_not_matter_where_nothing_is_sent(
    one: Amend, other: Amend, what: str, stronger: Any
) -> None:
    plan = combine_requests(named([one, other, stronger]))
    assert stronger in (plan.answer, Reject(plan.reject) if plan.reject else None), what


def test_amends_that_agree_merge() -> None:
    plan = combine_requests(named([Amend(params={"a": 1}, stream=True), Amend(params={"a": 1, "b": 2})]))
    assert plan.amend == Amend(params={"a": 1, "b": 2}, stream=True)


def test_merging_leaves_the_amends_of_the_plugins_as_they_are() -> None:
    first = Amend(params={"a": 1})
    combine_requests(named([first, Amend(params={"b": 2})]))
    assert first == Amend(params={"a": 1})


# -- combination of `on_error`

failures = st.one_of(st.none(), st.builds(Retry, st.floats(0, 1e6)), st.builds(GiveUp, st.text(max_size=3)))


@given(st.lists(failures, max_size=8))
def test_answers_to_an_error_combine_by_the_rules(decisions: list[Any]) -> None:
    combined = combine_errors(named(decisions))
    given_up = [decision for decision in decisions if isinstance(decision, GiveUp)]
    retries = [decision for decision in decisions if isinstance(decision, Retry)]
    if given_up:
        assert combined is given_up[0]
    elif retries:
        assert isinstance(combined, Retry)
        assert combined.delay == max(retry.delay for retry in retries)
    else:
        assert combined is None


def test_the_longest_of_several_retries_applies_and_of_equal_ones_the_first() -> None:
    retries = [Retry(1), Retry(3), Retry(2), Retry(3)]
    assert combine_errors(named(retries)) is retries[1]


def test_giving_up_wins_over_any_retry() -> None:
    assert combine_errors(named([Retry(9), GiveUp("a"), GiveUp("b"), Retry(9)])) == GiveUp("a")


def test_who_answers_what_is_no_answer_is_told_what_is_one() -> None:
    with pytest.raises(
        PluginError, match=r"str is no answer to on_error; valid here: None, Retry, GiveUp, Of"
    ):
        CallHooks(Hooks()).checked(Implementation("guard", True, print), "on_error", "yes")
    with pytest.raises(
        PluginError, match=r"Offload is no answer to on_chunk; valid here: None, Stop, Cut\. "
    ):
        CallHooks(Hooks()).checked(Implementation("guard", True, print), "on_chunk", Offload(print))


def test_work_that_answers_with_work_has_that_done_too() -> None:
    def ask(_: Any) -> Offload:
        return Offload(lambda: Offload(lambda: GiveUp("r")))

    asking = CallHooks(Hooks()).answer(Implementation("guard", True, ask), "on_error", None)
    inner = asking.send(next(asking).work())
    with pytest.raises(StopIteration) as decided:
        asking.send(inner.work())
    assert decided.value.value == GiveUp("r")


UNFIT = ["yes", 3, True, Stop("r"), Retry, ()]


@pytest.mark.parametrize(
    ("hook", "answer"),
    [
        *(("pre_request", answer) for answer in [*UNFIT, Retry(1), GiveUp("r")]),
        *(
            ("on_error", answer)
            for answer in [*UNFIT, Wait(1, "r"), Amend(), Reject(ValueError()), Answer({})]
        ),
        *(("on_chunk", answer) for answer in ["yes", Retry(1), Stop]),
        *(("post_response", answer) for answer in [True, Stop("r")]),
    ],
    ids=repr,
)
def test_an_unfit_answer_is_the_fault_of_its_plugin(hook: str, answer: Any) -> None:
    with pytest.raises(PluginError) as caught:
        CallHooks(Hooks()).checked(Implementation("guard", True, print), hook, answer)
    assert (caught.value.plugin, caught.value.hook) == ("guard", hook)
    given = f"the class {answer.__name__}" if isinstance(answer, type) else type(answer).__name__
    assert f": {given} is no answer to {hook}" in str(caught.value)


def test_an_unfit_answer_of_a_plugin_that_is_not_required_is_none() -> None:
    hooks = Hooks(on_error=(Implementation("guard", False, print),))
    asked = CallHooks(hooks)
    assert asked.checked(hooks.on_error[0], "on_error", "yes") is None
    assert asked.implementations("on_error") == ()


# -- errors

ERRORS = [
    SeawallError("text"),
    ConfigError("text"),
    PluginError("guard", "on_error", ValueError("text")),
    RequestRejectedError("text"),
    BudgetExceededError("text", budget="team", unit="dollars", limit=50.0, spent=49.0, held=0.5, at_most=1.6),
    DeadlineExceededError("text"),
    StreamStoppedError("guard", "text"),
]


def test_every_error_is_among_those_that_are_pickled_here() -> None:
    kinds = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SeawallError)
    }
    assert kinds == {type(error) for error in ERRORS}


@pytest.mark.parametrize(
    "error",
    ERRORS,
    ids=["SeawallError", "ConfigError", "PluginError", "Rejected", "Budget", "Deadline", "Stopped"],
)
@pytest.mark.parametrize(
    "again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy], ids=["pickle", "copy"]
)
def test_an_error_is_pickled_with_its_message_attributes_and_notes(
    error: SeawallError, again: Callable[[SeawallError], SeawallError]
) -> None:
    error = copy.copy(error)
    error.add_note("a note")
    error.partial_message = {"content": []}  # type: ignore[attr-defined]
    twin = again(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)
    assert twin.__notes__ == ["a note"]


def test_an_error_of_a_subclass_elsewhere_is_pickled_too() -> None:
    twin = pickle.loads(pickle.dumps(OutOfBudgetError(limit=3)))
    assert (str(twin), twin.limit) == ("more than 3", 3)


class OutOfBudgetError(RequestRejectedError):
    def __init__(self, *, limit: int) -> None:
        super().__init__(f"more than {limit}")
        self.limit = limit
