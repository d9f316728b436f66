from __future__ import annotations

import httpx2
import pytest

from seawall_testkit import Simulator, blocks

HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
OLD, NEW = "claude-sonnet-4-5", "claude-opus-5-5"
HELLO = {"role": "user", "content": "Tell me everything."}
AND_THEN = {"role": "user", "content": "And then?"}
WELL = {"type": "text", "text": "Well."}
SEARCH = blocks.web_search("ships")
MCP = blocks.mcp("look_up")
USE = {"type": "tool_use", "id": "toolu_1", "name": "book", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2VhbA=="}
MARK = {"cache_control": {"type": "ephemeral"}}


def assistant(*content):
    return {"role": "assistant", "content": list(content)}


def user(*content):
    return {"role": "user", "content": list(content)}


HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
REFUSED = {
    "a search without its result": (
        [HELLO, assistant(WELL, SEARCH[0]), AND_THEN],
        f"messages.1: `web_search` tool use with id `{SEARCH[0]['id']}` was found without",
    ),
    "an MCP call without its result": (
        [HELLO, assistant(MCP[0], WELL), AND_THEN],
        f"messages.1: `look_up` tool use with id `{MCP[0]['id']}` was found without",
    ),
    "a result without its search": (
        [HELLO, assistant(WELL, SEARCH[1]), AND_THEN],
        "messages.1: unexpected `tool_use_id` in `web_search_tool_result` blocks",
    ),
    "a result before its search": (
        [HELLO, assistant(SEARCH[1], SEARCH[0]), AND_THEN],
        "messages.1: unexpected `tool_use_id` in `web_search_tool_result` blocks",
    ),
    "a thought at the end of a turn": (
        [HELLO, assistant(WELL, THOUGHT), AND_THEN],
        "messages.1: The final block in an assistant message cannot be `thinking`.",
    ),
    "redacted thinking at the end of a turn": (
        [HELLO, assistant(blocks.redacted()), AND_THEN],
        "messages.1: The final block in an assistant message cannot be `redacted_thinking`.",
    ),
    "a thought without a signature": (
        [HELLO, assistant(blocks.thinking("hm"), WELL), AND_THEN],
        "messages.1.content.0.thinking.signature: Field required",
    ),
    "a signature without a thought": (
        [HELLO, assistant({"type": "thinking", "signature": "x"}, WELL), AND_THEN],
        "messages.1.content.0.thinking.thinking: Field required",
    ),
    "changed redacted thinking": (
        [
            HELLO,
            assistant({**blocks.redacted(), "data": blocks.redacted()["data"].swapcase()}, WELL),
            AND_THEN,
        ],
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    ),
    "redacted thinking that is no data": (
        [HELLO, assistant({"type": "redacted_thinking", "data": "é"}, WELL), AND_THEN],
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    ),
    "a tool call without its result": (
        [HELLO, assistant(WELL, USE), AND_THEN],
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each",
    ),
    "two tool calls of one id": (
        [HELLO, assistant(USE, USE), {"role": "user", "content": [RESULT]}],
        "messages.1.content.1: `tool_use` ids must be unique",
    ),
    "two results of one tool call": (
        [HELLO, assistant(USE), {"role": "user", "content": [RESULT, RESULT]}],
        "messages.2.content.1: each tool_use must have a single result. Found multiple `tool_result` blocks",
    ),
    "a tool's result after a text": (
        [HELLO, assistant(USE), {"role": "user", "content": [WELL, RESULT]}],
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each",
    ),
    "a second tool's result after a text": (
        [HELLO, assistant(USE, USE | {"id": "a"}), user(RESULT, WELL, RESULT | {"tool_use_id": "a"})],
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a. Each",
    ),
    "a result of no tool call": (
        [HELLO, assistant(USE), user(RESULT, RESULT | {"tool_use_id": "toolu_2"})],
        "messages.2.content.1: unexpected `tool_use_id` found in `tool_result` blocks: toolu_2.",
    ),
    "the same result again after a text": (
        [HELLO, assistant(USE), user(RESULT, WELL, RESULT)],
        "messages.2.content.2: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1.",
    ),
    "a marked thought": (
        [HELLO, assistant({**THOUGHT, **MARK}, WELL), AND_THEN],
        "messages.1.content.0.thinking.cache_control: Extra inputs are not permitted",
    ),
    "an hour's marker after one of five minutes": (
        [user(WELL | MARK), user(WELL | HOUR)],
        "cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m'",
    ),
    "a tool call by the user": (
        [{"role": "user", "content": [USE]}, {"role": "user", "content": [RESULT]}],
        "messages.0.content.0: `tool_use` blocks can only be in `assistant` messages",
    ),
    "a thought by the user": (
        [{"role": "user", "content": [WELL, THOUGHT]}],
        "messages.0.content.1: `thinking` blocks can only be in `assistant` messages",
    ),
    "a search by the user": (
        [{"role": "user", "content": SEARCH}],
        "messages.0.content.0: `server_tool_use` blocks can only be in `assistant` messages",
    ),
    "a tool result by the assistant": (
        [HELLO, assistant(USE), assistant(RESULT, WELL), AND_THEN],
        "messages.2.content.0: `tool_result` blocks can only be in `user` messages",
    ),
    "a blank text": ([{"role": "user", "content": " \n"}], "messages.0: content must be non-empty"),
    "an empty text": (
        [HELLO, assistant({"type": "text", "text": ""}, WELL), AND_THEN],
        "messages: text content blocks must be non-empty",
    ),
}
REFUSED_PREFILLS = {
    "a prefill with a tool call in it": (
        [HELLO, assistant(USE, WELL)],
        "messages: the final assistant turn must not hold tool_use",
    ),
    "a prefill that ends in white space": (
        [HELLO, assistant(WELL, {"type": "text", "text": "So \n"})],
        "messages: final assistant content cannot end with trailing whitespace",
    ),
    "a prefill with a thought": (
        [HELLO, assistant(THOUGHT, WELL)],
        "messages.1.content.0: When thinking is disabled, an `assistant` message in the final position",
    ),
}


def error_of(messages, model, **parameters):
    with Simulator() as sim:
        body = {"model": model, "max_tokens": 1000, "messages": messages, **parameters}
        response = httpx2.post(sim.base_url + "/v1/messages", json=body, headers=HEADERS)
        assert response.status_code == 400, response.text
        error = response.json()["error"]
        assert sim.requests[0].error == error["message"]
        assert error["type"] == "invalid_request_error"
        return error["message"]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("model", [OLD, NEW])
def test_a_turn_that_is_not_whole_is_refused(name, model):
    messages, said = REFUSED[name]
    assert error_of(messages, model).startswith(said)


@pytest.mark.parametrize("name", REFUSED_PREFILLS)
def test_a_prefill_that_cannot_be_gone_on_with_is_refused(name):
    messages, said = REFUSED_PREFILLS[name]
    assert error_of(messages, OLD).startswith(said)
    assert error_of(messages, NEW).startswith("This model does not support assistant message prefill.")


def test_more_than_four_cache_markers_are_refused():
    content = [{"type": "text", "text": "Hi", **MARK} for _ in range(5)]
    said = "A maximum of 4 blocks with cache_control may be provided. Found 5."
    assert error_of([{"role": "user", "content": content}], NEW) == said
    assert error_of([{"role": "user", "content": content[1:]}], NEW, **MARK) == said


@pytest.mark.parametrize("marker", [{"type": "lasting"}, {"type": "ephemeral", "ttl": "1d"}, "ephemeral"])
def test_an_unknown_cache_marker_is_refused(marker):
    content = [{"type": "text", "text": "Hi", "cache_control": marker}]
    assert error_of([{"role": "user", "content": content}], NEW).startswith("cache_control.t")


SYSTEM = {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}


@pytest.mark.parametrize(
    ("model", "messages", "status"),
    [
        (NEW, [HELLO, SYSTEM], 200),
        (NEW, [HELLO, SYSTEM, SYSTEM], 200),
        (NEW, [HELLO, SYSTEM, assistant(WELL), AND_THEN], 200),
        ("claude-opus-4-8", [HELLO, SYSTEM], 200),
        (OLD, [HELLO, SYSTEM], 400),
        (NEW, [SYSTEM, HELLO], 400),
        (NEW, [HELLO, assistant(WELL), SYSTEM, AND_THEN], 400),
        (NEW, [HELLO, {"role": "system", "content": [USE]}], 400),
    ],
)
def test_a_system_message_follows_a_turn_of_the_user(model, messages, status):
    with Simulator() as sim:
        body = {"model": model, "max_tokens": 9, "messages": messages}
        response = httpx2.post(sim.base_url + "/v1/messages", json=body, headers=HEADERS)
        assert response.status_code == status


def test_a_system_message_after_a_tools_result_changes_nothing_about_the_answer():
    messages = [HELLO, assistant(USE), {"role": "user", "content": [RESULT]}, SYSTEM]
    tools = [{"name": "book", "input_schema": {"type": "object"}}]
    answer = Simulator(answer="tool_use").answer_for(messages, tools=tools)
    assert [part.block["type"] for part in answer.parts] == ["text"]


@pytest.mark.parametrize("server_tool", [SEARCH, MCP])
def test_a_server_tool_beside_a_client_tool_has_its_result_in_the_next_turn(server_tool):
    use, result = server_tool
    called = [HELLO, assistant(use, USE), {"role": "user", "content": [RESULT]}]
    with Simulator() as sim:
        for messages, status in (
            (called, 200),
            ([*called, assistant(result, WELL), AND_THEN], 200),
            ([*called, assistant(WELL), AND_THEN], 400),
            ([*called, assistant({**USE, "id": "toolu_2"}), AND_THEN], 400),
        ):
            body = {"model": NEW, "max_tokens": 9, "messages": messages}
            response = httpx2.post(sim.base_url + "/v1/messages", json=body, headers=HEADERS)
            assert response.status_code == status


def test_server_tools_may_be_divided_among_neighbouring_assistant_turns():
    messages = [HELLO, assistant(WELL, SEARCH[0]), assistant(SEARCH[1]), AND_THEN]
    with Simulator() as sim:
        body = {"model": NEW, "max_tokens": 9, "messages": messages}
        response = httpx2.post(sim.base_url + "/v1/messages", json=body, headers=HEADERS)
        assert response.status_code == 200


ENABLED = {"model": OLD, "max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
EXPECTED = "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`."


@pytest.mark.parametrize(
    "messages",
    [
        [HELLO, assistant(USE), user(RESULT)],
        [HELLO, assistant(USE), user(RESULT), assistant(USE), user(RESULT, WELL)],
    ],
)
def test_a_turn_that_thought_goes_back_with_its_thought_while_tools_are_used(messages):
    assert error_of(messages, **ENABLED).startswith(EXPECTED)


@pytest.mark.parametrize(
    ("messages", "thinking"),
    [
        ([HELLO, assistant(USE), user(RESULT)], {"type": "disabled"}),
        ([HELLO, assistant(USE), user(RESULT), assistant(WELL), AND_THEN], ENABLED["thinking"]),
        ([HELLO, assistant(blocks.redacted(), USE), user(RESULT)], ENABLED["thinking"]),
        (
            [HELLO, assistant(blocks.redacted(), USE), user(RESULT), assistant(USE), user(RESULT, WELL)],
            ENABLED["thinking"],
        ),
        (
            [HELLO, assistant(WELL), AND_THEN, assistant(blocks.redacted(), USE), user(RESULT)],
            ENABLED["thinking"],
        ),
    ],
)
def test_a_turn_needs_no_thought_where_it_had_none_or_its_tools_are_done(messages, thinking):
    with Simulator() as sim:
        body = ENABLED | {"messages": messages, "thinking": thinking}
        response = httpx2.post(sim.base_url + "/v1/messages", json=body, headers=HEADERS)
        assert response.status_code == 200, response.text


def test_an_hours_marker_may_come_before_one_of_five_minutes():
    with Simulator() as sim:
        body = {"model": NEW, "max_tokens": 10, "messages": [user(WELL | HOUR), user(WELL | MARK)]}
        assert httpx2.post(sim.base_url + "/v1/messages", json=body, headers=HEADERS).status_code == 200
