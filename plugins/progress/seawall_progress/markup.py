"""What an answer costs beside the characters of its deltas: the markup that the API takes out of it.

The constants are tokens, of 378 recorded answers of 50 tokens and more that were not streamed, of models from
Claude 3 to Sonnet 5, and rounded.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

_CALLS: Final = 17
"""Around calls of tools that follow one another; where `tool_choice` has a tool called, the API writes that
around the first ones itself."""
_LATER_CALLS: Final = 10
"""The same by the tokenizer of Claude 4.7 and later."""
_LATER: Final = re.compile(r"claude-(?!3|(?:opus|sonnet|haiku)-4(?!-[789](?!\d)))")
_NOT_PARALLEL: Final = -9
"""The answer ends after a call, where only one is allowed."""
_CALL: Final = 16
"""Each call, beside the name of its tool."""
PARAMETER: Final = 13
"""Each parameter of a call, beside its name and its value."""
_CITED: Final = 18
"""A text with citations."""
_THINKING: Final = 8
"""The end of it."""
_END: Final = 3
"""The end of an answer that ends in text."""


class Markup:
    """That of one attempt, so far.

    Args:
        params: Of the request.
    """

    __slots__ = ("_around", "_blocks", "_end", "_is_calling", "_is_named", "_kind", "_once")

    def __init__(self, params: Mapping[str, Any]) -> None:
        choice = params.get("tool_choice")
        choice = choice if isinstance(choice, Mapping) else {}
        self._around = _LATER_CALLS if _LATER.match(str(params.get("model", ""))) else _CALLS
        is_forced = choice.get("type") in ("any", "tool")
        self._once = (_NOT_PARALLEL if choice.get("disable_parallel_tool_use") is True else 0) - (
            self._around if is_forced else 0
        )
        """With the first call."""
        self._is_named = choice.get("type") == "tool"
        """The API writes the name of the tool that is called first."""
        self._is_calling = False
        self._kind = ""
        self._blocks = 0
        """Tokens of the blocks so far."""
        self._end = 0

    @property
    def tokens(self) -> int:
        """Its tokens."""
        return self._blocks + self._end

    def begin(self, kind: str, block: Mapping[str, Any]) -> str:
        """A block of a type begins; returns what the model wrote for that, which is not in its deltas."""
        caller = block.get("caller")
        if isinstance(caller, Mapping) and caller.get("type") != "direct":
            # called by code, so the model wrote nothing
            self._kind = kind
            return ""
        name = ""
        if kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
            name = self._call(block)
        else:
            self._is_calling = False
        if kind == "text" and block.get("citations") is not None:
            self._blocks += _CITED
        self._end, self._kind = 0, kind
        return name

    def _call(self, block: Mapping[str, Any]) -> str:
        if not self._is_calling:
            self._blocks += self._around
        self._blocks += self._once + _CALL
        name = "" if self._is_named else block.get("name")
        self._is_calling, self._is_named, self._once = True, False, 0
        # as words have one, and so that texts can be cut in front of it
        return f" {name}" if isinstance(name, str) and name else ""

    def end(self) -> None:
        """The block ended: with it the answer may, if it is text."""
        if self._kind == "thinking":
            self._blocks += _THINKING
        self._end = _END if self._kind == "text" else 0
        self._kind = ""
