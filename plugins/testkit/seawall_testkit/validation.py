"""Which requests the API refuses with 400; stricter than the API where its documentation is silent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

from seawall_testkit import models
from seawall_testkit.cache import LIFETIMES, MOST_MARKERS, markers_of
from seawall_testkit.conversation import blocks_of, count_input_tokens
from seawall_testkit.errors import PREFILL_REFUSED, RequestError
from seawall_testkit.headers import VERSIONS
from seawall_testkit.history import check_messages, check_tool_loop
from seawall_testkit.sampling import check_sampling

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_LEAST_BUDGET = 1024


def check_message_request(
    body: Mapping[str, Any], api_version: str, more_models: Collection[str] = ()
) -> None:
    """Refuses what `POST /v1/messages` refuses, but for what `check_last_message` does.

    Args:
        body: of the request.
        api_version: its `anthropic-version`.
        more_models: names that are known besides the API's own.

    Raises:
        RequestError: 400, or 404 for an unknown model.
    """
    _check_required(body, ("model", "max_tokens", "messages"))
    _check_model(body["model"], more_models)
    _check_max_tokens(body["max_tokens"], body["model"])
    _check_prompt(body, api_version)
    check_sampling(body, api_version)
    _check_sequences(body.get("stop_sequences"))
    if not isinstance(body.get("stream"), bool | None):
        _refuse("stream: Input should be a valid boolean")


def _check_prompt(body: Mapping[str, Any], api_version: str) -> None:
    """What messages and counts have in common."""
    if isinstance(thread := body.get("thread"), dict) and thread.get("type") == "continue":
        _refuse(
            "thread: this simulator keeps none; send all messages, as tool_runner(..., thread=False) does"
        )
    check_messages(body["messages"], takes_system=models.accepts_system_messages(body["model"]))
    _check_system(body.get("system"))
    _check_thinking(body)
    _check_tools(body)
    _check_output(body)
    _check_markers(markers_of(body))
    if (tokens := count_input_tokens(body)) > (most := models.context_window(body["model"])):
        _refuse(f"prompt is too long: {tokens} tokens > {most} maximum")
    if api_version == VERSIONS[-1]:
        _check_latest(body)


def _check_latest(body: Mapping[str, Any]) -> None:
    """No documents of the assistant or citations of the user.

    That is what the latest version takes less than the one before (docs, api/migration-2026-10-21).
    """
    for position, message in enumerate(body["messages"]):
        for index, block in enumerate(blocks_of(message["content"])):
            where = f"messages.{position}.content.{index}"
            if message["role"] == "assistant" and block["type"] == "document":
                _refuse(f"{where}: documents are not supported in assistant messages in this API version")
            if message["role"] == "user" and block["type"] == "text" and block.get("citations"):
                _refuse(f"{where}.citations: not supported in user messages in this API version")


def check_last_message(body: Mapping[str, Any], *, is_paused: bool) -> None:
    """Refuses an assistant turn at the end that the model does not take or that cannot be gone on with.

    Args:
        body: of a request that `check_message_request` let pass.
        is_paused: the turn is one that ended in `pause_turn`: every model takes it back.

    Raises:
        RequestError: 400.
    """
    last = body["messages"][-1]
    if last["role"] != "assistant":
        return
    if not is_paused and not models.accepts_prefill(body["model"]):
        _refuse(PREFILL_REFUSED)
    blocks = blocks_of(last["content"])
    if any(block["type"] == "tool_use" for block in blocks):
        _refuse("messages: the final assistant turn must not hold tool_use")
    if blocks[-1]["type"] == "text" and blocks[-1]["text"] != blocks[-1]["text"].rstrip():
        _refuse("messages: final assistant content cannot end with trailing whitespace")
    if is_paused:
        return
    position = len(body["messages"]) - 1
    if (body.get("thinking") or {}).get("type") in {"enabled", "adaptive"}:
        _refuse("messages: the final assistant message cannot be prefilled when thinking is enabled")
    for index, block in enumerate(blocks):
        if block["type"] in {"thinking", "redacted_thinking"}:
            _refuse(
                f"messages.{position}.content.{index}: When thinking is disabled, an `assistant` message in "
                f"the final position cannot contain `{block['type']}`. To use thinking blocks, enable "
                "`thinking` in your request."
            )


def check_count_request(body: Mapping[str, Any], api_version: str, more_models: Collection[str] = ()) -> None:
    """Refuses what `POST /v1/messages/count_tokens` refuses; as `check_message_request`.

    Raises:
        RequestError: 400, or 404 for an unknown model.
    """
    _check_required(body, ("model", "messages"))
    _check_model(body["model"], more_models)
    _check_prompt(body, api_version)


def _check_required(body: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name not in body:
            _refuse(f"{name}: Field required")


def _check_model(model: object, more_models: Collection[str]) -> None:
    if not isinstance(model, str):
        _refuse("model: Input should be a valid string")
    elif not models.is_known(model) and model not in more_models:
        raise RequestError(404, f"model: {model}")


def _check_max_tokens(max_tokens: object, model: str) -> None:
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 0:
        _refuse("max_tokens: Input should be an integer greater than or equal to 0")
        return
    most = models.max_output(model)
    if most is not None and max_tokens > most:
        _refuse(
            f"max_tokens: {max_tokens} > {most}, which is the maximum allowed number of output "
            f"tokens for {model}"
        )


def _check_system(system: object) -> None:
    if not isinstance(system, str | list | None):
        _refuse("system: Input should be a valid string or a list of text blocks")
    for index, block in enumerate(system if isinstance(system, list) else ()):
        if not isinstance(block, dict) or block.get("type") != "text":
            _refuse(f"system.{index}.type: Input should be 'text'")
        if not isinstance(block.get("text"), str) or not block["text"].strip():
            _refuse(f"system.{index}: text content blocks must be non-empty")


def _check_thinking(body: Mapping[str, Any]) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if not isinstance(kind, str) or kind not in models.thinking_types(body["model"]):
        _refuse(f"thinking.type: {kind!r} is not supported by {body['model']}")
    if kind != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < _LEAST_BUDGET:
        _refuse(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_BUDGET}")
    elif budget >= body.get("max_tokens", math.inf):
        _refuse("`max_tokens` must be greater than `thinking.budget_tokens`.")
    check_tool_loop(body["messages"])


def _check_tools(body: Mapping[str, Any]) -> None:
    choice = body.get("tool_choice")
    tools = body.get("tools") or []
    if not isinstance(tools, list) or not all(map(_is_named, tools)):
        _refuse("tools: each tool needs a name")
    names = [tool["name"] for tool in tools]
    if len(set(names)) < len(names):
        _refuse("tools: Tool names must be unique.")
    for index, tool in enumerate(tools):
        if not isinstance(tool.get("type"), str | None):
            _refuse(f"tools.{index}.type: Input should be a valid string")
        if tool.get("type") in {None, "custom"} and not isinstance(tool.get("input_schema"), dict):
            _refuse(f"tools.{index}.custom.input_schema: Field required")
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in ("auto", "any", "tool", "none"):
        _refuse("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if kind in {"any", "tool"}:
        _check_forced_tool(choice, tools, body)


def _is_named(tool: object) -> bool:
    return isinstance(tool, dict) and isinstance(tool.get("name"), str) and bool(tool["name"])


def _check_output(body: Mapping[str, Any]) -> None:
    config = body.get("output_config")
    if isinstance(config, dict):
        _check_effort(config.get("effort"), body)
    formats = [body.get("output_format"), config.get("format") if isinstance(config, dict) else config]
    for wanted in formats:
        if not isinstance(wanted, dict | None):
            _refuse("output_config.format: Input should be a valid dictionary")
        if wanted and wanted.get("type") == "json_schema" and not isinstance(wanted.get("schema"), dict):
            _refuse("output_config.format.schema: Input should be a valid dictionary")


def _check_effort(effort: object, body: Mapping[str, Any]) -> None:
    levels = models.efforts(body["model"])
    if effort is None:
        return
    if not isinstance(effort, str) or effort not in levels:
        _refuse(
            f"This model does not support effort level {effort!r}. "
            f"Supported levels: {', '.join(sorted(levels))}."
        )
    is_disabled = (body.get("thinking") or {}).get("type") == "disabled"
    if is_disabled and effort in {"xhigh", "max"} and models.version(body["model"]) >= (5, 0):
        _refuse(f"thinking.type: 'disabled' is not supported at effort {effort!r}; at most at 'high'")


def _check_forced_tool(choice: Mapping[str, Any], tools: list[Any], body: Mapping[str, Any]) -> None:
    if not tools:
        _refuse("tool_choice: may only be specified while providing tools")
    if choice["type"] == "tool" and choice.get("name") not in [tool["name"] for tool in tools]:
        _refuse(f"tool_choice.name: tool {choice.get('name')!r} not found in provided tools")
    if not models.accepts_forced_tools(body["model"]):
        _refuse(f"tool_choice: {choice['type']!r} is not supported by {body['model']}")
    if (body.get("thinking") or {}).get("type") == "enabled":
        _refuse("Thinking may not be enabled when tool_choice forces tool use.")


def _check_sequences(sequences: object) -> None:
    if sequences is None:
        return
    if not isinstance(sequences, list) or not all(
        isinstance(item, str) and item.strip() for item in sequences
    ):
        _refuse("stop_sequences: each stop sequence must contain non-whitespace")


def _check_markers(markers: list[Any]) -> None:
    if len(markers) > MOST_MARKERS:
        _refuse(
            f"A maximum of {MOST_MARKERS} blocks with cache_control may be provided. Found {len(markers)}."
        )
    for marker in markers:
        if not isinstance(marker, dict) or marker.get("type") != "ephemeral":
            _refuse("cache_control.type: Input should be 'ephemeral'")
        if str(marker.get("ttl", "5m")) not in LIFETIMES:
            _refuse("cache_control.ttl: Input should be '5m' or '1h'")
    lifetimes = [marker.get("ttl", "5m") for marker in markers]
    if lifetimes != sorted(lifetimes):  # 1h before 5m
        _refuse(
            "cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control "
            "block. Note that blocks are processed in the following order: tools, system, messages."
        )


def _refuse(message: str) -> NoReturn:
    raise RequestError(400, message)
