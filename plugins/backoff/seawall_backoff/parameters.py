"""Which parameters a model refuses that another one takes, so that a fallback fails when it is set up.

Facts: the model pages of platform.claude.com/docs, state of November 2026 (API.md, sections 4 and 6). Of a
model whose name tells no version nothing is known, and nothing is refused.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from seawall.models import takes_prefill, version

_LINE: Final = re.compile(r"opus|sonnet|haiku|fable|mythos", re.IGNORECASE)
_NEW_LINES: Final = frozenset({"fable", "mythos"})
_FORCES_TOOLS_BEFORE: Final = {"opus": (5, 5), "sonnet": (5, 5), "fable": (5, 1), "mythos": (5, 1)}
"""The first version of a line that refuses to be forced to use a tool."""
_LAST_WITH_ENABLED: Final = (4, 6)
_FIRST_WITH_ADAPTIVE: Final = (4, 6)
_FIRST_WITH_128K: Final = (4, 6)
_FIRST_WITH_64K: Final = (4, 5)


def refused(params: Mapping[str, Any], model: str) -> str | None:
    """Return the parameter that `model` would refuse, and why; `None` when none is known."""
    known, line = version(model), _LINE.search(model)
    if known is None or line is None:
        return None
    name = line[0].lower()
    return (
        _thinking(params.get("thinking"), name, known)
        or _tool_choice(params.get("tool_choice"), name, known)
        or _max_tokens(params.get("max_tokens"), known)
        or _prefill(params.get("messages"), model)
    )


def _thinking(thinking: Any, line: str, known: tuple[int, int]) -> str | None:
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    is_refused = (
        (kind == "enabled" and known > _LAST_WITH_ENABLED)
        or (kind == "adaptive" and known < _FIRST_WITH_ADAPTIVE)
        or (kind == "disabled" and (line in _NEW_LINES or (line, known) == ("opus", (5, 5))))
    )
    return f"thinking.type = {kind!r}" if is_refused else None


def _tool_choice(choice: Any, line: str, known: tuple[int, int]) -> str | None:
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    is_refused = kind in ("any", "tool") and known >= _FORCES_TOOLS_BEFORE.get(line, (99, 0))
    return f"tool_choice.type = {kind!r}" if is_refused else None


def _max_tokens(tokens: Any, known: tuple[int, int]) -> str | None:
    if known < _FIRST_WITH_64K or not isinstance(tokens, int):
        return None
    most = 128_000 if known >= _FIRST_WITH_128K else 64_000
    return f"max_tokens = {tokens:,}, of which it takes {most:,}," if tokens > most else None


def _prefill(messages: Any, model: str) -> str | None:
    last = messages[-1] if isinstance(messages, list) and messages else None
    is_refused = isinstance(last, Mapping) and last.get("role") == "assistant" and not takes_prefill(model)
    return "an assistant turn at the end of messages" if is_refused else None
