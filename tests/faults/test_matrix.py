"""Every fault on every surface over real sockets: the exact text, or a typed error with what had come."""

import itertools
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import anthropic
import pytest

import seawall
from calls import MESSAGES, SURFACES, Witness, call, plugins
from seawall_testkit import Fault, Simulator
from seawall_testkit.grammar import violations

MIDWAY = 40
"""Events after which a stream of some 300 breaks."""

RECOVERED = {
    "refused connection": Fault("refuse", seconds=0.05),
    "reset before headers": Fault("reset_before_headers"),
    "reset at the first byte": Fault("reset", byte=1),
    "reset mid-stream": Fault("reset", event=MIDWAY),
    "fin mid-stream": Fault("fin", event=MIDWAY),
    "end without stop_reason": Fault("eof", event=MIDWAY),
    "end after message_start": Fault("eof", event=1),
    "end after content_block_start": Fault("eof", event=2),
    "end before message_delta": Fault("eof", event=98),
    "cut inside a frame": Fault("cut_frame", byte=7_001),
    "stall": Fault("stall", event=MIDWAY),
    "stall with pings": Fault("stall_with_pings", event=MIDWAY, seconds=0.02),
    "drip": Fault("drip", byte=30_000),
    "malformed JSON": Fault("malformed_json", event=MIDWAY),
    "invalid UTF-8": Fault("invalid_utf8", event=MIDWAY),
    "200 with HTML": Fault("html"),
    "200 with nothing": Fault("empty"),
    "error event at the start": Fault("error_event", event=0, error_type="overloaded_error"),
    **{
        f"error event {kind}": Fault("error_event", event=MIDWAY, error_type=kind)
        for kind in ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")
    },
    **{f"status {code}": Fault("status", status=code) for code in (500, 502, 503, 504, 529)},
    **{
        f"429 retry-after {value!r}": Fault("status", status=429, retry_after=value)
        for value in ("0", "-1", "soon", "", format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True))
    },
    "429 retry-after-ms": Fault("status", status=429, retry_after_ms="20"),
    "429 retry-after 1": Fault("status", status=429, retry_after="1"),
    "ramp limit": Fault("ramp_limit_exceeded", retry_after="0"),
    "three resets in a row": Fault("reset", event=MIDWAY, times=3),
}

PERMANENT = {
    **{
        f"status {code}": (Fault("status", status=code), error)
        for code, error in {
            400: anthropic.BadRequestError,
            401: anthropic.AuthenticationError,
            402: anthropic.PaymentRequiredError,
            403: anthropic.PermissionDeniedError,
            404: anthropic.NotFoundError,
            413: anthropic.ContentTooLargeError,
            422: anthropic.UnprocessableEntityError,
        }.items()
    },
    "spend cap": (Fault("spend_cap"), anthropic.RateLimitError),
    "429 retry-after beyond max_retry_after": (
        Fault("status", status=429, retry_after="100000"),
        anthropic.RateLimitError,
    ),
    **{
        f"error event {kind}": (Fault("error_event", event=MIDWAY, error_type=kind), error)
        for kind, error in {
            "invalid_request_error": anthropic.BadRequestError,
            "authentication_error": anthropic.AuthenticationError,
            "permission_error": anthropic.PermissionDeniedError,
            "not_found_error": anthropic.NotFoundError,
            "request_too_large": anthropic.ContentTooLargeError,
        }.items()
    },
    "overloaded to the end": (Fault("status", status=529, times=99), anthropic.OverloadedError),
}


def enabled(witness: Witness, name: str = "") -> list[object]:
    # a listener that is closed for a moment needs a backoff that is longer than the moment
    base = 0.05 if name == "refused connection" else 0.001
    # short only where something stalls: elsewhere a busy machine would
    limits = (
        {"idle_timeout": 0.5, "content_timeout": 0.2} if name.startswith("stall") else {"idle_timeout": 60.0}
    )
    return [*plugins(base=base, **limits), witness]


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("name", RECOVERED)
def test_a_transient_fault_ends_in_the_exact_text(
    name: str, mode: str, surface: str, witness: Witness
) -> None:
    with Simulator(faults=[RECOVERED[name]]) as simulator:
        got = call(simulator, mode, surface, enabled(witness, name))
        assert got.text == simulator.text_for(MESSAGES)
        assert violations(got.events) == [] or not got.events
        if got.message is not None:
            assert got.message.stop_reason == "end_turn"
            assert len(got.message.content) == 1
        (outcome,) = witness.outcomes
        assert outcome.status == "completed"
        assert len(outcome.attempts) == len(witness.errors) + 1
        # a refused connection reaches no server
        assert len(simulator.requests) == len(outcome.attempts) or name == "refused connection"


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("name", PERMANENT)
def test_a_permanent_fault_ends_in_its_error_with_what_had_come(
    name: str, mode: str, surface: str, witness: Witness
) -> None:
    fault, error_class = PERMANENT[name]
    with Simulator(faults=[fault]) as simulator:
        with pytest.raises(error_class) as raised:
            call(simulator, mode, surface, enabled(witness))
        text = simulator.text_for(MESSAGES)
    error: Any = raised.value
    if fault.kind == "error_event":
        partial = error.partial_message.content[0].text
        assert partial
        assert text.startswith(partial)
        assert error.usage.output_tokens > 0
    else:
        assert error.partial_message is None
    (outcome,) = witness.outcomes
    assert (outcome.status, outcome.error) == ("failed", error)
    assert len(witness.errors) == len(outcome.attempts)


MODELS = {"user turn": "claude-opus-5-5", "prefill": "claude-haiku-4-5"}


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("misbehaviour", ["exact", "repeat", "preamble", "whitespace", "start_over"])
@pytest.mark.parametrize(("way", "event"), list(itertools.product(MODELS, (30, 63, 95))))
def test_a_continuation_that_misbehaves_still_gives_the_exact_text(  # noqa: PLR0917 - a matrix
    way: str, event: int, misbehaviour: str, mode: str, surface: str, witness: Witness
) -> None:
    faults = [Fault("reset", event=event), Fault("eof", attempt=2, event=6)]
    with Simulator(faults=faults, misbehaviour=misbehaviour, seed=event) as simulator:
        got = call(simulator, mode, surface, enabled(witness), model=MODELS[way])
        assert got.text == simulator.text_for(MESSAGES)
        ways = [request.way for request in simulator.requests]
    if surface != "create":
        assert ways == ["plain", *[way.replace(" ", "_")] * 2]


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_a_different_answer_is_never_mixed_with_what_was_delivered(
    mode: str, surface: str, witness: Witness
) -> None:
    faults = [Fault("reset", event=90)]
    with Simulator(faults=faults, misbehaviour="different") as simulator:
        text = simulator.text_for(MESSAGES)
        try:
            got = call(simulator, mode, surface, enabled(witness))
        except anthropic.APIConnectionError as error:
            assert surface != "create"
            partial: Any = error.__getattribute__("partial_message")
            assert text.startswith(partial.content[0].text)
        else:
            assert surface == "create"
            assert got.text == text


BARREN = {
    "a break after the head": {"faults": [Fault("malformed_json", attempt=2, event=1, times=99)]},
    "a different answer": {"misbehaviour": "different"},
    "a start-over that breaks": {
        "faults": [Fault("eof", attempt=2, event=30, times=99)],
        "misbehaviour": "start_over",
    },
}


@pytest.mark.parametrize("name", BARREN)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_continuations_that_bring_nothing_on_are_failures_in_a_row(
    name: str, mode: str, witness: Witness
) -> None:
    barren = {"faults": [], **BARREN[name]}
    barren["faults"] = [Fault("eof", event=60), *barren["faults"]]
    with Simulator(**barren) as simulator:
        with pytest.raises(anthropic.APIError) as raised:
            call(simulator, mode, "stream=True", enabled(witness))
        assert "max_attempts = 6 is used up" in raised.value.__notes__[0]
        assert len(simulator.requests) == 1 + 6


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_answer_that_has_had_its_max_tokens_is_not_continued_for_ever(mode: str, witness: Witness) -> None:
    # what goes on is asked for 256 tokens at least, which this connection never lets through
    with Simulator(answer_tokens=100_000, faults=[Fault("eof", event=60, times=999)]) as simulator:
        with pytest.raises(anthropic.APIError) as raised:
            call(simulator, mode, "stream=True", enabled(witness), max_tokens=500)
        assert "max_attempts = 6 is used up" in raised.value.__notes__[0]
        partial: Any = seawall.partial_message(raised.value)
        assert simulator.text_for(MESSAGES, max_tokens=5_000).startswith(partial.content[0].text)
        assert partial.usage.output_tokens > 500


SMALL = {
    "reset": Fault("reset", byte=300),
    "fin": Fault("fin", byte=300),
    "shorter than it says": Fault("truncated_json", byte=300),
    "200 with HTML": Fault("html"),
    "malformed JSON": Fault("malformed_json", byte=300),
    "reset before headers": Fault("reset_before_headers"),
    "529": Fault("status", status=529),
}


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("name", SMALL)
def test_a_call_too_small_to_be_streamed_survives_as_well(name: str, mode: str, witness: Witness) -> None:
    with Simulator(faults=[SMALL[name]]) as simulator:
        got = call(simulator, mode, "create", enabled(witness), max_tokens=1000)
        assert got.text == simulator.text_for(MESSAGES, max_tokens=1000)
        assert [request.stream for request in simulator.requests] == [False, False]
    assert [outcome.status for outcome in witness.outcomes] == ["completed"]
