"""A stream that breaks inside a block of each type, by each fault, for each kind of caller.

What becomes of it is written into `docs/reference/continuation.md` by `conftest.py`: the exact answer, or a
typed error that holds what had come. A caller that waits for a `Message` always gets the exact answer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import anthropic
import pytest

import seawall
from calls import MESSAGES, plugins
from seawall.frames import FrameBuffer, parse
from seawall_testkit import Fault, Simulator, blocks

MODEL = "claude-opus-5-5"
WITH_PREFILL = "claude-haiku-4-5"
TOOL = {
    "name": "look_up",
    "description": "Looks a ship up.",
    "input_schema": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "year": {"type": "integer"}},
        "required": ["name", "year"],
        "additionalProperties": False,
    },
}
JSON = {"output_config": {"format": {"type": "json_schema", "schema": TOOL["input_schema"]}}}
BETA = {"anthropic-beta": "message-threads-2026-08-12"}
THREAD = {"extra_body": {"thread": {"type": "create"}}, "extra_headers": BETA}
VASA = {"name": "Vasa", "year": 1628, "note": "sank on her first voyage, in the harbour"}


@dataclass(frozen=True)
class Case:
    """What breaks: an answer, the block of it that is open then, and how it was asked for."""

    at: int
    answer: Any = None
    asked: dict[str, Any] = field(default_factory=dict)
    hold: str = "none"


THINKING = {"thinking": {"type": "adaptive"}}
OMITTED = {"thinking": {"type": "adaptive", "display": "omitted"}}
TOOLS = {"tools": [TOOL]}
LOOK = [blocks.text("Let me look. "), blocks.tool_use("look_up", VASA)]
CASES = {
    "text": Case(0),
    "text, on a model with prefill": Case(0, asked={"model": WITH_PREFILL}),
    "text after thinking": Case(1, [blocks.thinking(), blocks.text()], THINKING),
    "thinking": Case(0, [blocks.thinking(), blocks.text()], THINKING),
    "thinking, `display: omitted`": Case(0, [blocks.thinking(), blocks.text()], OMITTED),
    "thinking after text": Case(
        2, [blocks.thinking(), blocks.text(), blocks.thinking(seed=1), blocks.text(seed=1)], THINKING
    ),
    "redacted_thinking": Case(0, [blocks.redacted(), blocks.text()], THINKING),
    "tool_use": Case(1, LOOK, TOOLS),
    'tool_use, `hold = "blocks"`': Case(1, LOOK, TOOLS, hold="blocks"),
    'the second of two tool_use, `hold = "blocks"`': Case(
        2, [*LOOK, blocks.tool_use("look_up", {"name": "Mars"})], TOOLS, hold="blocks"
    ),
    "tool_use, `eager_input_streaming`": Case(1, LOOK, {"tools": [{**TOOL, "eager_input_streaming": True}]}),
    "server_tool_use": Case(1, [blocks.text("I search. "), *blocks.web_search("ships"), blocks.cited()]),
    "text after a server tool's result": Case(
        3, [blocks.text("I search. "), *blocks.web_search("ships"), blocks.text()]
    ),
    "mcp_tool_use": Case(1, [blocks.text("I ask. "), *blocks.mcp("look_up", VASA), blocks.text()]),
    "text with citations": Case(1, [blocks.text("It is said: "), blocks.cited(sources=2)]),
    "text after text with citations": Case(1, [blocks.cited(sources=2), blocks.text()]),
    "structured output": Case(0, asked=JSON),
    "text in a `thread`": Case(0, asked=THREAD),
    "compaction": Case(0, [blocks.compaction(), blocks.text()]),
    "text after compaction": Case(1, [blocks.compaction(), blocks.text()]),
    "text after a fallback": Case(2, [blocks.text("I cannot. "), blocks.fallback(), blocks.text()]),
    "text before a pause_turn": Case(0, [blocks.text(), blocks.stop("pause_turn")]),
    "text before a refusal": Case(0, [blocks.text(), blocks.stop("refusal", category="bio")]),
    "text after an unknown block": Case(
        2, [blocks.text("See: "), blocks.unknown(deltas=[{"type": "novelty"}]), blocks.text()]
    ),
}
FAULTS = ("reset", "fin", "eof", "cut_frame", "stall", "error_event", "malformed_json")
MODES = [(mode, surface) for surface in ("Message", "stream") for mode in ("sync", "async")]
EXACT, KEPT = "exact", "typed error, partial kept"
IN_VAIN = {
    "tool_use",
    "tool_use, `eager_input_streaming`",
    "server_tool_use",
    "mcp_tool_use",
    "text with citations",
    "structured output",
    "text in a `thread`",
    "compaction",
    "text after a fallback",
    "text after an unknown block",
}
"""Where a caller that streams gets an error: what it has can neither be gone on with nor taken back."""


def simulator(case: Case, *faults: Fault) -> Simulator:
    return Simulator(answer=case.answer, faults=faults, answer_tokens=60)


def asked(case: Case) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 64_000, "messages": MESSAGES, **case.asked}


@cache
def events_of(name: str) -> list[dict[str, Any]]:
    """The events of the undisturbed stream."""
    case = CASES[name]
    with (
        simulator(case) as server,
        anthropic.Anthropic(base_url=server.base_url, api_key="test") as client,
        client.messages.with_streaming_response.create(**asked(case), stream=True) as response,
    ):
        frames = FrameBuffer().feed(b"".join(response.iter_bytes()))
    return [parse(frame)[1] or {} for frame in frames]


def cuts(name: str, kind: str) -> list[int]:
    """After how many events it breaks: with something of the block there, in its middle, at its end."""
    of_block = [n for n, event in enumerate(events_of(name)) if event.get("index") == CASES[name].at]
    last = of_block[-1]
    first = min(of_block[1] + 1, last)
    match kind:
        case "malformed_json":  # strikes in the next delta
            return [last - 1]
        case "stall":  # once, since it takes its idle timeout
            return [(first + last) // 2]
    return sorted({first, (first + last) // 2, last})


def content_of(message: Any) -> list[dict[str, Any]]:
    return [block.to_dict() for block in message.content]


def answer(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Content less its thinking: after a break it was perhaps thought again, or is not shown to its end."""
    return [block for block in content if block["type"] != "thinking"]


def thoughts(message: Any) -> list[dict[str, Any]]:
    return [block for block in content_of(message) if block["type"] == "thinking"]


def is_kept(partial: list[dict[str, Any]], whole: list[dict[str, Any]]) -> bool:
    """Whether the blocks of `partial` are those of `whole`, the last one perhaps cut short."""
    if not partial:
        return True
    *complete, last = partial
    rest = whole[len(complete)]
    key = {"text": "text", "thinking": "thinking"}.get(last["type"])
    begins = key is None or rest[key].startswith(last[key])
    return complete == whole[: len(complete)] and last["type"] == rest["type"] and begins


def received(server: Simulator, case: Case, mode: str, surface: str, idle_timeout: float) -> Any:
    """What a caller gets."""
    enabled = plugins(idle_timeout=idle_timeout, hold=case.hold)
    options: dict[str, Any] = {"base_url": server.base_url, "api_key": "test"}
    if mode == "sync":
        with anthropic.Anthropic(**options) as bare:
            client = seawall.protect(bare, plugins=enabled)
            if surface == "Message":
                return client.messages.create(**asked(case))
            with client.messages.stream(**asked(case)) as stream:
                return stream.get_final_message()

    async def run() -> Any:
        async with anthropic.AsyncAnthropic(**options) as bare:
            client = seawall.protect(bare, plugins=enabled)
            if surface == "Message":
                return await client.messages.create(**asked(case))
            async with client.messages.stream(**asked(case)) as stream:
                return await stream.get_final_message()

    return asyncio.run(run())


@cache
def undisturbed(name: str, mode: str, surface: str) -> Any:
    """What a caller gets whose stream does not break."""
    with simulator(CASES[name]) as server:
        return received(server, CASES[name], mode, surface, 60.0)


def outcome(name: str, fault: Fault, mode: str, surface: str, idle_timeout: float) -> str:
    """What becomes of a call whose stream breaks."""
    case, whole = CASES[name], undisturbed(name, mode, surface)
    with simulator(case, fault) as server:
        message, error = None, None
        try:
            message = received(server, case, mode, surface, idle_timeout)
        except (anthropic.APIError, seawall.SeawallError) as raised:
            error = raised
    if error is not None:
        assert is_kept(content_of(error.partial_message), content_of(whole))  # type: ignore[union-attr]
        return KEPT
    assert answer(content_of(message)) == answer(content_of(whole))
    assert all(block in content_of(whole) or not block["signature"] for block in thoughts(message))
    assert (message.stop_reason, message.model) == (whole.stop_reason, whole.model)
    return EXACT


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of the SDK, for blocks it does not know
@pytest.mark.parametrize(("mode", "surface"), MODES)
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", CASES)
def test_a_break_in_any_block_ends_in_the_exact_answer_or_a_typed_error(
    name: str, kind: str, mode: str, surface: str, record_property: Callable[[str, object], None]
) -> None:
    idle_timeout = 0.5 if kind == "stall" else 60.0
    found = {outcome(name, Fault(kind, event=at), mode, surface, idle_timeout) for at in cuts(name, kind)}
    expected = KEPT if surface == "stream" and name in IN_VAIN else EXACT
    assert found == {expected}
    cells = len(CASES) * len(FAULTS) * len(MODES)
    record_property("continuation", [name, kind, mode, surface, expected, cells])
