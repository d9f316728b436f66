"""The ledger over real sockets: what the simulator billed is what it says, attempt by attempt."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL, SURFACES, call, plugins
from seawall.state import READ, open_store
from seawall_backoff import Backoff, BackoffSettings
from seawall_testkit import Fault, Received, Simulator
from seawall_testkit.prose import pieces
from seawall_tokens import Tokens, TokensSettings, caller
from seawall_tokens.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SURFACES_OF_ALL = pytest.mark.parametrize(("mode", "surface"), SURFACES)
COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
KEY = "sk-ant-not-to-be-written"
SECRET = "The word of the day is artichoke. "
CACHED = [{"type": "text", "text": "Be brief. " * 900, "cache_control": {"type": "ephemeral"}}]


class AsBilled:
    """Counts a text as the simulator does, so that what broke is exact too."""

    @seawall.hookimpl(tryfirst=True)
    def estimate_tokens(self, text: str, model: str) -> int:
        return len(pieces(text))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEAWALL_STATE_DIR", str(tmp_path))
    return tmp_path


def enabled(**settings: Any) -> list[object]:
    return [*plugins(), Tokens(TokensSettings.model_validate(settings)), AsBilled()]


def rows(state: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(state / "ledger.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY caller, attempt")]


def counts(row: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] for name in COUNTS)


def billed(sent: Received) -> tuple[int, ...]:
    """What the simulator billed, less what it had not sent when a stream broke: nobody tells of that."""
    output = sent.output_tokens if sent.ended == "complete" else sent.tokens_sent
    return (sent.input_tokens, sent.cache_read_input_tokens, sent.cache_creation_input_tokens, output)


def ledger_and_bill(state: Path, simulator: Simulator) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    assert simulator.wait_until(lambda: not simulator.active_responses)
    return [counts(row) for row in rows(state)], [billed(sent) for sent in simulator.requests]


@SURFACES_OF_ALL
def test_a_call_is_one_row_as_it_was_billed(mode, surface, state):
    with Simulator() as simulator, caller("reports"):
        call(simulator, mode, surface, enabled())
        said, bill = ledger_and_bill(state, simulator)
    assert said == bill
    (row,) = rows(state)
    assert (row["caller"], row["model"], row["ended"]) == ("reports", MODEL, "ok")
    assert (row["wasted_output_tokens"], row["is_estimated"]) == (0, 0)
    assert row["dollars"] == pytest.approx((4 * row["input_tokens"] + 20 * row["output_tokens"]) / 1e6)


@SURFACES_OF_ALL
def test_attempts_that_failed_are_in_it_and_all_together_are_what_was_billed(mode, surface, state):
    faults = [Fault("status", 1, status=529), Fault("eof", 2, event=100), Fault("fin", 3, event=60)]
    with Simulator(faults=faults, answer_tokens=800) as simulator:
        call(simulator, mode, surface, enabled())
        said, bill = ledger_and_bill(state, simulator)
    assert said == bill
    assert len(said) == 4
    found = rows(state)
    assert [row["ended"] for row in found[::3]] == ["OverloadedError", "ok"]
    assert [row["wasted_output_tokens"] for row in found] == [0] * 4
    assert [row["is_estimated"] for row in found] == [0, 1, 1, 0]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_failed_attempt_is_in_it_before_the_next_one_is_sent(mode, state):
    found: list[list[str]] = []

    class Peek:
        @seawall.hookimpl
        def pre_request(self, call: seawall.Call) -> None:
            if call.attempt > 1:
                found.append([row["ended"] for row in rows(state)])

    with Simulator(faults=[Fault("status", 1, status=529), Fault("eof", 2, event=60)]) as simulator:
        call(simulator, mode, "stream=True", [*enabled(), Peek()])
    assert found == [["OverloadedError"], ["OverloadedError", "TruncatedStreamError"]]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_what_the_prompt_cache_wrote_and_read_is_told_apart(mode, state):
    with Simulator() as simulator:
        for number in range(2):
            with caller(f"{number}"):
                call(simulator, mode, "create", enabled(), system=CACHED)
        said, bill = ledger_and_bill(state, simulator)
    assert said == bill
    (_, _, written, _), (_, read, _, _) = said
    assert written == read > 0


@SURFACES_OF_ALL
def test_all_of_a_call_that_fails_in_the_end_is_wasted(mode, surface, state):
    faults = [Fault("eof", 1, event=30), *(Fault("status", attempt, status=529) for attempt in range(2, 9))]
    with Simulator(faults=faults) as simulator:
        with pytest.raises(anthropic.APIError):
            call(simulator, mode, surface, enabled())
        said, bill = ledger_and_bill(state, simulator)
    assert said == bill
    first, *others = rows(state)
    assert first["wasted_output_tokens"] == first["output_tokens"] > 100
    assert {row["wasted_output_tokens"] for row in others} == {0}


@SURFACES_OF_ALL
def test_an_answer_that_broke_before_it_told_anything_counts_by_an_estimate(mode, surface, state):
    with Simulator(faults=[Fault("error_event", 1, event=0)]) as simulator:
        call(simulator, mode, surface, enabled())
        _, bill = ledger_and_bill(state, simulator)
    first, second = rows(state)
    assert first["is_estimated"]
    assert first["input_tokens"] == pytest.approx(bill[0][0], rel=2.0)
    assert first["input_tokens"] > 0
    assert counts(second) == bill[1]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_what_was_refused_before_it_was_sent_has_no_row(mode, state):
    with Simulator() as simulator:
        with pytest.raises(seawall.RequestRejectedError):
            call(simulator, mode, "create", enabled(), max_tokens=10**9)
        with pytest.raises(seawall.BudgetExceededError):
            call(simulator, mode, "create", enabled(budgets=[{"tokens": 10, "per": "call"}]))
        assert simulator.requests == []
        call(simulator, mode, "create", enabled())
    assert len(rows(state)) == 1


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_stream_that_a_budget_stopped_is_stopped_in_the_ledger_too(mode, state):
    both = enabled(budgets=[{"tokens": 5_000, "per": "call"}])
    with (
        Simulator(answer=SECRET * 2_000, tokens_per_second=20_000) as simulator,
        pytest.raises(seawall.StreamStoppedError),
    ):
        call(simulator, mode, "stream=True", both)
    (row,) = rows(state)
    assert (row["ended"], row["is_estimated"], row["wasted_output_tokens"]) == ("stopped", 1, 0)
    assert row["output_tokens"] > 1_000


def test_a_stream_that_its_caller_left_is_abandoned_and_counted_as_far_as_it_came(state):
    with Simulator(answer_tokens=20_000) as simulator:
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=enabled())
            with client.messages.create(
                model=MODEL, max_tokens=64_000, messages=MESSAGES, stream=True
            ) as stream:
                for number, _ in enumerate(stream):
                    if number == 50:
                        break
        assert simulator.wait_until(lambda: not simulator.active_responses)
        (sent,) = simulator.requests
    (row,) = rows(state)
    assert row["ended"] == "abandoned"
    assert 100 < row["output_tokens"] <= sent.tokens_sent


def test_a_call_that_is_cancelled_before_its_answer_came_counts_its_input_by_an_estimate(state):
    budgets = [{"tokens": 100_000, "per": "total"}]

    async def cancelled() -> None:
        arrived = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            arrived.set()
            await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
        async with server, anthropic.AsyncAnthropic(base_url=address, api_key="test") as bare:
            client = seawall.protect(bare, plugins=enabled(budgets=budgets))
            asked = client.messages.create(model=MODEL, max_tokens=1_000, messages=MESSAGES)
            task = asyncio.ensure_future(asked)
            await arrived.wait()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(cancelled())
    (row,) = rows(state)
    assert (row["ended"], row["is_estimated"], row["output_tokens"]) == ("abandoned", 1, 0)
    with open_store("sqlite", state) as store:
        document = store.step(READ, key=Budget.model_validate(budgets[0]).key(""))
    assert list(document["spent"].values()) == [row["input_tokens"]]
    assert row["input_tokens"] > 0


def test_many_calls_at_once_of_threads_and_tasks_are_all_in_it_to_the_token(state):
    faults = [Fault("status", 1, status=500), Fault("eof", 2, event=25)]
    with Simulator(faults=faults, answer_tokens=200) as simulator:
        # so many 500s in a row would open a circuit, and the calls come back one a second
        without_circuit = Backoff(BackoffSettings(base=0.001, mode="off"))
        both = [without_circuit if isinstance(plugin, Backoff) else plugin for plugin in enabled()]

        def params(number: int) -> dict[str, Any]:
            messages = [{"role": "user", "content": f"Report {number}."}]
            return {"model": MODEL, "max_tokens": 64_000, "messages": messages}

        def one(client: anthropic.Anthropic, number: int) -> None:
            with caller(f"{number:03}"):
                client.messages.create(**params(number))

        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
            client = seawall.protect(bare, plugins=both)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda number: one(client, number), range(20)))

        async def tasks() -> None:
            async def one(number: int) -> None:
                with caller(f"{number:03}"):
                    await aclient.messages.create(**params(number))

            async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
                aclient = seawall.protect(bare, plugins=both)
                await asyncio.gather(*map(one, range(20, 40)))

        asyncio.run(tasks())
        said, bill = ledger_and_bill(state, simulator)
    assert len(said) == 120
    assert sorted(said) == sorted(bill)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_there_is_neither_a_prompt_nor_an_answer_nor_a_key_in_it(mode, state):
    messages = [{"role": "user", "content": SECRET}]
    faults = [Fault("status", 1, status=529), Fault("error_event", 2, event=9)]
    with Simulator(faults=faults, answer=SECRET * 20) as simulator:

        def send() -> None:
            with anthropic.Anthropic(base_url=simulator.base_url, api_key=KEY) as bare:
                seawall.protect(bare, plugins=enabled()).messages.create(
                    model=MODEL, max_tokens=64_000, messages=messages
                )

        async def asend() -> None:
            async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key=KEY) as bare:
                client = seawall.protect(bare, plugins=enabled())
                await client.messages.create(model=MODEL, max_tokens=64_000, messages=messages)

        send() if mode == "sync" else asyncio.run(asend())
    assert len(rows(state)) == 3
    written = b"".join(path.read_bytes() for path in state.glob("ledger.sqlite*"))
    assert b"reports" not in written
    assert b"artichoke" not in written
    assert KEY.encode() not in written


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_ledger_that_cannot_be_written_fails_no_call_and_is_said_once(mode, state, caplog):
    (state / "ledger.sqlite").mkdir()
    with Simulator() as simulator:
        both = enabled()
        for _ in range(2):
            assert call(simulator, mode, "create", both).text
    said = [record for record in caplog.records if record.name == "seawall.tokens.ledger"]
    assert len(said) == 1
    assert "the ledger cannot be written, calls go on" in said[0].getMessage()


def test_a_call_without_the_plugin_is_in_no_ledger(state):
    with Simulator() as simulator, suppress(anthropic.APIError):
        call(simulator, "sync", "create", plugins())
    assert not (state / "ledger.sqlite").exists()
