"""Where in a TOML file its settings are.

`tomllib` reads the values and forgets the places. What is read here was read by `tomllib` before, so that
only the extent of strings, tables and lists has to be found.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Final, NamedTuple

Path = tuple[str, ...]
"""The keys that lead to a setting; those of lists are numbers, from `"0"`."""

_TOKENS: Final = re.compile(
    r"""
    (?P<string> \"{3} (?: \\. | [^\\] )*? \"{3,5}
              | '{3} .*? '{3,5}
              | " (?: \\. | [^"\\] )* "
              | ' [^']* ')
    | (?P<bare> [^\s\[\]{}=,"'#]+ )
    | (?P<mark> [\[\]{}=,] )
    | (?P<line> \n )
    | [^\S\n]+ | \#[^\n]*
    """,
    re.VERBOSE | re.DOTALL,
)


class Place(NamedTuple):
    """Line and column of a character, from 1."""

    line: int
    column: int


def places(text: str) -> dict[Path, Place]:
    """Return the place of each key, and of each element of a list, in TOML that `tomllib` has read."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    found = {}
    line = 0
    for path, offset in sorted(_Scan(text).found.items(), key=lambda item: item[1]):
        while line + 1 < len(starts) and starts[line + 1] <= offset:
            line += 1
        found[path] = Place(line + 1, offset - starts[line] + 1)
    return found


def nearest(found: dict[Path, Place], path: Path) -> Place:
    """Return the place of a setting, or of the table it is missing from, or of the beginning."""
    for depth in range(len(path), 0, -1):
        if place := found.get(path[:depth]):
            return place
    return Place(1, 1)


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


class _Scan:
    """Reads a text once, from its first token to its last."""

    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._tokens = [
            _Token(match.lastgroup, match.group(), match.start())
            for match in _TOKENS.finditer(text)
            if match.lastgroup
        ]
        self._tokens.append(_Token("end", "", len(text)))
        self._at = 0
        self._lengths: dict[Path, int] = {}
        """Of the lists of tables so far."""
        table: Path = ()
        while self._kind() != "end":
            if self._takes("["):
                table = self._header()
            elif self._kind() == "line":
                self._at += 1
            else:
                self._pair(table)

    def _kind(self) -> str:
        return self._tokens[self._at].kind

    def _takes(self, mark: str) -> bool:
        """Whether the next token is this mark; if so, go past it."""
        token = self._tokens[self._at]
        is_next = token.kind == "mark" and token.text == mark
        self._at += is_next
        return is_next

    def _skip_lines(self) -> None:
        while self._kind() == "line":
            self._at += 1

    def _keep(self, path: Path, offset: int) -> None:
        self.found.setdefault(path, offset)

    def _header(self) -> Path:
        is_list = self._takes("[")
        path: Path = ()
        keys = list(self._keys())
        for number, (key, offset) in enumerate(keys, 1):
            path = (*path, key)
            self._keep(path, offset)
            if is_list and number == len(keys):
                self._lengths[path] = self._lengths.get(path, 0) + 1
            if path in self._lengths:
                path = (*path, str(self._lengths[path] - 1))
                self._keep(path, offset)
        for _ in range(1 + is_list):
            self._takes("]")
        return path

    def _pair(self, table: Path) -> None:
        path = table
        for key, offset in self._keys():
            path = (*path, key)
            self._keep(path, offset)
        self._takes("=")
        self._value(path)

    def _keys(self) -> Iterator[tuple[str, int]]:
        """Yield the parts of a dotted key, with their offsets."""
        while (token := self._tokens[self._at]).kind in ("bare", "string"):
            self._at += 1
            if token.kind == "string":
                yield tomllib.loads(f"key = {token.text}")["key"], token.offset
                continue
            for part in re.finditer(r"[^.]+", token.text):
                yield part.group(), token.offset + part.start()

    def _value(self, path: Path) -> None:
        if self._takes("["):
            self._list(path)
        elif self._takes("{"):
            self._skip_lines()
            while not self._takes("}"):
                self._pair(path)
                self._takes(",")
                self._skip_lines()
        else:
            # a moment may be two words
            while self._kind() in ("bare", "string"):
                self._at += 1

    def _list(self, path: Path) -> None:
        number = 0
        self._skip_lines()
        while not self._takes("]"):
            element = (*path, str(number))
            self._keep(element, self._tokens[self._at].offset)
            self._value(element)
            self._skip_lines()
            self._takes(",")
            self._skip_lines()
            number += 1
