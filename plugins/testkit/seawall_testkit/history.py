"""Which conversations the API refuses with 400; stricter than the API where its documentation is silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from seawall_testkit.conversation import blocks_of
from seawall_testkit.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SERVER_TOOLS = frozenset({"server_tool_use", "mcp_tool_use"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_OF_ASSISTANT = _SERVER_TOOLS | _THOUGHTS | {"tool_use"}


def check_messages(messages: object, *, takes_system: bool) -> None:
    """Roles, non-empty content, tool results right after their tool use, and whole assistant turns.

    Args:
        messages: of the request.
        takes_system: whether the model takes `system` messages, which must follow a turn of the user.

    Raises:
        RequestError: 400.
    """
    if not isinstance(messages, list) or not messages:
        _refuse("messages: at least one message is required")
    asked: set[str] = set()
    for position, message in enumerate(messages):
        roles = ("user", "assistant", "system") if takes_system else ("user", "assistant")
        if not isinstance(message, dict) or message.get("role") not in roles:
            _refuse(f"messages.{position}.role: Input should be {' or '.join(map(repr, roles))}")
        if message["role"] == "system" and position and messages[position - 1]["role"] == "assistant":
            _refuse(f"messages.{position}.role: a `system` message must follow a `user` message")
        if position == 0 and message["role"] != "user":
            _refuse('messages: first message must use the "user" role')
        _check_content(position, message.get("content"))
        blocks = blocks_of(message["content"])
        _check_roles(position, message["role"], blocks)
        _check_results(position, blocks, asked)
        asked = _asked(position, blocks)
    running: dict[str, str] = {}
    for position, blocks, is_last in _assistant_turns(messages):
        running = _check_server_tools(position, blocks, running, is_last=is_last)
        if blocks[-1]["type"] in _THOUGHTS:
            _refuse(
                f"messages.{position}: The final block in an assistant message "
                f"cannot be `{blocks[-1]['type']}`."
            )


def check_tool_loop(messages: Sequence[Mapping[str, Any]]) -> None:
    """Refuses results of tools whose turn does not begin with the thought that it began with.

    That is so where `thinking.type` is `enabled`; of `adaptive` it is recorded that it is not.

    Args:
        messages: of a request that `check_messages` let pass.

    Raises:
        RequestError: 400.
    """
    contents = [blocks_of(message["content"]) for message in messages]
    if messages[-1]["role"] != "user" or not _has_result(contents[-1]):
        return
    asking = max(
        (
            position
            for position, message in enumerate(messages)
            if message["role"] == "user" and not _has_result(contents[position])
        ),
        default=-1,
    )
    turn = next(
        position for position in range(asking + 1, len(messages)) if messages[position]["role"] == "assistant"
    )
    if contents[turn][0]["type"] not in _THOUGHTS:
        _refuse(
            f"messages.{turn}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            f"`{contents[turn][0]['type']}`. When `thinking` is enabled, a final `assistant` message must "
            "start with a thinking block (preceeding the lastmost `tool_use` and `tool_result` blocks)."
        )


def _has_result(blocks: Sequence[Mapping[str, Any]]) -> bool:
    return any(block["type"] == "tool_result" for block in blocks)


def _asked(position: int, blocks: Sequence[Mapping[str, Any]]) -> set[str]:
    """The ids of the tool calls in a message."""
    asked: set[str] = set()
    for index, block in enumerate(blocks):
        if block["type"] == "tool_use":
            if str(block.get("id")) in asked:
                _refuse(f"messages.{position}.content.{index}: `tool_use` ids must be unique")
            asked.add(str(block.get("id")))
    return asked


def _check_results(position: int, blocks: Sequence[Mapping[str, Any]], asked: set[str]) -> None:
    """Every call has one result in the next message, before anything else there."""
    answered: set[str] = set()
    for index, block in enumerate(blocks):
        if block["type"] != "tool_result":
            break
        use = str(block.get("tool_use_id"))
        if use in answered:
            _refuse(
                f"messages.{position}.content.{index}: each tool_use must have a single result. Found "
                f"multiple `tool_result` blocks with id: {use}"
            )
        answered.add(use)
    if asked - answered:
        _refuse(
            f"messages.{position - 1}: `tool_use` ids were found without `tool_result` blocks "
            f"immediately after: {', '.join(sorted(asked - answered))}. Each `tool_use` block must have a "
            "corresponding `tool_result` block in the next message."
        )
    for index, block in enumerate(blocks):
        use = str(block.get("tool_use_id"))
        if block["type"] == "tool_result" and not (index < len(answered) and use in asked):
            _refuse(
                f"messages.{position}.content.{index}: unexpected `tool_use_id` found in `tool_result` "
                f"blocks: {use}. Each `tool_result` block must have a corresponding `tool_use` block in the "
                "previous message."
            )


def _check_content(position: int, content: object) -> None:
    if isinstance(content, str):
        if not content.strip():
            _refuse(f"messages.{position}: content must be non-empty")
        return
    if not isinstance(content, list) or not content:
        _refuse(f"messages.{position}.content: Input should be a valid string or a non-empty list")
    for index, block in enumerate(content):
        where = f"messages.{position}.content.{index}"
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            _refuse(f"{where}.type: Field required")
        if block["type"] == "text" and not isinstance(block.get("text"), str):
            _refuse(f"{where}.text: Field required")
        if block["type"] in _THOUGHTS and "cache_control" in block:
            _refuse(f"{where}.{block['type']}.cache_control: Extra inputs are not permitted")
        if block["type"] == "text" and not block["text"].strip():
            _refuse("messages: text content blocks must be non-empty")


def _check_roles(position: int, role: str, blocks: Sequence[Mapping[str, Any]]) -> None:
    """Tools are called and thoughts written by the assistant, results come from the user."""
    for index, block in enumerate(blocks):
        kind = block["type"]
        right = "assistant" if kind in _OF_ASSISTANT else "user" if kind == "tool_result" else role
        if role != right:
            _refuse(f"messages.{position}.content.{index}: `{kind}` blocks can only be in `{right}` messages")


def _assistant_turns(
    messages: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[int, list[dict[str, Any]], bool]]:
    """Each assistant turn: the position of its last message, its blocks, and whether nothing follows it."""
    turn: list[dict[str, Any]] = []
    for position, message in enumerate(messages):
        if message["role"] == "assistant":
            turn += blocks_of(message["content"])
        elif turn:
            yield position - 1, turn, False
            turn = []
    if turn:
        yield len(messages) - 1, turn, True


def _check_server_tools(
    position: int, blocks: Sequence[Mapping[str, Any]], running: Mapping[str, str], *, is_last: bool
) -> dict[str, str]:
    """Tools that ran on the server have their results in the same turn, unless that is the end.

    Beside a call of the client's tools they have them in the next turn: they run once that is answered.

    Args:
        position: of the turn's last message.
        blocks: of the turn.
        running: ids and names of the tools that the turn before left without results.
        is_last: whether nothing follows the turn.

    Returns:
        What this turn leaves without results.
    """
    used = dict(running)
    waits = any(block["type"] == "tool_use" for block in blocks)
    for block in blocks:
        if block["type"] in _SERVER_TOOLS:
            used[str(block.get("id"))] = str(block.get("name"))
        elif block["type"].endswith("_tool_result"):
            use = str(block.get("tool_use_id"))
            if used.pop(use, None) is None:
                _refuse(
                    f"messages.{position}: unexpected `tool_use_id` in `{block['type']}` blocks: {use}. "
                    f"Each `{block['type']}` block must have a corresponding tool use block before it."
                )
    for use, name in used.items():
        if not is_last and (use in running or not waits):
            _refuse(
                f"messages.{position}: `{name}` tool use with id `{use}` was found without a corresponding "
                f"`{name}_tool_result` block"
            )
    return used


def _refuse(message: str) -> NoReturn:
    raise RequestError(400, message)
