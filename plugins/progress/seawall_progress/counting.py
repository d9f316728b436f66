"""Estimates the output tokens of one attempt while it is streamed.

The chunk path only appends events to `pieces`; texts are taken out of them and counted when somebody looks.
What had been dropped by then, as nobody looked for long, counts as dense as the rest.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from seawall_progress.markup import Markup

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
_KEPT: Final = 256
"""Events that wait to be counted; older ones are dropped."""
_BATCH: Final = 400
"""Characters that are counted once and for all; what is left is counted again with what follows it."""
_DENSITY: Final = 0.25
"""Tokens of a character, before any was counted."""


class Count:
    """The tokens of one attempt. `begin` and `pieces` are for the chunk path; the rest is for who looks.

    Args:
        estimate: Tokens of a text.
        markup: Those beside the texts.
    """

    __slots__ = ("_batches", "_blocks", "_estimate", "_markup", "_rests", "pieces")

    def __init__(self, estimate: Callable[[str], int], markup: Markup) -> None:
        self._estimate = estimate
        self._markup = markup
        self.pieces: deque[Mapping[str, Any]] = deque(maxlen=_KEPT)
        """Events that bring characters and have not been counted."""
        self._blocks: tuple[Mapping[Kind, int], Kind, int] = ({}, "text_delta", 0)
        """Characters of the blocks before, by kind; what the open block is, and how many characters the
        attempt had when it began."""
        self._batches: dict[Kind, tuple[int, int]] = {}
        """Characters that were counted, and their tokens."""
        self._rests: dict[Kind, str] = {}

    def begin(self, block: str, written: int) -> None:
        """A block of a type begins; `written` is how many characters the attempt has."""
        self._blocks = (self._characters(written), _OF_BLOCK.get(block, "text_delta"), written)

    def tokens(self, written: int, *, counts: bool = True) -> int:
        """Return the tokens of the first `written` characters and of what was around them, estimated.

        Args:
            written: Characters that the attempt has.
            counts: Whether what has come since is counted, which may take milliseconds; else it is taken to
                be as dense as what was before.
        """
        if counts:
            self._take_pieces()
        counted = {kind: self._counted(kind) for kind in self._rests}
        known, tokens = map(sum, zip(*counted.values(), strict=True)) if counted else (0, 0)
        density = tokens / known if known else _DENSITY
        missed = 0.0
        for kind, number in self._characters(written).items():
            there, its_tokens = counted.get(kind, (0, 0))
            missed += max(number - there, 0) * (its_tokens / there if there else density)
        return max(round(tokens + missed) + self._markup.tokens, 0)

    def _characters(self, written: int) -> dict[Kind, int]:
        closed, kind, start = self._blocks
        return {**closed, kind: closed.get(kind, 0) + written - start}

    def _counted(self, kind: Kind) -> tuple[int, int]:
        """Return the characters of a kind that were counted, and their tokens."""
        characters, tokens = self._batches.get(kind, (0, 0))
        rest = self._rests[kind]
        return characters + len(rest), tokens + (self._estimate(rest) if rest else 0)

    def _take_pieces(self) -> None:
        """Count what has come; only one thread at a time may."""
        texts: dict[Kind, list[str]] = {}
        pieces = self.pieces
        while pieces:
            event = pieces.popleft()
            delta = event.get("delta")
            if not isinstance(delta, dict):
                continue
            kind = str(delta.get("type"))
            piece = delta.get(_KEYS.get(kind, ""))
            if isinstance(piece, str):
                texts.setdefault(kind, []).append(piece)
                if kind == "input_json_delta":
                    self._markup.feed(event.get("index"), piece)
        for kind, new in texts.items():
            text = self._rests.get(kind, "") + "".join(new)
            # a token begins with a space: cut in front of one, a text has the tokens of its parts
            end = text.rfind(" ") if len(text) >= _BATCH else 0
            if end > 0:
                counted, tokens = self._batches.get(kind, (0, 0))
                self._batches[kind] = counted + end, tokens + self._estimate(text[:end])
            self._rests[kind] = text[max(end, 0) :]
