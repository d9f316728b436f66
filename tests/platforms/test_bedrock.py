"""What only Bedrock has: a binary stream with checksums, exceptions of its own in it, and botocore."""

import json
import subprocess
import sys
from typing import Any

import anthropic
import pytest

import seawall
from calls import MESSAGES, SURFACES, Witness, plugins
from platforms import eventstream
from platforms.clients import PLATFORMS, call, run
from platforms.gateway import Gateway
from seawall.frames import FrameBuffer, events_of, frame_of, parse
from seawall_testkit import Fault, Simulator

BEDROCK = PLATFORMS["Bedrock"]
TEXT = "Calm sea, light wind, all well."
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 9},
}
EVENTS = list(events_of(MESSAGE))


def stream(events: list[dict[str, Any]], **dump: Any) -> bytes:
    return b"".join(eventstream.chunk(json.dumps(event, **dump).encode()) for event in events)


def damaged(message: bytes) -> bytes:
    """The message with one bit of its payload turned, so that no checksum holds."""
    place = len(message) - 10
    return message[:place] + bytes([message[place] ^ 1]) + message[place + 1 :]


def enabled(witness: Witness) -> list[object]:
    return [*plugins(idle_timeout=60.0), witness]


BROKEN = {
    "a checksum that does not hold": damaged(stream(EVENTS[2:3])),
    "a prelude that is none": b"\xff" * 64,
    "a chunk without bytes": eventstream.message(
        {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}, b"{}"
    )
    + eventstream.chunk(b"[]"),
    "a payload that is no object": eventstream.chunk(b'"Calm sea"'),
    "a payload that is no UTF-8": eventstream.chunk(b'{"type": "\xff"}'),
    "an error of no known shape": eventstream.chunk(b'{"type": "error", "error": "overloaded"}'),
    "an exception without a model": eventstream.message(
        {":message-type": "error", ":error-code": "InternalError", ":error-message": "Sorry."}, b""
    ),
    "half a message": stream(EVENTS[2:3])[:60],
}


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_decoded_breaks_the_stream_and_nothing_is_lost(
    name: str, mode: str, surface: str, witness: Witness
) -> None:
    with Simulator(answer=TEXT) as simulator, Gateway(BEDROCK.dialect(), simulator) as gateway:
        gateway.answers = [stream(EVENTS[:2]) + BROKEN[name] + stream(EVENTS[3:])]
        got = call(BEDROCK, mode, surface, gateway, enabled(witness))
    assert got.text == TEXT
    assert [isinstance(error, anthropic.APIError) for error in witness.errors] == [True]
    assert len(gateway.seen) == 2


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_line_ends_in_an_event_are_white_space(mode: str, surface: str, witness: Witness) -> None:
    with Simulator() as simulator, Gateway(BEDROCK.dialect(), simulator) as gateway:
        gateway.answers = [stream(EVENTS, indent=2).replace(b"\n", b"\r\n")]
        got = call(BEDROCK, mode, surface, gateway, enabled(witness))
    assert got.text == TEXT
    assert witness.errors == []


TRANSIENT = (
    "throttlingException",
    "internalServerException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "serviceUnavailableException",
)


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("kind", TRANSIENT)
def test_an_exception_in_the_stream_that_may_pass_is_retried(
    kind: str, mode: str, surface: str, witness: Witness
) -> None:
    with Simulator(answer=TEXT) as simulator, Gateway(BEDROCK.dialect(), simulator) as gateway:
        gateway.answers = [stream(EVENTS[:2]) + eventstream.exception(kind, "Later.")]
        got = call(BEDROCK, mode, surface, gateway, enabled(witness))
    assert got.text == TEXT
    (error,) = witness.errors
    assert isinstance(error, anthropic.APIStatusError)
    assert error.type == kind
    assert "Later." in str(error)


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_a_validation_exception_in_the_stream_is_final(mode: str, surface: str, witness: Witness) -> None:
    with Simulator() as simulator, Gateway(BEDROCK.dialect(), simulator) as gateway:
        gateway.answers = [stream(EVENTS[:3]) + eventstream.exception("validationException", "Too long.")]
        with pytest.raises(anthropic.APIStatusError, match=r"Too long\.") as raised:
            call(BEDROCK, mode, surface, gateway, enabled(witness))
        assert len(gateway.seen) == 1
    error: Any = raised.value
    assert error.partial_message.content[0].text == TEXT


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_several_faults_in_a_row_are_survived(mode: str, surface: str, witness: Witness) -> None:
    faults = [Fault("reset", event=40), Fault("eof", attempt=2, event=9), Fault("fin", attempt=3, event=12)]
    with Simulator(faults=faults) as simulator, Gateway(BEDROCK.dialect(), simulator) as gateway:
        got = call(BEDROCK, mode, surface, gateway, enabled(witness))
        assert got.text == simulator.text_for(MESSAGES)
    assert len(gateway.seen) == 4


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_an_inference_profile_needs_no_model_in_its_name(mode: str, surface: str, witness: Witness) -> None:
    profile = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/harbour"
    faults = [Fault("reset", event=90)]
    with Simulator(faults=faults) as simulator, Gateway(BEDROCK.dialect(), simulator) as gateway:
        got = call(BEDROCK, mode, surface, gateway, enabled(witness), model=profile)
        assert got.text == simulator.text_for(MESSAGES)
        assert simulator.requests[1].way == "user_turn"


@pytest.mark.parametrize("faults", [[], [Fault("reset", event=40)]])
def test_a_raw_response_reads_as_server_sent_events(faults: list[Fault], witness: Witness) -> None:
    params: Any = {"model": BEDROCK.model, "max_tokens": 64_000, "messages": MESSAGES, "stream": True}
    with Simulator(faults=faults) as simulator, Gateway(BEDROCK.dialect(), simulator) as gateway:

        def read(bare: Any) -> bytes:
            client = seawall.protect(bare, plugins=enabled(witness))
            with client.messages.with_streaming_response.create(**params) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                return b"".join(response.iter_bytes())

        body = run(BEDROCK, "sync", gateway, read)
        events = [event for frame in FrameBuffer().feed(body) if (event := parse(frame)[1])]
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        assert "".join(delta["text"] for delta in deltas) == simulator.text_for(MESSAGES)


WITHOUT = """
import sys
for name in ("boto3", "botocore", "google", "google.auth"):
    sys.modules[name] = None
import anthropic
import seawall
"""


def run_without(script: str) -> None:
    """Run a script in an interpreter that has neither botocore nor google-auth."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_neither_botocore_nor_google_auth_is_needed_to_protect_a_client() -> None:
    run_without(
        "seawall.protect(anthropic.Anthropic(api_key='k'))\n"
        "seawall.protect(anthropic.AnthropicBedrock(api_key='k', aws_region='eu-central-1'))\n"
        "seawall.protect(anthropic.AnthropicVertex(region='eu', project_id='p', access_token='t'))\n"
    )


def test_a_call_that_is_not_streamed_needs_botocore_no_more_than_the_bare_client() -> None:
    with Simulator() as simulator, Gateway(BEDROCK.dialect(), simulator) as gateway:
        run_without(
            f"url = {gateway.base_url!r}\n"
            "bare = anthropic.AnthropicBedrock(api_key='k', aws_region='eu', base_url=url)\n"
            f"params = dict(model={BEDROCK.model!r}, max_tokens=1000, messages={MESSAGES!r})\n"
            "assert seawall.protect(bare).messages.create(**params).stop_reason\n"
        )


class Answering:
    """A plugin that answers itself, from frames or with a whole message."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    @seawall.hookimpl(tryfirst=True)
    def pre_request(self) -> Any:
        return self.answers.pop(0) if self.answers else None


LONG = " ".join(f"On day {day} the sea was calm." for day in range(60))
LONG_MESSAGE = {**MESSAGE, "content": [{"type": "text", "text": LONG}]}
FRAMES = [frame_of(event) for event in events_of(LONG_MESSAGE)]
ANSWERS = {
    "a message": seawall.Answer(LONG_MESSAGE),
    "all frames of an earlier process": seawall.Replay([seawall.EarlierAttempt("send", FRAMES)]),
    "some frames of an earlier process": seawall.Replay([seawall.EarlierAttempt("send", FRAMES[:3])]),
}


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_plugin_answers_reaches_the_caller(name: str, mode: str, surface: str) -> None:
    with Simulator(answer=LONG) as simulator, Gateway(BEDROCK.dialect(), simulator) as gateway:
        got = call(BEDROCK, mode, surface, gateway, [*plugins(), Answering(ANSWERS[name])])
        ways = [request.way for request in simulator.requests]
    assert got.text == LONG
    assert ways == (["user_turn"] if "some" in name else [])
