"""What an answer costs beside the characters of its deltas: the markup that the API takes out of it.

The constants are tokens, of 126 recorded answers of 50 tokens and more, of models from Claude 3 to Sonnet 5,
and rounded; on repositories that a fit has not seen they differ by 2 to 4.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

_TOOLS: Final = 12
"""Before the first call of a tool, and after the last one."""
_FORCED: Final = -5
"""The same where `tool_choice` names the tool: the API writes the beginning itself."""
_TOOL: Final = 26
_KEY: Final = 9
"""Each key of a tool's input; those of objects in it are text."""
_SERVER_TOOL: Final = 40
_CITED: Final = 21
"""A text with citations."""
_THINKING: Final = 8
"""The end of it."""
_END: Final = 4
"""The end of an answer that ends in text."""
_MARK: Final = re.compile(r'\\.?|["{}\[\]:]', re.DOTALL)


class Markup:
    """That of one attempt, so far.

    Args:
        is_forced: The request names the tool that is to be called.
    """

    __slots__ = ("_blocks", "_end", "_is_calling", "_is_forced", "_keys", "_kind")

    def __init__(self, *, is_forced: bool = False) -> None:
        self._is_forced = is_forced
        self._is_calling = False
        self._kind = ""
        self._blocks = 0
        """Tokens of the blocks so far."""
        self._end = 0
        self._keys = Keys()

    @property
    def tokens(self) -> int:
        """Its tokens."""
        return self._blocks + self._end + _KEY * self._keys.count

    def begin(self, kind: str, block: Mapping[str, Any]) -> None:
        """A block of a type begins."""
        self._end = 0
        if kind in ("tool_use", "mcp_tool_use"):
            if not self._is_calling:
                self._blocks += _FORCED if self._is_forced else _TOOLS
            self._is_calling = True
            self._blocks += _TOOL
        elif kind == "server_tool_use":
            self._blocks += _SERVER_TOOL
        elif kind == "text":
            self._blocks += _CITED if block.get("citations") is not None else 0
        self._kind = kind

    def end(self) -> None:
        """The block ended: with it the answer may, if it is text."""
        if self._kind == "thinking":
            self._blocks += _THINKING
        self._end = _END if self._kind == "text" else 0
        self._kind = ""

    def feed(self, index: object, piece: str) -> None:
        """A piece of the input of a tool came, in a block; the deltas of one block come one after another."""
        self._keys.feed(index, piece)


class Keys:
    """Counts the keys of objects of JSON that come in pieces, but not those of objects in them."""

    __slots__ = ("_depth", "_is_string", "_object", "_rest", "count")

    def __init__(self) -> None:
        self.count = 0
        self._object: object = None
        self._begin()

    def _begin(self) -> None:
        self._depth = 0
        self._is_string = False
        self._rest = ""

    def feed(self, which: object, piece: str) -> None:
        """Take the next piece of an object; with another `which` another one begins."""
        if which != self._object:
            self._object = which
            self._begin()
        text, self._rest = self._rest + piece, ""
        for found in _MARK.finditer(text):
            mark = found[0]
            if mark == "\\":
                self._rest = mark
            elif mark == '"':
                self._is_string = not self._is_string
            elif not self._is_string:
                self._depth += (mark in "{[") - (mark in "}]")
                self.count += mark == ":" and self._depth == 1
