"""What a model writes for the input of a tool: not the JSON that the API makes of it and sends in pieces.

It writes the parameters one by one, each with its name, a string as it is; objects and lists in them are
JSON for the model too.
"""

import re
from collections.abc import Iterator
from typing import Final

_MARK: Final = re.compile(r'\\(?:u[0-9a-fA-F]{4}|[^u]|u?[0-9a-fA-F]*$)?|["{}\[\]:,]', re.DOTALL)
_HEX: Final = 6
"""Characters of an escape by its number."""
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Inputs:
    """Takes the JSON of inputs as it comes, one after another, and gives what was written for it.

    `copy.copy` of it goes on by itself.
    """

    __slots__ = ("_depth", "_input", "_is_string", "_is_torn", "_rest", "parameters")

    def __init__(self) -> None:
        self.parameters = 0
        """Those that came; an input has one for each key."""
        self._input: object = None
        self._begin()

    def _begin(self) -> None:
        self._depth = 0
        self._is_string = False
        self._is_torn = False
        self._rest = ""
        """The beginning of an escape."""

    def tear(self, which: object) -> None:
        """A part of an input does not come: its rest is taken for one string, as long inputs mostly are."""
        self._input = which
        self._depth, self._is_string, self._is_torn = 1, True, True
        self._rest = ""

    def feed(self, which: object, piece: str) -> str:
        """Take the next piece of an input, and return what was written; with another `which` one begins.

        Each name and each value ends in a newline.
        """
        if which != self._input:
            self._input = which
            self._begin()
        text, self._rest = self._rest + piece, ""
        return "".join(self._written(text))

    def _written(self, text: str) -> Iterator[str]:
        place = 0
        for found in _MARK.finditer(text):
            mark, is_inner = found[0], self._depth > 1
            yield self._plain(text[place : found.start()])
            place = found.end()
            if mark.startswith("\\"):
                if place == len(text) and _is_begun(mark):
                    self._rest = mark
                else:
                    yield mark if is_inner else _unescaped(mark)
            elif mark == '"' and not self._is_torn:
                self._is_string = not self._is_string
                yield mark if is_inner else ""
            elif self._is_string:
                yield mark
            else:
                yield self._structure(mark)
        yield self._plain(text[place:])

    def _plain(self, text: str) -> str:
        return text if self._is_string or self._depth != 1 else text.strip()

    def _structure(self, mark: str) -> str:
        depth = self._depth
        self._depth += (mark in "{[") - (mark in "}]")
        if depth == 1 and mark not in "{[":
            self.parameters += mark == ":"
            return "\n"
        return mark if depth else ""


def _is_begun(escape: str) -> bool:
    """Whether it is the beginning of an escape."""
    return len(escape) < (_HEX if escape[1:2] == "u" else 2)


def _unescaped(escape: str) -> str:
    return chr(int(escape[-4:], base=16)) if len(escape) == _HEX else _ESCAPED.get(escape[1:], escape[1:])
