"""How a broken message goes on: the ways, and what is sent, over models, thinking, blocks and callers."""

import copy
import itertools

import pytest

from seawall.assembly import Assembly
from seawall.continuation import MIN_TOKENS, continued, ways, without_unfinished_thinking
from seawall.decisions import Resume
from seawall.frames import events_of
from seawall.models import takes_prefill

OLD, NEW = "claude-opus-4-5", "claude-opus-5-5"
WITH_PREFILL = [
    "claude-opus-4-5",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "claude-opus-4-5-20251101",
    "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5-latest",
    "claude-opus-4-1-20250805",
    "claude-opus-4-1",
    "claude-opus-4-0",
    "claude-sonnet-4-20250514",
    "claude-opus-4",
    "claude-3-7-sonnet-20250219",
    "claude-3-5-haiku-latest",
    "claude-3-haiku-20240307",
    "claude-2.1",
    "claude-instant-1.2",
    "anthropic.claude-opus-4-5-20251101-v1:0",
    "anthropic.claude-sonnet-4-20250514-v1:0",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "anthropic.claude-v2:1",
    "anthropic.claude-instant-v1",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.anthropic.claude-haiku-4-5-20251001-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "claude-sonnet-4-5@20250929",
    "claude-opus-4@20250514",
    "claude-opus-4-1@20250805",
    "claude-3-5-sonnet-v2@20241022",
    "Claude-Opus-4-5",
]
WITHOUT_PREFILL = [
    "claude-opus-4-6",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-sonnet-4-6",
    "claude-opus-5",
    "claude-opus-5-5",
    "claude-sonnet-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-fable-5",
    "claude-fable-5-1",
    "claude-fable-5-2",
    "claude-mythos-5",
    "claude-mythos-5-2",
    "claude-mythos-preview",
    "claude-opus-5-20260801",
    "claude-opus-5-5-20261001",
    "claude-opus-4-6-20260101",
    "claude-opus-4-10",
    "anthropic.claude-opus-4-6-v1",
    "anthropic.claude-opus-5-5-20261001-v1:0",
    "us.anthropic.claude-haiku-5-5-20261001-v1:0",
    "claude-sonnet-5-5@20261001",
    "claude-opus-4-6@20260101",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/4x5y6z",
    "my-deployment",
    "",
]

TEXT = {"type": "text", "text": "The quick brown fox \n"}
MORE = {"type": "text", "text": "jumps over"}
CITED = {"type": "text", "text": "The fox", "citations": [{"type": "char_location"}]}
BLANK = {"type": "text", "text": " \n"}
THINKING = {"type": "thinking", "thinking": "Hm. ", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "Zm9v"}
TOOL = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "fox"}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
UNSIGNED = {**THINKING, "signature": ""}
COMPACTION = {"type": "compaction", "content": "All so far."}
FALLBACK = {"type": "fallback", "from": {"model": "claude-opus-5-5"}, "to": {"model": "claude-opus-5"}}


def so_far(*whole, left_open=None):
    """A message that broke after `whole` blocks, or before the stop of the block `left_open`."""
    content = [*whole, left_open] if left_open else whole
    *events, last, _ending, _stop = events_of({"id": "msg_1", "content": content})
    assembly = Assembly()
    for event in events if left_open else [*events, last]:
        assembly.add(event)
    return assembly


def begun(*blocks):
    """A message that broke where nothing but the starts of its blocks had come."""
    assembly = so_far()
    for index, block in enumerate(blocks):
        assembly.add({"type": "content_block_start", "index": index, "content_block": block})
    return assembly


def params(**fields):
    messages = [{"role": "user", "content": "Tell me of foxes."}]
    return {"model": NEW, "max_tokens": 8000, "messages": messages, **fields}


@pytest.mark.parametrize("model", WITH_PREFILL)
def test_claude_4_5_and_older_take_a_prefill(model):
    assert takes_prefill(model)


@pytest.mark.parametrize("model", WITHOUT_PREFILL)
def test_newer_and_unknown_models_take_no_prefill(model):
    assert not takes_prefill(model)


RESUME = Resume()
MANY, FEW = RESUME.continue_after_tokens, RESUME.continue_after_tokens - 1
ENABLED = {"thinking": {"type": "enabled", "budget_tokens": 4000}}
ADAPTIVE, DISABLED = {"thinking": {"type": "adaptive"}}, {"thinking": {"type": "disabled"}}
JSON = {"output_config": {"format": {"type": "json_schema", "schema": {}}}}
ONWARD = ["user_turn"]
# what was asked, what there is, ways of a caller that streams, ways of one that waits
CASES = {
    "nothing": ({}, so_far(), ["restart"], ["restart"]),
    "an empty text": ({}, so_far(left_open={**TEXT, "text": ""}), ["restart"], ["restart"]),
    "a blank text": ({}, so_far(BLANK), ["restart"], ["restart"]),
    "text": ({}, so_far(left_open=TEXT), ONWARD, [*ONWARD, "restart"]),
    "text, old": (
        {"model": OLD},
        so_far(left_open=TEXT),
        ["prefill", *ONWARD],
        ["prefill", *ONWARD, "restart"],
    ),
    "old, thinking": (
        {"model": OLD, **ENABLED},
        so_far(THINKING, left_open=TEXT),
        ONWARD,
        [*ONWARD, "restart"],
    ),
    "old, thinking unasked": ({"model": OLD}, so_far(THINKING, left_open=TEXT), ONWARD, [*ONWARD, "restart"]),
    "old, thinking adaptive": (
        {"model": OLD, **ADAPTIVE},
        so_far(left_open=TEXT),
        ONWARD,
        [*ONWARD, "restart"],
    ),
    "old, thinking off": (
        {"model": OLD, **DISABLED},
        so_far(left_open=TEXT),
        ["prefill", *ONWARD],
        ["prefill", *ONWARD, "restart"],
    ),
    "thinking and text": (ENABLED, so_far(THINKING, REDACTED, left_open=TEXT), ONWARD, [*ONWARD, "restart"]),
    "whole text": ({}, so_far(TEXT, MORE), ONWARD, [*ONWARD, "restart"]),
    "text and thinking": (ENABLED, so_far(TEXT, THINKING), ONWARD, [*ONWARD, "restart"]),
    "whole thinking": (ENABLED, so_far(THINKING), ["restart"], ["restart"]),
    "open thinking": (ENABLED, so_far(left_open=UNSIGNED), ["restart"], ["restart"]),
    "open thinking after text": (
        ENABLED,
        so_far(TEXT, left_open=UNSIGNED),
        ONWARD,
        [*ONWARD, "restart"],
    ),
    "a whole tool": ({}, so_far(TEXT, TOOL), [], [*ONWARD, "restart"]),
    "a tool alone": ({}, so_far(TOOL), [], ["restart"]),
    "a compaction": ({}, so_far(COMPACTION, left_open=TEXT), ONWARD, [*ONWARD, "restart"]),
    "a fallback": ({}, so_far(FALLBACK, left_open=TEXT), [], ["restart"]),
    "an unknown block": ({}, so_far(TEXT, {"type": "of_tomorrow"}, left_open=TEXT), [], [*ONWARD, "restart"]),
    "a server tool in flight": ({}, so_far(TEXT, SEARCH), [], [*ONWARD, "restart"]),
    "a server tool and its result": ({}, so_far(TEXT, SEARCH, RESULT), [], [*ONWARD, "restart"]),
    "text after a server tool": ({}, so_far(SEARCH, RESULT, left_open=TEXT), ONWARD, [*ONWARD, "restart"]),
    "an open tool": ({}, so_far(TEXT, left_open=TOOL), [], [*ONWARD, "restart"]),
    "text after a tool": ({}, so_far(TOOL, left_open=TEXT), [], ["restart"]),
    "a lone result": ({}, so_far(RESULT, left_open=TEXT), ONWARD, [*ONWARD, "restart"]),
    "cited text": ({}, so_far(left_open=CITED), [], ["restart"]),
    "whole cited text": ({}, so_far(CITED, left_open=TEXT), ONWARD, [*ONWARD, "restart"]),
    "half a surrogate pair": ({}, so_far(left_open={"type": "text", "text": "Hi \ud83d"}), [], ["restart"]),
    "half a pair in thinking": (
        {},
        so_far({**THINKING, "thinking": "\ud83d"}, left_open=TEXT),
        [],
        ["restart"],
    ),
    "a text that never had any": ({}, begun({"type": "text", "text": None}), ["restart"], ["restart"]),
    "a tool of the server without its id": (
        {},
        begun({"type": "server_tool_use", "name": "web_search"}, {"type": "text", "text": "Found."}),
        [],
        ["restart"],
    ),
    "structured output": (JSON, so_far(left_open=TEXT), [], ["restart"]),
    "structured output of old": (
        {"output_format": {"type": "json_schema"}},
        so_far(left_open=TEXT),
        [],
        ["restart"],
    ),
    "a thread of the server": ({"thread": {"type": "create"}}, so_far(left_open=TEXT), [], ["restart"]),
    "an effort": (
        {"output_config": {"effort": "high"}},
        so_far(left_open=TEXT),
        ONWARD,
        [*ONWARD, "restart"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_ways_of_a_caller_that_streams_take_nothing_back(name):
    asked, assembly, expected, _ = CASES[name]
    assert ways(params(**asked), assembly, RESUME, stream=True, tokens=MANY) == expected
    assert ways(params(**asked), assembly, RESUME, stream=True, tokens=1) == expected


@pytest.mark.parametrize("name", CASES)
def test_the_ways_of_a_caller_that_waits_end_in_a_restart(name):
    asked, assembly, _, expected = CASES[name]
    assert ways(params(**asked), assembly, RESUME, stream=False, tokens=MANY) == expected
    assert ways(params(**asked), assembly, RESUME, stream=False, tokens=FEW) == ["restart"]


REQUESTS = [
    pytest.param(asked, assembly, way, id=f"{name}, {way}{', waits' if not stream else ''}")
    for name, (asked, assembly, *answers) in CASES.items()
    for stream, answer in zip((True, False), answers, strict=True)
    for way in answer
    if way != "restart"
]
LIMITS = list(itertools.product([1, 300, 2000, 64_000], [0, 100, 5000, 64_000]))


@pytest.mark.parametrize(("asked", "assembly", "way"), REQUESTS)
def test_every_request_that_goes_on_is_one_the_api_accepts(asked, assembly, way):
    for max_tokens, tokens in LIMITS:
        body = continued(params(**asked, max_tokens=max_tokens), assembly, way, RESUME, tokens=tokens)
        turns = body["messages"][1:]
        assert [turn["role"] for turn in turns] == ["assistant", "user"][: len(turns)]
        assert len(turns) == (1 if way == "prefill" else 2)
        content = turns[0]["content"]
        assert all(block["text"].strip() for block in content if block["type"] == "text")
        assert content[-1]["type"] == "text"
        assert content[-1]["text"] == content[-1]["text"].rstrip()
        assert MIN_TOKENS <= body["max_tokens"] <= max(max_tokens, MIN_TOKENS + 1024)
        budget = body.get("thinking", {}).get("budget_tokens")
        assert budget is None or 1024 <= budget <= body["max_tokens"] - MIN_TOKENS


@pytest.mark.parametrize(("asked", "assembly", "way"), REQUESTS)
def test_what_the_caller_gave_and_what_was_delivered_stay_as_they_are(asked, assembly, way):
    given = params(**asked, max_tokens=2000, stop_sequences=["END"], tools=[{"name": "f"}], top_k=3)
    before, blocks = copy.deepcopy(given), copy.deepcopy(assembly.blocks)
    body = continued(given, assembly, way, RESUME, tokens=500)
    assert given == before
    assert assembly.blocks == blocks
    changed = {key: body[key] for key in ("messages", "max_tokens", "thinking") if key in body}
    assert body == {**before, **changed}
    assert body["messages"][:1] == before["messages"]
    kept = [block for block in body["messages"][1]["content"] if block["type"] != "text"]
    assert kept == [block for block in blocks if block in kept]
    assert all(block in blocks for block in kept)


def test_the_turn_that_goes_back_holds_thinking_with_its_signature_and_the_text():
    body = continued(
        params(**ENABLED), so_far(THINKING, BLANK, REDACTED, left_open=TEXT), "user_turn", RESUME, tokens=10
    )
    assert body["messages"][1]["content"] == [
        THINKING,
        REDACTED,
        {"type": "text", "text": "The quick brown fox"},
    ]


def test_the_turn_that_goes_back_holds_no_thinking_without_a_signature():
    body = continued(params(**ENABLED), so_far(UNSIGNED, left_open=MORE), "user_turn", RESUME, tokens=10)
    assert body["messages"][1]["content"] == [MORE]


def test_a_prompt_of_ones_own_is_the_user_turn():
    resume = Resume(prompt="Go on after {previous_response} {now}")
    body = continued(params(), so_far(left_open=MORE), "user_turn", resume, tokens=10)
    assert body["messages"][2]["content"] == "Go on after jumps over {now}"


def test_thinking_that_a_break_left_unfinished_is_not_sent_again():
    asked = {"role": "user", "content": "Hi"}
    answer = {"role": "assistant", "content": [UNSIGNED, THINKING, TEXT]}
    cleaned = without_unfinished_thinking([asked, answer, asked])
    assert cleaned == [asked, {"role": "assistant", "content": [THINKING, TEXT]}, asked]
    assert answer["content"][0] == UNSIGNED


@pytest.mark.parametrize("last", [{"left_open": BLANK}, {"left_open": TOOL}, {"left_open": THINKING}])
def test_what_comes_after_the_last_text_stays_behind(last):
    body = continued(params(), so_far(TEXT, MORE, THINKING, **last), "user_turn", RESUME, tokens=10)
    assert body["messages"][1]["content"] == [TEXT, MORE]


def test_the_user_turn_quotes_the_last_words_as_they_are():
    said = "a {brace} and 100 %s " * 50
    body = continued(
        params(), so_far(left_open={"type": "text", "text": said}), "user_turn", RESUME, tokens=10
    )
    prompt = body["messages"][2]["content"]
    assert prompt.endswith("Continue from where you left off.")
    assert said.rstrip()[-200:] in prompt
    assert said.rstrip()[-201:] not in prompt


@pytest.mark.parametrize(
    ("max_tokens", "tokens", "expected"),
    [(8000, 1000, 7000), (8000, 7990, MIN_TOKENS), (8000, 9000, MIN_TOKENS)],
)
def test_max_tokens_is_what_is_left_of_it(max_tokens, tokens, expected):
    body = continued(
        params(max_tokens=max_tokens), so_far(left_open=TEXT), "user_turn", RESUME, tokens=tokens
    )
    assert body["max_tokens"] == expected


@pytest.mark.parametrize(
    ("budget", "tokens", "expected"),
    [
        (4000, 0, (4000, 8000)),
        (4000, 5000, (2744, 3000)),
        (4000, 7500, (1024, 1280)),
        (1024, 8000, (1024, 1280)),
    ],
)
def test_a_thinking_budget_stays_below_max_tokens(budget, tokens, expected):
    thinking = {"type": "enabled", "budget_tokens": budget, "display": "omitted"}
    body = continued(
        params(thinking=thinking), so_far(THINKING, left_open=TEXT), "user_turn", RESUME, tokens=tokens
    )
    assert body["thinking"] == {**thinking, "budget_tokens": expected[0]}
    assert body["max_tokens"] == expected[1]
