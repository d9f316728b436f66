"""Protected clients from outside: what `protect` returns, what passes, what plugins can make of a call."""

import gc
import threading
import weakref
from datetime import date

import anthropic
import httpx2
import pytest
from anthropic.types import Message

import seawall
import seawall.state
from calls import MESSAGES, MODEL, SURFACES, Witness, call, plugins
from seawall.frames import events_of, frame_of
from seawall.registry import configured_store
from seawall.state import READ, Step
from seawall_testkit import Fault, Limits, Simulator

LARGE = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES}
HAIKU = {"model": "claude-haiku-4-5"}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": '{"name": "Ys", "people": 0}'}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 4},
}


def bare(simulator, **options):
    return anthropic.Anthropic(base_url=simulator.base_url, api_key="test", **options)


@pytest.mark.parametrize("client_class", [anthropic.Anthropic, anthropic.AsyncAnthropic])
def test_protect_returns_the_same_type_and_leaves_the_given_client_as_it_is(client_class):
    client = client_class(api_key="test", max_retries=7)
    protected = seawall.protect(client, plugins=plugins())
    assert type(protected) is client_class
    assert (client.middleware, client.max_retries) == ((), 7)
    assert protected.max_retries == 0


@pytest.mark.parametrize("client", [None, anthropic, httpx2.Client, anthropic.Anthropic])
def test_what_is_no_client_is_refused(client):
    with pytest.raises(TypeError, match="takes a client of the anthropic SDK"):
        seawall.protect(client)


def test_a_finished_call_is_freed_without_the_garbage_collector():
    texts = []

    class Keeping:
        @seawall.hookimpl
        def post_response(self, call):
            texts.append(weakref.ref(call))

    gc.disable()
    try:
        with Simulator() as simulator, bare(simulator) as client:
            seawall.protect(client, plugins=[*plugins(), Keeping()]).messages.create(**LARGE)
        assert texts[0]() is None
    finally:
        gc.enable()


class Timing:
    def __init__(self):
        self.timeouts = []

    @seawall.hookimpl
    def pre_request(self, call):
        self.timeouts.append(call.timeout)


@pytest.mark.parametrize(
    ("of_client", "of_call", "seen"),
    [
        ({}, {}, None),
        ({"timeout": 30.0}, {}, 30.0),
        ({"timeout": None}, {}, None),
        ({"timeout": httpx2.Timeout(9.0, read=7.0)}, {}, 7.0),
        ({"timeout": 30.0}, {"timeout": 5}, 5),
        ({}, {"timeout": None}, None),
        ({}, {"timeout": httpx2.Timeout(9.0, read=None)}, None),
    ],
)
def test_a_plugin_sees_the_timeout_that_the_caller_chose(of_client, of_call, seen):
    timing = Timing()
    with Simulator() as simulator, bare(simulator, **of_client) as client:
        seawall.protect(client, plugins=[*plugins(), timing]).messages.create(**LARGE, **of_call)
    assert timing.timeouts == [seen]


class Sent(anthropic.Middleware):
    def __init__(self):
        self.timeouts = []

    def handle(self, request, call_next):
        self.timeouts.append(request.timeout)
        return call_next(request)


@pytest.mark.parametrize(
    ("of_client", "of_call", "connect"),
    [
        ({}, {}, 5.0),
        ({"timeout": None}, {}, 5.0),
        ({"timeout": httpx2.Timeout(None, connect=30.0)}, {}, 30.0),
        ({"timeout": httpx2.Timeout(None, connect=300.0)}, {}, 60.0),
        ({}, {"timeout": httpx2.Timeout(None, connect=2.0)}, 2.0),
        ({"timeout": httpx2.Timeout(None, connect=30.0)}, {"timeout": None}, 5.0),
    ],
)
def test_an_idle_timeout_leaves_the_caller_its_own_time_to_connect(of_client, of_call, connect):
    sent = Sent()
    with Simulator() as simulator, bare(simulator, middleware=[sent], **of_client) as client:
        seawall.protect(client, plugins=plugins(idle_timeout=60.0)).messages.create(**LARGE, **of_call)
    assert sent.timeouts == [httpx2.Timeout(60.0, connect=connect)]


def test_protecting_twice_is_protecting_anew():
    client = seawall.protect(anthropic.Anthropic(api_key="test"), plugins=plugins())
    assert len(seawall.protect(client, plugins=plugins()).middleware) == 1


def test_other_calls_pass_untouched_and_unseen(witness):
    with Simulator() as simulator, bare(simulator) as client:
        protected = seawall.protect(client, plugins=[*plugins(), witness])
        assert protected.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 0
        assert protected.models.list().data
        assert witness.outcomes == []


def test_middleware_of_the_clients_own_runs_inside_once_per_attempt():
    seen = []

    def count(request, call_next):
        seen.append(request.stream)
        return call_next(request)

    with (
        Simulator(faults=[Fault("reset", event=50)]) as simulator,
        bare(simulator, middleware=[count]) as client,
    ):
        seawall.protect(client, plugins=plugins()).messages.create(**LARGE)
    assert seen == [True, True]


def test_a_value_that_other_middleware_answers_with_is_handed_on(witness):
    cached = Message.construct(**MESSAGE)
    client = anthropic.Anthropic(api_key="test", middleware=[lambda _request, _call_next: cached])
    protected = seawall.protect(client, plugins=[witness])
    assert protected.messages.create(**LARGE) is cached
    assert [outcome.status for outcome in witness.outcomes] == ["completed"]


def test_an_exception_of_other_middleware_ends_the_call(witness):
    def fail(request, call_next):
        raise LookupError("not found")

    client = anthropic.Anthropic(api_key="test", middleware=[fail])
    with pytest.raises(LookupError):
        seawall.protect(client, plugins=[witness]).messages.create(**LARGE)
    assert [outcome.status for outcome in witness.outcomes] == ["abandoned"]


class Answering:
    name = "answering"

    @seawall.hookimpl
    def pre_request(self):
        return seawall.Answer(MESSAGE)


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_a_plugin_can_answer_on_every_surface(mode, surface):
    with Simulator() as simulator:
        got = call(simulator, mode, surface, [Answering()])
        assert got.text == MESSAGE["content"][0]["text"]
        assert simulator.requests == []


class AnsweringLate(Answering):
    """Answers once the first attempt has failed."""

    @seawall.hookimpl
    def pre_request(self, call):
        return seawall.Answer(MESSAGE) if call.attempt > 1 else None


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("status", [429, 529])
def test_a_plugin_can_answer_after_the_server_refused(mode, surface, status, witness):
    with Simulator(faults=[Fault("status", status=status, retry_after="0")]) as simulator:
        got = call(simulator, mode, surface, [*plugins(), AnsweringLate(), witness])
    assert got.text == MESSAGE["content"][0]["text"]
    assert [outcome.status for outcome in witness.outcomes] == ["completed"]


def test_an_answer_after_the_server_refused_has_nothing_of_the_refusal():
    fault = Fault("status", status=429, retry_after="0")
    with Simulator(faults=[fault]) as simulator, bare(simulator) as client:
        protected = seawall.protect(client, plugins=[*plugins(), AnsweringLate()])
        raw = protected.messages.with_raw_response.create(**LARGE)
    assert (raw.status_code, raw.parse().content[0].text) == (200, MESSAGE["content"][0]["text"])
    assert "retry-after" not in raw.headers


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_an_answer_is_not_taken_by_a_caller_that_has_a_part_of_another(mode, surface, caplog):
    with Simulator(faults=[Fault("reset", event=40)]) as simulator:
        got = call(simulator, mode, surface, [*plugins(), AnsweringLate()])
        whole = simulator.text_for(MESSAGES)
    waits = surface == "create"
    assert got.text == (MESSAGE["content"][0]["text"] if waits else whole)
    assert ("'answering' is not taken" in caplog.text) is not waits


def test_an_answer_of_a_plugin_has_what_raw_and_parsed_callers_expect():
    client = seawall.protect(anthropic.Anthropic(api_key="test"), plugins=[Answering()])
    raw = client.messages.with_raw_response.create(**LARGE)
    assert (raw.status_code, raw.parse().content[0].text) == (200, MESSAGE["content"][0]["text"])
    with client.messages.with_streaming_response.create(stream=True, **LARGE) as response:
        assert b"".join(response.iter_bytes()) == b"".join(frame_of(event) for event in events_of(MESSAGE))


@pytest.mark.parametrize("stream", [False, True])
def test_a_gateway_that_does_not_stream_although_asked_to_is_understood(stream, witness):
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, json=MESSAGE))
    client = anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=transport))
    protected = seawall.protect(client, plugins=[*plugins(), witness])
    if stream:
        with protected.messages.stream(**LARGE) as running:
            message = running.get_final_message()
    else:
        message = protected.messages.create(**LARGE)
    assert message.content[0].text == MESSAGE["content"][0]["text"]
    assert witness.errors == []


def test_headers_that_a_plugin_adds_are_sent():
    class Adding:
        @seawall.hookimpl
        def pre_request(self):
            return seawall.Amend(headers={"x-purpose": "report"})

    with Simulator() as simulator, bare(simulator) as client:
        protected = seawall.protect(client, plugins=[*plugins(), Adding()])
        protected.messages.create(**LARGE, extra_headers={"x-own": "1"})
        headers = simulator.requests[0].headers
    assert (headers["x-purpose"], headers["x-own"]) == ("report", "1")


LOOP = []
LOOP.append(LOOP)


class Amending:
    """Puts something into the body."""

    name = "amending"

    def __init__(self, **params):
        self.params = params

    @seawall.hookimpl
    def pre_request(self):
        return seawall.Amend(params=self.params)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "Object of type object is not JSON serializable"),
        (b"bytes", "Object of type bytes is not JSON serializable"),
        ({("a", "b"): 1}, "keys must be str, int, float, bool or None, not tuple"),
        (float("nan"), "Out of range float values are not JSON compliant"),
        ("\ud800", "surrogates not allowed"),
        (LOOP, "Circular reference detected"),
    ],
    ids=["object", "bytes", "key", "nan", "surrogate", "loop"],
)
@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_what_cannot_be_sent_as_json_is_the_fault_of_the_plugin_that_amends_it(
    mode, surface, value, why, witness
):
    enabled = [*plugins(), witness, Amending(metadata={"user_id": value})]
    with Simulator() as simulator:
        with pytest.raises(seawall.PluginError) as raised:
            call(simulator, mode, surface, enabled)
        assert simulator.requests == []
    assert (raised.value.plugin, raised.value.hook) == ("amending", "pre_request")
    said = str(raised.value)
    assert said.startswith("plugin 'amending' failed in pre_request: ValueError: Amend.params['metadata'] is")
    assert why in said
    assert "Mend it, or take it out" in said
    assert [outcome.status for outcome in witness.outcomes] == ["failed"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_plugin_that_is_not_required_is_left_out_when_what_it_amends_cannot_be_sent(mode):
    broken, whole = Amending(metadata={"user_id": b"bytes"}), Amending(stop_sequences=["one"])
    broken.required, whole.name = False, "other"
    with Simulator() as simulator:
        call(simulator, mode, "create", [broken, whole, *plugins()])
        body = simulator.requests[0].body
    assert (body["stop_sequences"], "metadata" in body) == (["one"], False)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_plugin_may_amend_whatever_the_sdk_can_write(mode):
    day, amended = date(2026, 11, 29), {"stop_sequences": {"one"}}
    with Simulator() as simulator:
        call(simulator, mode, "create", [*plugins(), Amending(metadata={"user_id": day}, **amended)])
        body = simulator.requests[0].body
    assert (body["stop_sequences"], body["metadata"]) == (["one"], {"user_id": "2026-11-29"})


class Offloading:
    """Does everything as work that may block."""

    name = "offloading"

    def __init__(self):
        self.threads = set()

    def work(self):
        self.threads.add(threading.current_thread())

    def offload(self):
        return seawall.Offload(self.work)

    @seawall.hookimpl
    def pre_request(self):
        return self.offload()

    @seawall.hookimpl
    def on_error(self):
        return self.offload()

    @seawall.hookimpl
    def post_response(self):
        return self.offload()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_work_that_may_block_leaves_the_event_loop_alone(mode):
    plugin = Offloading()
    with Simulator(faults=[Fault("reset", event=50)]) as simulator:
        call(simulator, mode, "create", [*plugins(), plugin])
    assert (threading.main_thread() in plugin.threads) == (mode == "sync")
    assert plugin.threads


class OnceStreamed:
    """Has the first attempt of a call streamed, as a probe of the circuit is, and no other."""

    def __init__(self):
        self.outcome = None

    @seawall.hookimpl
    def pre_request(self, call):
        return seawall.Amend(stream=True) if call.attempt == 1 else None

    @seawall.hookimpl
    def post_response(self, outcome):
        self.outcome = outcome


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_what_goes_on_with_a_message_is_streamed_though_no_hook_asks_for_it(mode):
    plugin = OnceStreamed()
    with Simulator(faults=[Fault("reset", event=50)], answer_tokens=600, tokens_per_event=8) as simulator:
        got = call(simulator, mode, "create", [*plugins(), plugin], max_tokens=1000)
        whole = simulator.text_for(MESSAGES)
    assert got.text == whole
    assert [attempt.continues for attempt in plugin.outcome.attempts] == [False, True]
    assert plugin.outcome.message["content"] == [{"type": "text", "text": whole}]


class History(Witness):
    """All that a plugin can see of a call."""

    def __init__(self):
        super().__init__()
        self.seen = []

    @seawall.hookimpl
    def pre_request(self, call):
        self.seen.append(("pre_request", call.attempt, call.attempts[-1].way))

    @seawall.hookimpl
    def on_chunk(self, call, chunk):
        self.seen.append(("on_chunk", chunk.type, chunk.text))

    @seawall.hookimpl
    def on_error(self, error):
        self.seen.append(("on_error", type(error).__name__))

    @seawall.hookimpl
    def post_response(self, outcome):
        self.seen.append(("post_response", outcome.status, outcome.usage, outcome.message["content"]))


@pytest.mark.parametrize("surface", ["create", "stream=True", "messages.stream()"])
@pytest.mark.parametrize("kind", ["reset", "eof", "malformed_json", "error_event"])
def test_both_drivers_give_a_plugin_the_same_history(kind, surface):
    histories = []
    for mode in ("sync", "async"):
        history = History()
        faults = [
            Fault("status", status=529),
            Fault(kind, attempt=2, event=70),
            Fault("eof", attempt=3, event=9),
        ]
        with Simulator(faults=faults, seed=3) as simulator:
            call(simulator, mode, surface, [*plugins(), history])
        histories.append(history.seen)
    assert histories[0] == histories[1]
    assert len(histories[0]) > 100


@pytest.mark.parametrize("kind", ["reset", "eof", "stall"])
def test_an_agent_whose_stream_breaks_in_every_turn_runs_each_tool_once(kind):
    looked_up = []

    @anthropic.beta_tool
    def look_up(name: str, year: int) -> str:
        """Look a ship up.

        Args:
            name: The ship's name.
            year: The year it was built.
        """
        looked_up.append((name, year))
        return "A brig."

    faults = [Fault(kind, event=9), Fault(kind, attempt=3, event=50)]
    with Simulator(faults=faults) as simulator, bare(simulator) as client:
        protected = seawall.protect(client, plugins=plugins(idle_timeout=0.3))
        runner = protected.beta.messages.tool_runner(
            thread=False, tools=[look_up], tool_choice={"type": "any"}, **LARGE | HAIKU
        )
        message = runner.until_done()
    assert message.stop_reason == "end_turn"
    assert len(looked_up) == 1
    assert {request.stream for request in simulator.requests} == {True}


BUSY = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def transport_of(*statuses):
    """Answers count_tokens with these statuses, one after another."""
    left = list(statuses)

    def answer(request):
        status = left.pop(0)
        body = {"input_tokens": 7} if status == 200 else BUSY
        return httpx2.Response(status, json=body, headers={"retry-after-ms": "1"})

    return httpx2.MockTransport(answer), left


@pytest.mark.parametrize("statuses", [(529, 200), (500, 429, 200)])
def test_other_calls_keep_the_retries_of_the_sdk(statuses, witness):
    transport, left = transport_of(*statuses)
    with anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=transport)) as bare:
        client = seawall.protect(seawall.protect(bare, plugins=[witness]), plugins=[witness])
        assert client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens == 7
    assert left == []


@pytest.mark.anyio
async def test_other_calls_of_an_async_client_keep_the_retries_of_the_sdk(witness):
    transport, left = transport_of(529, 200)
    http = httpx2.AsyncClient(transport=transport)
    async with anthropic.AsyncAnthropic(api_key="test", http_client=http) as bare:
        client = seawall.protect(bare, plugins=[witness])
        assert (await client.messages.count_tokens(model=MODEL, messages=MESSAGES)).input_tokens == 7
    assert left == []


@pytest.mark.parametrize(("retries", "statuses"), [(0, (529,)), (1, (529, 529)), (2, (400,))])
def test_other_calls_are_retried_no_more_than_by_the_sdk(retries, statuses, witness):
    transport, left = transport_of(*statuses)
    http = httpx2.Client(transport=transport)
    with anthropic.Anthropic(api_key="test", http_client=http, max_retries=retries) as bare:
        client = seawall.protect(bare, plugins=[witness])
        with pytest.raises(anthropic.APIStatusError):
            client.messages.count_tokens(model=MODEL, messages=MESSAGES)
    assert left == []


def test_other_calls_fail_as_they_should_where_the_retries_of_the_sdk_were_turned_on_again(witness):
    transport, left = transport_of(529, 529, 529)
    http = httpx2.Client(transport=transport)
    with anthropic.Anthropic(api_key="test", http_client=http, max_retries=0) as bare:
        client = seawall.protect(bare, plugins=[witness]).with_options(max_retries=2)
        with pytest.raises(anthropic.OverloadedError):
            client.messages.count_tokens(model=MODEL, messages=MESSAGES)
    assert left == []


def test_an_error_in_the_place_of_a_message_is_an_error(witness):
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=BUSY))
    with anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=transport)) as bare:
        client = seawall.protect(bare, plugins=[witness])
        with pytest.raises(anthropic.OverloadedError):
            client.messages.create(model=MODEL, max_tokens=100, messages=MESSAGES)


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
@pytest.mark.parametrize("max_tokens", [100, 64_000])
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_in_the_place_of_a_stream_is_an_error(stream, max_tokens, kind):
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200, json=BUSY, headers={"content-type": kind})
    )
    with anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=transport)) as bare:
        client = seawall.protect(bare, plugins=plugins()[:1])
        with pytest.raises(anthropic.OverloadedError):
            list(client.messages.create(**{**LARGE, "max_tokens": max_tokens}, stream=stream))


def test_json_that_is_nested_too_deeply_in_the_place_of_a_stream_is_an_error():
    body, headers = b"[" * 100_000 + b"]" * 100_000, {"content-type": "application/json"}
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=body, headers=headers))
    with anthropic.Anthropic(api_key="test", http_client=httpx2.Client(transport=transport)) as bare:
        client = seawall.protect(bare, plugins=plugins()[:1])
        with pytest.raises(seawall.TruncatedStreamError):
            client.messages.create(**LARGE)


class Onlooker:
    """Keeps what a call tells of where it goes, and how much had been written at each event."""

    def __init__(self):
        self.call = None
        self.written = []

    @seawall.hookimpl
    def pre_request(self, call):
        self.call = call

    @seawall.hookimpl
    def on_chunk(self, call):
        self.written.append(call.attempts[-1].written)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_call_tells_where_it_goes_and_what_the_server_said_about_itself(mode):
    onlooker = Onlooker()
    with Simulator(faults=[Fault("status", status=429, retry_after="0")], limits=Limits(rpm=50)) as simulator:
        got = call(simulator, mode, "create", [*plugins(), onlooker])
    assert f"http://{onlooker.call.host}" == simulator.base_url
    failed, served = onlooker.call.attempts
    assert (failed.status, failed.headers["Retry-After"]) == (429, failed.headers["retry-after"])
    assert served.headers["anthropic-ratelimit-requests-limit"] == "50"
    assert served.written == len(got.text)


def test_what_an_attempt_has_written_grows_while_it_streams():
    onlooker = Onlooker()
    with Simulator(faults=[Fault("reset", event=60)], answer_tokens=500) as simulator:
        got = call(simulator, "sync", "stream=True", [*plugins(), onlooker])
    broken, last = onlooker.call.attempts
    assert onlooker.written[0] == 0
    assert 0 < onlooker.written[-1] <= last.written
    assert broken.written + last.written == len(got.text)


def test_an_account_is_told_apart_by_address_and_key_and_does_not_tell_the_key():
    accounts = set()
    with Simulator() as one, Simulator() as other:
        for simulator, key in ((one, "test"), (one, "test"), (one, "another"), (other, "test")):
            onlooker = Onlooker()
            with anthropic.Anthropic(base_url=simulator.base_url, api_key=key) as client:
                seawall.protect(client, plugins=[onlooker]).messages.create(**{**LARGE, "max_tokens": 16})
            accounts.add(onlooker.call.account)
    assert len(accounts) == 3
    assert not any("test" in account or "another" in account for account in accounts)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_hooks_reach_the_store_of_the_configuration(mode):
    class Counting:
        @seawall.hookimpl
        def post_response(self, call):
            return seawall.state.reach(call.store, lambda: call.store.step(COUNT, key=f"counting {mode}"))

    with Simulator() as simulator:
        for _ in range(2):
            call(simulator, mode, "create", [Counting()], max_tokens=16)
    assert configured_store().step(READ, key=f"counting {mode}") == {"n": 2}


COUNT = Step("count", lambda document, _: ({"n": document.get("n", 0) + 1}, None))
