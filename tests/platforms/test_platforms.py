"""Protected clients of every platform, over real sockets with faults."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import seawall
from calls import MESSAGES, SURFACES, Witness, plugins
from platforms.clients import PLATFORMS, Platform, call, run
from platforms.gateway import Gateway
from seawall_progress import Progress
from seawall_testkit import Fault, Simulator
from seawall_testkit.grammar import violations

MIDWAY = 40
"""Events after which a stream of some 300 breaks."""
MODES = ["sync", "async"]

FAULTS = {
    "nothing": [],
    "reset mid-stream": [Fault("reset", event=MIDWAY)],
    "fin mid-stream": [Fault("fin", event=MIDWAY)],
    "clean end": [Fault("eof", event=MIDWAY)],
    "cut inside an event": [Fault("cut_frame", byte=7_001)],
    "stall": [Fault("stall", event=MIDWAY)],
    "error event": [Fault("error_event", event=MIDWAY, error_type="overloaded_error")],
    "malformed JSON": [Fault("malformed_json", event=MIDWAY)],
    "invalid UTF-8": [Fault("invalid_utf8", event=MIDWAY)],
    "200 with HTML": [Fault("html")],
    "200 with nothing": [Fault("empty")],
    "reset before headers": [Fault("reset_before_headers")],
    "429": [Fault("status", status=429, retry_after="0")],
    "529": [Fault("status", status=529)],
}
"""What is survived."""
REFUSALS = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    413: anthropic.ContentTooLargeError,
}


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> Platform:
    return PLATFORMS[request.param]


def enabled(witness: Witness, fault: str = "") -> list[object]:
    # short only where something stalls: elsewhere a busy machine would
    return [*plugins(idle_timeout=0.5 if fault == "stall" else 60.0), witness]


def without_id(body: Any) -> Any:
    return {**body, "request_id": None} if isinstance(body, dict) else body


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("name", FAULTS)
def test_the_text_is_exact_whatever_befalls_the_stream(
    platform: Platform, name: str, mode: str, surface: str, witness: Witness
) -> None:
    with Simulator(faults=FAULTS[name]) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        got = call(platform, mode, surface, gateway, enabled(witness, name))
        assert got.text == simulator.text_for(MESSAGES)
        assert all(request.stream for request in simulator.requests)
        assert len(gateway.seen) == len(simulator.requests) == (1 if name == "nothing" else 2)
    assert violations(got.events) == [] or not got.events
    if got.message is not None:
        assert got.message.stop_reason == "end_turn"
        assert len(got.message.content) == 1
    (outcome,) = witness.outcomes
    assert outcome.status == "completed"
    assert len(witness.errors) == len(FAULTS[name])
    assert all(isinstance(error, anthropic.APIError) for error in witness.errors)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_keeps_its_class_and_what_the_platform_said(
    platform: Platform, mode: str, status: int, witness: Witness
) -> None:
    faults = [Fault("status", status=status, message="It will not do.", times=9)]
    params = {"model": platform.model, "max_tokens": 1000, "messages": MESSAGES}
    with Simulator(faults=faults) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        with pytest.raises(anthropic.APIStatusError) as bare:
            run(platform, mode, gateway, lambda client: client.messages.create(**params))
        with pytest.raises(REFUSALS[status]) as protected:
            call(platform, mode, "create", gateway, enabled(witness))
        assert len(gateway.seen) == 2
    assert type(protected.value) is type(bare.value)
    assert protected.value.status_code == status
    assert without_id(protected.value.body) == without_id(bare.value.body)
    assert "It will not do." in str(protected.value)


@pytest.mark.parametrize("mode", MODES)
def test_metrics_name_the_provider_that_spans_of_the_sdk_name(platform: Platform, mode: str) -> None:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    params = {"model": platform.model, "max_tokens": 10, "messages": MESSAGES}

    def create(bare: Any) -> Any:
        client = seawall.protect(bare, plugins=[Progress(meter_provider=meters)])
        return client.with_options(max_retries=0).messages.create(**params)

    with Simulator() as simulator, Gateway(platform.dialect(), simulator) as gateway:
        run(platform, mode, gateway, create, open_telemetry={"tracer_provider": tracers})
    (span,) = spans.get_finished_spans()
    told = reader.get_metrics_data()
    meters.shutdown()
    metrics = told.resource_metrics[0].scope_metrics[0].metrics
    points = [point for metric in metrics for point in metric.data.data_points]
    providers = {point.attributes["gen_ai.provider.name"] for point in points}
    assert providers == {platform.provider} == {span.attributes["gen_ai.provider.name"]}


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
def test_a_permanent_error_event_ends_in_its_class_with_what_had_come(
    platform: Platform, mode: str, surface: str, witness: Witness
) -> None:
    faults = [Fault("error_event", event=MIDWAY, error_type="invalid_request_error")]
    with Simulator(faults=faults) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        with pytest.raises(anthropic.BadRequestError) as raised:
            call(platform, mode, surface, gateway, enabled(witness))
        text = simulator.text_for(MESSAGES)
    error: Any = raised.value
    partial = error.partial_message.content[0].text
    assert partial
    assert text.startswith(partial)


@pytest.mark.parametrize("mode", MODES)
def test_a_call_too_small_to_be_streamed_is_left_so_and_retried(
    platform: Platform, mode: str, witness: Witness
) -> None:
    faults = [Fault("reset", byte=300)]
    with Simulator(faults=faults) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        got = call(platform, mode, "create", gateway, enabled(witness), max_tokens=1000)
        assert got.text == simulator.text_for(MESSAGES, max_tokens=1000)
        assert [request.stream for request in simulator.requests] == [False, False]


@pytest.mark.parametrize("mode", MODES)
def test_a_beta_call_survives_and_keeps_its_betas(platform: Platform, mode: str, witness: Witness) -> None:
    beta = "context-management-2025-06-27"
    params: Any = {"model": platform.model, "max_tokens": 64_000, "messages": MESSAGES, "betas": [beta]}
    faults = [Fault("reset", event=MIDWAY)]
    with Simulator(faults=faults) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        message = run(
            platform,
            mode,
            gateway,
            lambda bare: seawall.protect(bare, plugins=enabled(witness)).beta.messages.create(**params),
        )
        assert message.content[0].text == simulator.text_for(MESSAGES)
        sent = [request.headers["anthropic-beta"] for request in simulator.requests]
    assert type(message).__name__ == "BetaMessage"
    assert [beta in betas for betas in sent] == [True, True]


@pytest.mark.parametrize("mode", MODES)
def test_count_tokens_passes_untouched_where_the_platform_has_it(
    platform: Platform, mode: str, witness: Witness
) -> None:
    params = {"model": platform.model, "messages": MESSAGES}
    with Simulator() as simulator, Gateway(platform.dialect(), simulator) as gateway:

        def count(bare: Any) -> Any:
            return seawall.protect(bare, plugins=enabled(witness)).messages.count_tokens(**params)

        if platform.counts_tokens:
            assert run(platform, mode, gateway, count).input_tokens > 0
            assert [request.path for request in simulator.requests] == ["/v1/messages/count_tokens"]
        else:
            with pytest.raises(anthropic.AnthropicError, match="not supported"):
                run(platform, mode, gateway, count)
    assert witness.outcomes == []


@pytest.mark.parametrize("family", ["opus-5-5", "haiku-4-5"])
def test_a_stream_goes_on_the_way_its_model_takes_under_the_platforms_name(
    platform: Platform, family: str, witness: Witness
) -> None:
    model = platform.model.replace("opus-5-5", family)
    faults = [Fault("reset", event=MIDWAY)]
    with Simulator(faults=faults) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        got = call(platform, "sync", "stream=True", gateway, enabled(witness), model=model)
        assert got.text == simulator.text_for(MESSAGES)
        expected = "prefill" if family == "haiku-4-5" else "user_turn"
        assert [request.way for request in simulator.requests] == ["plain", expected]


@pytest.mark.parametrize("mode", MODES)
def test_protect_copies_the_client_and_keeps_what_it_was_made_with(platform: Platform, mode: str) -> None:
    def passing(request: Any, call_next: Any) -> Any:
        return call_next(request)

    async def passing_async(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    own: Any = passing if mode == "sync" else passing_async

    def check(bare: Any) -> Any:
        client = seawall.protect(bare)
        assert type(client) is type(bare)
        assert client is not bare
        assert (client.max_retries, bare.max_retries) == (0, 2)
        assert client.base_url == bare.base_url
        assert client.default_headers == bare.default_headers
        assert [type(each).__name__ for each in client.middleware] == ["Protection", "function"]
        assert bare.middleware == (own,)
        again = seawall.protect(client.with_options(timeout=30.0))
        assert [type(each).__name__ for each in again.middleware] == ["Protection", "function"]
        assert again.timeout == 30.0
        return bare.messages.create(model=platform.model, max_tokens=10, messages=MESSAGES)

    with Simulator() as simulator, Gateway(platform.dialect(), simulator) as gateway:
        run(platform, mode, gateway, check, middleware=[own])


@pytest.mark.parametrize("mode", MODES)
def test_a_stream_that_is_closed_lets_go_of_the_connection(platform: Platform, mode: str) -> None:
    params = {"model": platform.model, "max_tokens": 64_000, "messages": MESSAGES, "stream": True}

    def begin(bare: Any) -> Any:
        client = seawall.protect(bare, plugins=plugins())
        if mode == "async":
            return begin_async(client)
        stream = client.messages.create(**params)
        next(iter(stream))
        stream.close()
        return closed()

    async def begin_async(client: Any) -> None:
        stream = await client.messages.create(**params)
        await anext(aiter(stream))
        await stream.close()
        await asyncio.to_thread(closed)

    def closed() -> None:
        simulator.wait_until(lambda: len(simulator.requests) == 1 and simulator.open_connections == 0)

    with Simulator(tokens_per_second=20) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        run(platform, mode, gateway, begin)
        assert simulator.requests[0].ended == "client_closed"


def test_threads_share_a_client(platform: Platform, witness: Witness) -> None:
    asked = [[{"role": "user", "content": f"Write chapter {number}."}] for number in range(12)]
    faults = [Fault("reset", event=MIDWAY)]
    with (
        Simulator(faults=faults) as simulator,
        Gateway(platform.dialect(), simulator) as gateway,
        platform.client("sync", gateway) as bare,
        ThreadPoolExecutor(len(asked)) as threads,
    ):
        client = seawall.protect(bare, plugins=enabled(witness))

        def write(messages: Any) -> str:
            params = {"model": platform.model, "max_tokens": 64_000, "messages": messages}
            return str(client.messages.create(**params).content[0].text)

        assert list(threads.map(write, asked)) == [simulator.text_for(messages) for messages in asked]
    assert len(gateway.seen) == 2 * len(asked)
