"""Estimates the output tokens of one attempt while it is streamed.

The chunk path only appends pieces of text to `recent`, and has every few of them joined, as bytes, since
pieces take five times the memory; texts are counted when somebody looks. What had been dropped by then, as
nobody looked for long, counts as dense as the rest.
"""

from collections import deque
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Final

from seawall_progress.inputs import Inputs
from seawall_progress.markup import PARAMETER, Markup

Kind = str
"""The kind of delta that brings characters."""
_KEYS: Final[Mapping[Kind, str]] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}
_OF_BLOCK: Final[Mapping[str, Kind]] = {
    "text": "text_delta",
    "thinking": "thinking_delta",
    "tool_use": "input_json_delta",
    "server_tool_use": "input_json_delta",
    "mcp_tool_use": "input_json_delta",
}
_NAME: Final[Kind] = "name"
"""The names of the tools that are called, which come in no delta."""
MOST_RECENT: Final = 8
"""Pieces that have not been joined."""
_KEPT: Final = 48
"""Texts that wait to be counted, each of so many pieces; older ones are dropped."""
_BATCH: Final = 400
"""Characters that are counted once and for all; what is left is counted again with what follows it."""
_DENSITY: Final = 0.25
"""Tokens of a character, before any was counted."""


class Count:
    """The tokens of one attempt.

    `begin`, `key`, `recent`, `gather` and `take` are for the chunk path, the rest is for who looks.

    Args:
        estimate: Tokens of a text.
        markup: Those beside the texts.
    """

    __slots__ = (
        "_blocks",
        "_counted",
        "_estimate",
        "_inputs",
        "_is_torn",
        "_known",
        "_markup",
        "_place",
        "_rests",
        "_texts",
        "key",
        "recent",
    )

    def __init__(self, estimate: Callable[[str], int], markup: Markup) -> None:
        self._estimate = estimate
        self._markup = markup
        self._place: tuple[Kind, object] = ("text_delta", None)
        """The kind of delta that the open block is made of, and its index."""
        self.key = "text"
        """Where such a delta has its text."""
        self.recent: list[str] = []
        """Pieces of the text of the open block; `gather` empties it."""
        self._texts: deque[tuple[Kind, object, bytes]] = deque(maxlen=_KEPT)
        """What they brought and was not counted: kind, block and text, which may take four times as much as a
        string."""
        self._is_torn = False
        """Whether texts were dropped that came before these."""
        self._blocks: tuple[Mapping[Kind, int], Kind, int] = ({}, "text_delta", 0)
        """Characters of the blocks before, by kind; what the open block is, and how many characters the
        attempt had when it began."""
        self._inputs = Inputs()
        self._known: dict[Kind, int] = {}
        """Characters that were counted or are in the rests."""
        self._counted: dict[Kind, int] = {}
        """Tokens of what is not in the rests."""
        self._rests: dict[Kind, str] = {}

    def begin(self, block: str, index: object, written: int, name: str = "") -> None:
        """A block of a type begins.

        Args:
            block: The type.
            index: Of the block.
            written: Characters that the attempt has.
            name: What the model wrote for it that no delta brings.
        """
        kind = _OF_BLOCK.get(block, "text_delta")
        self._blocks = (self._characters(written), kind, written)
        self._place, self.key = (kind, index), _KEYS[kind]
        if name:
            self._keep(_NAME, None, name)

    def tokens(self, written: int, *, counts: bool = True) -> int:
        """Return the tokens of the first `written` characters and of what was around them, estimated.

        Args:
            written: Characters that the attempt has.
            counts: Whether what has come since is counted, which may take milliseconds; else it is taken to
                be as dense as what was before.
        """
        if counts:
            self._take_texts()
        known, rests, inputs = dict(self._known), dict(self._rests), copy(self._inputs)
        # the chunk path may gather them meanwhile: then they are as dense as the rest
        if counts and (text := _joined(self.recent)):
            kind, block = self._place
            known[kind] = known.get(kind, 0) + len(text)
            rests[kind] = rests.get(kind, "") + _said(inputs, kind, block, text)
        tokens = {kind: self._counted.get(kind, 0) + self._tokens(rests.get(kind, "")) for kind in known}
        total = sum(tokens.values())
        density = total / all_known if (all_known := sum(known.values())) else _DENSITY
        missed = 0.0
        for kind, number in self._characters(written).items():
            there = known.get(kind, 0)
            missed += max(number - there, 0) * (tokens[kind] / there if there else density)
        return max(round(total + missed) + self._markup.tokens + PARAMETER * inputs.parameters, 0)

    def _characters(self, written: int) -> dict[Kind, int]:
        closed, kind, start = self._blocks
        return {**closed, kind: closed.get(kind, 0) + written - start}

    def _tokens(self, text: str) -> int:
        return self._estimate(text) if text else 0

    def gather(self) -> None:
        """Join the recent pieces; at `MOST_RECENT` of them, and when a block ends."""
        if self.recent:
            text = _joined(self.recent)
            self.recent.clear()
            self._keep(*self._place, text)

    def take(self, event: Mapping[str, Any]) -> None:
        """A delta came that is none of those the open block is made of."""
        self.gather()
        delta = event.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        kind = str(delta.get("type"))
        if kind in _KEYS:
            self._keep(kind, event.get("index"), str(delta.get(_KEYS[kind], "")))

    def _keep(self, kind: Kind, block: object, text: str) -> None:
        self._is_torn |= len(self._texts) == _KEPT
        self._texts.append((kind, block, text.encode(errors="surrogatepass")))

    def _take_texts(self) -> None:
        """Count what was gathered; only one thread at a time may."""
        texts: dict[Kind, list[str]] = {}
        while self._texts:
            kind, block, encoded = self._texts.popleft()
            text = encoded.decode(errors="surrogatepass")
            if self._is_torn:
                # of what follows a gap nobody knows what it is a part of
                self._inputs.tear(block)
                self._is_torn = False
            self._known[kind] = self._known.get(kind, 0) + len(text)
            texts.setdefault(kind, []).append(_said(self._inputs, kind, block, text))
        for kind, new in texts.items():
            text = self._rests.get(kind, "") + "".join(new)
            # a token begins with a space: cut in front of one, a text has the tokens of its parts
            end = text.rfind(" ") if len(text) >= _BATCH else 0
            if end > 0:
                self._counted[kind] = self._counted.get(kind, 0) + self._estimate(text[:end])
            self._rests[kind] = text[max(end, 0) :]


def _said(inputs: Inputs, kind: Kind, block: object, text: str) -> str:
    """Return what the model wrote for the next text of a block."""
    return inputs.feed(block, text) if kind == "input_json_delta" else text


def _joined(pieces: list[str]) -> str:
    # what should be a text might be anything
    return "".join(map(str, pieces))
