"""What every framework is put through: broken answers, and an errand whose third turn breaks."""

from dataclasses import dataclass, field
from typing import Any

import anthropic
import pytest

import seawall
from calls import plugins
from seawall_testkit import Fault, Simulator

BREAK = 60
"""Events after which the third turn of the errand breaks; its other turns are shorter."""
LONG = " ".join(f"Entry {number}: calm sea, light wind, all well." for number in range(40))

FAULTS = {
    "none": [],
    **{
        name: [Fault(kind, event=20, times=3)]  # once more than the SDK's own retries would bear
        for name, kind in {"reset": "reset", "end without stop_reason": "eof", "stall": "stall"}.items()
    },
}


@dataclass
class Errand:
    """What the simulated model answers in four turns, a tool call in all but the last, and what was done."""

    breaks_in: str
    """`text` or `tool use`: what the third turn breaks in."""
    ports: tuple[str, ...] = ("Hamburg", "Bergen", "Reykjavik")
    long: str = LONG
    last_words: str = "All three ports are entered."
    _executed: list[str] = field(default_factory=list)

    @property
    def executed(self) -> tuple[str, ...]:
        return tuple(self._executed)

    def enter(self, port: str, remark: str) -> str:
        """Enter a port into the log."""
        self._executed.append(port)
        return f"{port} entered"

    def answer(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        blocks = [block for message in body["messages"] for block in message["content"]]
        turn = sum(block["type"] == "tool_result" for block in blocks)
        if turn == len(self.ports):
            return [{"type": "text", "text": self.last_words}]
        is_third = turn == len(self.ports) - 1
        text = LONG if is_third and self.breaks_in == "text" else "Now the next port."
        remark = LONG if is_third and self.breaks_in == "tool use" else "none"
        called = {"type": "tool_use", "name": "enter", "input": {"port": self.ports[turn], "remark": remark}}
        return [{"type": "text", "text": text}, called]

    def simulator(self, kind: str) -> Simulator:
        return Simulator(answer=self.answer, faults=[Fault(kind, event=BREAK)])


@pytest.fixture
def errand_of():
    return Errand


@pytest.fixture(params=["reset", "eof"])
def kind(request):
    """How the third turn breaks."""
    return request.param


@pytest.fixture(params=FAULTS)
def faults(request):
    return FAULTS[request.param]


@pytest.fixture
def attempts(faults):
    """How many attempts the faults make it."""
    return 1 + sum(fault.times for fault in faults)


@pytest.fixture
def protect(request):
    """Protects a client with the standard plugins and hardly any waiting."""
    stalls = (
        any(fault.kind == "stall" for fault in request.getfixturevalue("faults"))
        if "faults" in request.fixturenames
        else False
    )

    def protected(client):
        # short only where something stalls: elsewhere a busy machine would
        return seawall.protect(client, plugins=plugins(idle_timeout=0.5 if stalls else 60.0, hold="blocks"))

    return protected


@pytest.fixture
def protected_client(protect):
    """Makes a protected client of a simulator."""

    def make(simulator, kind=anthropic.Anthropic):
        return protect(kind(base_url=simulator.base_url, api_key="test"))

    return make
