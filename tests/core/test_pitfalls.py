"""The eleven pitfalls of the SDK's middleware (SDK.md, section 3), one test or more for each."""

import datetime as dt
import threading

import anthropic
import httpx2
import pydantic
import pytest
from anthropic.types import Message
from anthropic.types.beta import BetaMessage

import seawall
from calls import MESSAGES, MODEL, plugins
from seawall.exchange import Exchange
from seawall.frames import frame_of
from seawall.steps import Send
from seawall_testkit import Fault, Simulator

LARGE = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES}


def client_of(simulator, *more, **options):
    bare = anthropic.Anthropic(base_url=simulator.base_url, api_key="test", **options)
    return seawall.protect(bare, plugins=[*plugins(), *more])


def client_of_body(body, *more, content_type="text/event-stream"):
    """A protected client whose every answer is `body`."""

    def answer(request):
        return httpx2.Response(200, headers={"content-type": content_type}, content=body)

    http_client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return seawall.protect(
        anthropic.Anthropic(api_key="test", http_client=http_client), plugins=[*plugins(), *more]
    )


def test_p1_an_error_status_behind_a_raw_response_type_is_raised():
    with Simulator() as simulator, client_of(simulator) as client, pytest.raises(anthropic.NotFoundError):
        client.get("/v1/nothing", cast_to=httpx2.Response)


def test_p1_a_message_asked_for_as_a_raw_response_is_retried_and_returned():
    with Simulator(faults=[Fault("status", status=500)]) as simulator, client_of(simulator) as client:
        response = client.post("/v1/messages", body={**LARGE, "max_tokens": 1000}, cast_to=httpx2.Response)
        assert response.status_code == 200
        assert response.json()["content"][0]["text"] == simulator.text_for(MESSAGES)
        assert [request.status for request in simulator.requests] == [500, 200]


def test_p1_a_large_message_asked_for_as_a_raw_response_is_json_all_the_same():
    with Simulator() as simulator, client_of(simulator) as client:
        response = client.post("/v1/messages", body=LARGE, cast_to=httpx2.Response)
        assert response.json()["content"][0]["text"] == simulator.text_for(MESSAGES)
        assert [request.stream for request in simulator.requests] == [True]


def test_p2_a_large_call_that_does_not_stream_is_not_refused_by_the_sdk():
    with Simulator() as simulator, anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
        with pytest.raises(ValueError, match="Streaming is required"):
            bare.messages.create(**LARGE)
        assert seawall.protect(bare, plugins=plugins()).messages.create(**LARGE).stop_reason == "end_turn"


def test_p2_a_timeout_of_the_callers_own_is_kept():
    bare = anthropic.Anthropic(api_key="test", timeout=17.0)
    assert seawall.protect(bare, plugins=plugins()).timeout == 17.0


def test_p3_closing_a_stream_that_was_never_iterated_frees_its_connection(witness):
    with Simulator(faults=[Fault("stall", event=20)]) as simulator, client_of(simulator, witness) as client:
        stream = client.messages.create(stream=True, **LARGE)
        simulator.wait_until(lambda: simulator.active_responses == 1)
        stream.close()
        simulator.wait_until(lambda: simulator.active_responses == 0 and simulator.open_connections == 0)
        assert [outcome.status for outcome in witness.outcomes] == ["abandoned"]


def test_p4_closing_from_another_thread_wakes_the_reader_and_ends_the_call(witness):
    with Simulator(faults=[Fault("stall", event=20)]) as simulator, client_of(simulator, witness) as client:
        stream = client.messages.create(stream=True, **LARGE)
        reading = threading.Event()
        ended = []

        def read():
            try:
                for _ in stream:
                    reading.set()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at below
                ended.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        reading.wait(5)
        simulator.wait_until(lambda: simulator.requests[0].events_sent >= 20)
        stream.close()
        reader.join(5)
        assert not reader.is_alive()
        simulator.wait_until(lambda: simulator.open_connections == 0)
        assert [outcome.status for outcome in witness.outcomes] == ["abandoned"]
        assert len(simulator.requests) == 1


class City(pydantic.BaseModel):
    name: str
    people: int


@pytest.mark.parametrize("fault", [None, Fault("reset", event=6)])
def test_p5_a_parsed_message_is_parsed_although_it_was_streamed(fault):
    with Simulator(faults=[fault] if fault else []) as simulator, client_of(simulator) as client:
        parsed = client.messages.parse(output_format=City, **LARGE)
        assert isinstance(parsed.parsed_output, City)
        assert {request.stream for request in simulator.requests} == {True}


def test_p6_attempts_are_not_multiplied_by_the_sdk():
    with Simulator(faults=[Fault("status", status=529, times=99)]) as simulator:
        with client_of(simulator, max_retries=2) as client, pytest.raises(anthropic.OverloadedError):
            client.messages.create(**LARGE)
        counts = [request.headers["x-stainless-retry-count"] for request in simulator.requests]
        assert counts == ["0", "1", "2", "3", "4", "5"]


def test_p6_retries_the_caller_turns_on_again_are_spoken_of(caplog):
    with Simulator(faults=[Fault("status", status=429, times=99, retry_after_ms="1")]) as simulator:
        client = client_of(simulator).with_options(max_retries=1)
        with client, pytest.raises(anthropic.RateLimitError):
            client.messages.create(**LARGE)
    assert "max_retries at 0" in caplog.text


def test_p7_the_body_is_not_copied_in_depth():
    client = anthropic.Anthropic(api_key="test")
    options = anthropic._models.FinalRequestOptions(method="post", url="/v1/messages", json_data=dict(LARGE))
    request = anthropic.APIRequest(options=options, cast_to=Message)
    derived = Exchange(request, client, is_async=False).derived(
        Send(request.json, stream=True, retries=0, timeout=1.0, headers={})
    )
    assert derived.json["messages"] is MESSAGES
    assert request.json == LARGE
    assert (request.stream, derived.stream) == (False, True)


def test_p7_the_params_of_the_caller_are_not_changed():
    messages = [{"role": "user", "content": [{"type": "text", "text": "Write."}]}]
    params = {"model": "claude-haiku-4-5", "max_tokens": 64_000, "messages": messages}
    with Simulator(faults=[Fault("eof", event=80)]) as simulator, client_of(simulator) as client:
        client.messages.create(**params)
    assert params["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Write."}]}]


def test_p8_usage_after_a_splice_is_the_sum_over_the_attempts():
    with Simulator(faults=[Fault("eof", event=90)]) as simulator, client_of(simulator) as client:
        usage = client.messages.create(**LARGE).usage
        first, last = usage.to_dict()["iterations"]
        assert usage.output_tokens == first["output_tokens"] + last["output_tokens"]
        assert usage.input_tokens == first["input_tokens"] + last["input_tokens"]
        assert last["output_tokens"] == simulator.requests[1].output_tokens
        # what a broken stream generated is not told, so it is estimated
        assert first["output_tokens"] == pytest.approx(simulator.requests[0].output_tokens, rel=0.5)


def streamed(*frames):
    return "".join(frames).encode()


START = frame_of(
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    }
).decode()
TEXT = b"".join(
    frame_of(event)
    for event in (
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
    )
).decode()
ENDING = {"stop_reason": "end_turn", "stop_sequence": None}
END = frame_of({"type": "message_delta", "delta": ENDING, "usage": {"output_tokens": 2}}).decode()
STOP = 'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@pytest.mark.parametrize("last", [STOP, STOP.rstrip("\n"), STOP.rstrip("\n") + "\n", STOP[:20], ""])
def test_p9_a_message_with_its_stop_reason_is_whole_however_the_stream_ends(last, witness):
    client = client_of_body(streamed(START, TEXT, END, last), witness)
    assert client.messages.create(**LARGE).content[0].text == "Hi"
    with client.messages.stream(**LARGE) as stream:
        kinds = [event.type for event in stream]
    assert kinds.count("message_stop") == (0 if last.startswith(STOP.rstrip("\n")) and last != STOP else 1)
    assert [outcome.status for outcome in witness.outcomes] == ["completed", "completed"]
    assert witness.errors == []


def test_p9_a_stream_without_a_stop_reason_is_a_failure(witness):
    client = client_of_body(streamed(START, TEXT), witness)
    with pytest.raises(seawall.TruncatedStreamError) as raised:
        client.messages.create(**LARGE)
    assert raised.value.partial_message.content[0].text == "Hi"
    assert len(witness.errors) == 6


def test_p10_beta_calls_come_back_as_beta_types():
    with Simulator(faults=[Fault("reset", event=50)]) as simulator, client_of(simulator) as client:
        message = client.beta.messages.create(**LARGE)
        assert isinstance(message, BetaMessage)
        assert message.content[0].text == simulator.text_for(MESSAGES)
        assert [request.stream for request in simulator.requests] == [True, True]


def test_p10_an_error_of_a_beta_call_carries_a_beta_message():
    fault = Fault("error_event", event=50, error_type="invalid_request_error")
    with Simulator(faults=[fault]) as simulator, client_of(simulator) as client:
        with pytest.raises(anthropic.BadRequestError) as raised:
            client.beta.messages.create(**LARGE)
        assert isinstance(raised.value.partial_message, BetaMessage)


def test_p11_a_synthetic_response_knows_how_long_it_took():
    with Simulator() as simulator, client_of(simulator) as client:
        raw = client.messages.with_raw_response.create(**LARGE)
        assert isinstance(raw.elapsed, dt.timedelta)
        assert raw.headers["content-type"] == "application/json"
        assert raw.request_id == raw.parse()._request_id
        with client.messages.with_streaming_response.create(stream=True, **LARGE) as response:
            for _ in response.iter_bytes():
                pass
            assert isinstance(response.elapsed, dt.timedelta)


def test_p11_fields_the_sdk_does_not_know_pass_verbatim():
    body = streamed(
        ": a comment\n\n", "id: 7\nretry: 10\n" + START, TEXT, "event: news\ndata: {}\n\n", END, STOP
    )
    client = client_of_body(body)
    with client.messages.with_streaming_response.create(stream=True, **LARGE) as response:
        assert b"".join(response.iter_bytes()) == body


def test_p11_a_byte_order_mark_hides_no_event_from_the_sdk():
    client = client_of_body(streamed("\ufeff", START, TEXT, END, STOP))
    with client.messages.stream(**LARGE) as stream:
        assert stream.get_final_message().content[0].text == "Hi"
