"""What the handler of a signal raises may strike in a hook: the call ends for every plugin all the same."""

import asyncio
import logging
import threading

import anthropic
import pytest

import seawall
from calls import MESSAGES, MODEL, plugins
from seawall_testkit import Simulator

LARGE = {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES}
INTERRUPTS = [KeyboardInterrupt, SystemExit]


class Struck:
    """Is at work in one of its hooks when a signal comes."""

    def __init__(self, hook, interrupt):
        self.hook = hook
        self.interrupt = interrupt

    def work(self, hook):
        if hook == self.hook:
            raise self.interrupt

    @seawall.hookimpl
    def pre_request(self):
        self.work("pre_request")

    @seawall.hookimpl
    def post_response(self):
        self.work("post_response")


def called(mode, simulator, enabled):
    if mode == "sync":
        with anthropic.Anthropic(base_url=simulator.base_url, api_key="test") as bare:
            seawall.protect(bare, plugins=enabled).messages.create(**LARGE)
        return

    async def run():
        async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="test") as bare:
            await seawall.protect(bare, plugins=enabled).messages.create(**LARGE)

    asyncio.run(run())


@pytest.mark.parametrize("interrupt", INTERRUPTS)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_interrupt_as_a_call_ends_keeps_its_end_from_no_plugin(mode, interrupt, witness):
    # the end of a call is told to the last plugin first
    enabled = [*plugins(), witness, Struck("post_response", interrupt)]
    with Simulator(answer_tokens=20) as simulator:
        with pytest.raises(interrupt) as raised:
            called(mode, simulator, enabled)
        text = simulator.text_for(MESSAGES)
    assert [outcome.status for outcome in witness.outcomes] == ["completed"]
    assert raised.value.partial_message.content[0].text == text
    assert raised.value.__notes__ == ["Seawall: 1 attempt; interrupted as it ended."]


@pytest.mark.parametrize("interrupt", INTERRUPTS)
def test_a_call_that_is_interrupted_in_a_hook_was_abandoned(interrupt, witness):
    with Simulator() as simulator, pytest.raises(interrupt):
        called("sync", simulator, [*plugins(), witness, Struck("pre_request", interrupt)])
    assert [outcome.status for outcome in witness.outcomes] == ["abandoned"]
    assert simulator.requests == []


class Terminal(logging.Handler):
    """Is about to write the line that tells how a call ended when a signal comes."""

    def emit(self, record):
        if "after 1 attempt" in record.getMessage():
            raise KeyboardInterrupt


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_interrupt_as_the_end_of_a_call_is_logged_keeps_it_from_no_plugin(mode, witness, caplog):
    caplog.set_level("INFO", "seawall")
    terminal = Terminal()
    logging.getLogger("seawall").addHandler(terminal)
    try:
        with Simulator(answer_tokens=20) as simulator, pytest.raises(KeyboardInterrupt):
            called(mode, simulator, [*plugins(), witness])
    finally:
        logging.getLogger("seawall").removeHandler(terminal)
    assert [outcome.status for outcome in witness.outcomes] == ["completed"]


def test_an_interrupt_as_the_watch_of_a_deadline_starts_leaves_no_thread(monkeypatch, witness):
    start, started = threading.Timer.start, []

    def struck(timer):
        start(timer)
        started.append(timer)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Timer, "start", struck)
    with Simulator(answer_tokens=20) as simulator, pytest.raises(KeyboardInterrupt), seawall.deadline(60.0):
        called("sync", simulator, [*plugins(), witness])
    started[0].join(5.0)
    assert not started[0].is_alive()
    assert [outcome.status for outcome in witness.outcomes] == ["abandoned"]


class Settling:
    """Is giving back what it had taken for a call when a signal comes."""

    def __init__(self, number, interrupt):
        self.name = f"settling-{number}"
        self.interrupt = interrupt

    def work(self):
        raise self.interrupt

    @seawall.hookimpl
    def post_response(self):
        return seawall.Offload(self.work)


@pytest.mark.parametrize("interrupt", INTERRUPTS)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_an_interrupt_while_a_call_is_being_ended_keeps_its_end_from_no_plugin(times, interrupt, witness):
    # as who presses Ctrl-C more than once does
    settling = [Settling(number, interrupt) for number in range(times)]
    with Simulator(answer_tokens=20) as simulator, pytest.raises(interrupt):
        called("sync", simulator, [*plugins(), witness, *settling])
    assert [outcome.status for outcome in witness.outcomes] == ["completed"]
