"""The plugin as a client has it: real calls, through the SDK and sockets, under both drivers."""

import asyncio
import threading
from typing import Any

import anthropic
import pytest
from pydantic import ValidationError

import seawall
from calls import MESSAGES, MODEL, plugins
from progress.followed import Ears
from seawall.call import Call
from seawall.hooks import CallHooks
from seawall.registry import load
from seawall.state import open_store
from seawall_progress import Progress, ProgressSettings
from seawall_progress.board import Board
from seawall_progress.publisher import PUBLISHER
from seawall_progress.running import Running
from seawall_testkit import Fault, Simulator
from seawall_tokens import Tokens, TokensSettings, caller


def run(mode: str, simulator: Simulator, enabled: list[object], **params: Any) -> Any:
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 8000, "messages": MESSAGES, **params}
    client: Any
    if mode == "sync":
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as client:
            return seawall.protect(client, plugins=enabled).messages.create(**asked)

    async def once() -> Any:
        async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as client:
            return await seawall.protect(client, plugins=enabled).messages.create(**asked)

    return asyncio.run(once())


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_real_call_is_told_from_its_first_wait_to_its_exact_end(mode):
    running, ears = Running(spawn=lambda _: None), Ears()
    running.listen(ears)
    enabled = [*plugins(), Tokens(TokensSettings()), Progress(running=running)]
    with (
        Simulator(
            faults=[Fault("status", status=529), Fault("reset", attempt=2, event=90)], answer_tokens=800
        ) as simulator,
        caller("reports"),
    ):
        message = run(mode, simulator, enabled)
    assert ears.told == [
        "Started queued",
        "PhaseChanged connecting",
        "PhaseChanged waiting",
        "PhaseChanged connecting",
        "PhaseChanged writing",
        "PhaseChanged waiting",
        "PhaseChanged resuming",
        "PhaseChanged writing",
        "Ended done",
    ]
    last = ears.events[-1].progress
    assert (last.status, last.attempts, last.continuations, last.percent) == ("completed", 3, 1, 100)
    assert (last.model, last.caller) == (MODEL, "reports")
    assert last.tokens == message.usage.output_tokens
    assert last.first_token > 0
    reasons = [event.progress.reason for event in ears.events if event.progress.phase == "waiting"]
    assert "OverloadedError" in reasons[0]


def test_progress_is_not_required():
    hooks = load(plugins=[Progress()])
    assert not any(hook.is_required for hook in hooks.on_chunk)
    asked = CallHooks(hooks)
    # a call it was never told of
    assert asked.ask(hooks.on_chunk[0], "on_chunk", Call(id="c", params={}, stream=True), None) is None


def test_without_anybody_who_listens_there_is_no_thread():
    with Simulator() as simulator:
        run("sync", simulator, [*plugins(), Progress()])
    assert not any(thread.name == "seawall-progress" for thread in threading.enumerate())


def test_the_plugin_asks_for_no_attention_before_a_wait_is_over():
    hooks = load(plugins=[Progress(), "tokens"])
    assert [hook.plugin for hook in hooks.pre_request][-1] != "tokens"


def test_all_clients_of_a_process_are_told_of_as_one_process(tmp_path):
    options: Any = {"settings": {"state": "sqlite", "state_dir": str(tmp_path)}, "plugins": ["progress"]}
    asked: Any = {"model": MODEL, "max_tokens": 800, "messages": MESSAGES, "stream": True}
    with (
        Simulator() as simulator,
        open_store("sqlite", tmp_path) as store,
        anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare,
    ):
        Board(store, lambda _: []).look()
        before = threading.enumerate()
        with (
            seawall.protect(bare, **options).messages.create(**asked),
            seawall.protect(bare, **options).messages.create(**asked),
        ):
            names = [thread.name for thread in threading.enumerate() if thread not in before]
            PUBLISHER.tell()
            told = Board(store, lambda _: []).look()
    assert names.count("seawall-publisher") <= 1
    (process,) = told["processes"]
    assert len(process["calls"]) == 2


@pytest.mark.parametrize("name", ["interval", "stalled_after"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), "x", None])
def test_times_are_above_zero(name, value):
    with pytest.raises(ValidationError):
        ProgressSettings(**{name: value})
