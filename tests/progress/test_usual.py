"""What calls take is learned by the store, and expected of the next ones."""

import asyncio
import random
from contextlib import nullcontext
from typing import Any

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL, plugins
from progress.followed import Ears, Followed
from seawall.call import Call
from seawall.state import MemoryStore, StoreUnavailableError
from seawall_progress import Expected, Progress, expect
from seawall_progress.running import Running
from seawall_progress.sentences import sentence
from seawall_progress.usual import ADD, Usual, expected
from seawall_testkit import Simulator
from seawall_testkit.stores import check_step
from seawall_tokens import Tokens, TokensSettings, caller

TEN = tuple(range(100, 1100, 100))


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request):
    return request.getfixturevalue(request.param)


def test_the_step_does_the_same_in_every_store(store):
    rng = random.Random(7)
    kinds = ["h m a", "h m ä", "h m"]
    steps = [{"kind": rng.choice(kinds[: 1 + n % 3]), "tokens": n, "most": 1 + n // 9} for n in range(40)]
    check_step(store, [(ADD, arguments) for arguments in steps])


def test_the_last_totals_of_a_kind_of_call_are_kept(store):
    first, second, other = Usual(), Usual(), Usual()
    call = Call(id="c", params={"model": MODEL}, stream=True, host="h", caller="reports", store=store)
    assert first.known(call) is None
    for tokens in range(1, 41):
        first.learn(call, tokens)
    assert first.known(call) == second.load(call) == second.known(call) == tuple(range(9, 41))
    for elsewhere in ({"caller": "x"}, {"host": "x"}, {"params": {"model": "x"}}):
        asked = {"params": {"model": MODEL}, "host": "h", "caller": "reports", **elsewhere}
        assert other.load(Call(id="d", stream=True, store=store, **asked)) == ()


def test_a_name_of_undecodable_bytes_is_a_kind_of_its_own(store):
    usual = Usual()
    asked: dict[str, Any] = {"params": {}, "stream": True, "store": store}
    call, other = (Call(id=name, caller=name, **asked) for name in ("caf\udce9", "caf\udce8"))
    usual.learn(call, 5)
    assert (Usual().load(call), Usual().load(other)) == ((5,), ())


class Failing(MemoryStore):
    """A store that does not answer."""

    steps = 0

    def step(self, *_args: Any, **_options: Any) -> Any:
        self.steps += 1
        raise StoreUnavailableError("the store", "it is away")


def test_a_store_that_fails_is_left_alone_for_a_while_and_that_is_said_once(caplog):
    now, store = [0.0], Failing()
    usual = Usual(lambda: now[0])
    call = Call(id="c", params={}, stream=True, store=store)
    for _ in range(3):
        assert usual.load(call) == ()
        usual.learn(call, 5)
    assert store.steps == 1
    now[0] += 31
    usual.learn(call, 5)
    assert store.steps == 2
    (record,) = caplog.records
    assert "it is away" in record.getMessage()


def test_a_call_is_measured_against_those_that_were_longer():
    assert expected(TEN[:4], 0, 0) is None, "too few"
    assert expected(TEN, 0, 0) == Expected(500, "learned", 300, 800)
    assert expected(TEN, 750, 0) == Expected(900, "learned", 800, 1000)
    assert expected(TEN, 5000, 0) == Expected(1000, "learned", 1000, 1000)
    assert expected(TEN, 0, 400) == Expected(400, "learned", 300, 400)


def learned(told: Any, *, mode: str, state: str, folder: Any, simulator: Simulator, **params: Any) -> None:
    """Make a call of a process of its own, as far as what it remembers goes."""
    running = Running(spawn=lambda _: None)
    running.listen(told)
    enabled = [*plugins(), Tokens(TokensSettings()), Progress(running=running)]
    options = {"settings": {"state": state, "state_dir": str(folder)}, "plugins": enabled}
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 8000, "messages": MESSAGES, **params}

    async def once() -> None:
        async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as client:
            await seawall.protect(client, **options).messages.create(**asked)

    if mode == "async":
        asyncio.run(once())
        return
    with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as client:
        seawall.protect(client, **options).messages.create(**asked)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("state", ["memory", "sqlite", "redis"])
def test_what_calls_took_is_expected_of_the_next_one(mode, state, request, tmp_path):
    server = request.getfixturevalue("redis_server") if state == "redis" else None
    place: dict[str, Any] = {"mode": mode, "state": server.url if server else state, "folder": tmp_path}

    def told(name: str, *, says: int | None = None) -> list[Any]:
        ears = Ears()
        with caller(name), expect(tokens=says) if says else nullcontext():
            learned(ears, simulator=simulator, **place)
        return [event.progress.expected for event in ears.events]

    with Simulator(answer_tokens=600) as simulator:
        assert {one.kind for _ in range(5) for one in told("reports")} == {"ceiling"}
        simulator.answer_tokens = 900
        now = told("reports")
        (took,) = {(one.low, one.tokens, one.high) for one in now if one.kind == "learned"}
        assert took[0] == took[2] == took[1] == pytest.approx(600, rel=0.1)
        assert {one.kind for one in told("others")} == {"ceiling"}
        assert {one.kind for one in told("reports", says=70)} == {"said"}


def test_only_a_message_that_came_to_its_end_is_learned_of():
    call = Followed()
    for status, tokens in (("failed", 100), ("abandoned", 100), ("stopped", 100), ("completed", 0)):
        other = Followed(call)
        other.attempt()
        other.end(status, tokens=tokens)
    cut = Followed(call)
    cut.attempt()
    cut.fail(RuntimeError(), tokens=100)
    cut.end()
    for _ in range(5):
        good = Followed(call)
        good.call.store = call.call.store
        good.attempt()
        good.end(tokens=300)
    call.attempt()
    assert call.now.expected == Expected(300, "learned", 300, 300)


def test_percent_and_time_left_are_against_what_was_learned_and_are_shown_as_a_range():
    call = Followed(params={"max_tokens": 64_000})
    for tokens in TEN:
        before = Followed(call, params={"max_tokens": 64_000})
        before.call.store = call.call.store
        before.attempt()
        before.end(tokens=tokens)
    call.attempt()
    call.block("text")
    call.generate(10, per_second=25)
    now = call.now
    assert (now.expected, now.percent) == (Expected(700, "learned", 500, 800), pytest.approx(250 / 7))
    assert now.eta == pytest.approx(18)
    assert "36 % of about 500-800, 25 tokens/s, about 18 s left" in sentence(now)
