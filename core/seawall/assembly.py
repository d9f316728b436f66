"""The message so far, folded from the events the caller has. Sans-I/O.

Blocks stay dicts in the shape of the API's JSON answer; unknown block types and fields are kept as they came.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from seawall.frames import Event

_GROWS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("partial_json", "input"),
}
"""Deltas that bring a piece of a field: their key, and the field of the block."""
_SETS = {"signature_delta": ("signature",), "compaction_delta": ("content", "encrypted_content")}
"""Deltas that bring fields whole."""
THINKING = ("thinking", "redacted_thinking")
_PIECES = 8
_WITHIN = frozenset({"content_block_start", "content_block_delta", "message_delta", "message_stop"})
"""What means nothing before `message_start`; a stop of nothing is harmless, and the SDK lets it pass."""


class Text:
    """Text that comes in pieces, kept as bytes.

    As strings they would take five times as many, and more with an emoji among them.
    """

    __slots__ = ("_pieces", "_whole")

    def __init__(self) -> None:
        self._whole = bytearray()
        self._pieces: list[str] = []

    def append(self, piece: str) -> None:
        """Add the next piece.

        Raises:
            TypeError: It is no text, and is not added.
        """
        if not isinstance(piece, str):
            raise TypeError(f"{type(piece).__name__} where text is next")
        pieces = self._pieces
        pieces.append(piece)
        if len(pieces) == _PIECES:
            self._whole += "".join(pieces).encode(errors="surrogatepass")
            pieces.clear()

    @property
    def size(self) -> int:
        """Bytes of it, less those of its last pieces."""
        return len(self._whole)

    def joined(self) -> str:
        """All of it."""
        return self._whole.decode(errors="surrogatepass") + "".join(self._pieces)


class Assembly:
    """Folds events into one message, in the order of the API: blocks one after another, each whole.

    `complete` says that a `stop_reason` or `message_stop` was seen, so that nothing is missing (SDK.md, P9).
    """

    def __init__(self) -> None:
        self.head: dict[str, Any] | None = None
        """The message without its content: that of `message_start`, with what `message_delta` brought."""
        self.whole: list[dict[str, Any]] = []
        """Blocks that were stopped."""
        self.open: dict[str, Any] | None = None
        """The block that was started and not stopped, as it was started."""
        self.complete = False
        self.has_stopped = False
        """`message_stop` was seen."""
        self.written = 0
        """Characters that deltas brought."""
        self._parts: defaultdict[str, Text] = defaultdict(Text)
        """What the deltas brought for each field of the open block."""

    def add(self, event: Event) -> None:
        """Fold one event in; events and deltas of unknown types change nothing.

        Raises:
            ValueError: The event is not the next one of a message; to fold it in would lose a part.
            LookupError: It lacks what its type has.
            TypeError: It has something else than text where that is.
        """
        kind = event.get("type")
        if self.head is None and kind in _WITHIN:
            raise ValueError(f"{kind} before message_start")
        match kind:
            case "content_block_delta":
                self._add_delta(event["index"], event["delta"])
            case "content_block_start":
                self._start(event["index"], event["content_block"])
            case "content_block_stop" if self.open is not None:
                self._expect(event["index"], len(self.whole))
                self._close()
            case "message_delta":
                self._end(event)
            case "message_start" if self.head is not None:
                raise ValueError("a second message_start")
            case "message_start":
                self.head = dict(event["message"])
            case "message_stop":
                self.complete = self.has_stopped = True

    def adopt(self, message: Mapping[str, Any]) -> None:
        """Take over a message that came whole, in the place of what there is."""
        self._drop_open()
        self.whole = list(message.get("content") or ())
        self.head = dict(message)
        self.complete = self.has_stopped = True

    def _start(self, index: int, block: Event) -> None:
        self._expect(index, len(self.whole) + (self.open is not None))
        kind = block["type"]
        # both have their text in the field of their name
        if kind in ("text", "thinking") and not isinstance(block.get(kind) or "", str):
            raise TypeError(f"a block of {kind} begins with {type(block[kind]).__name__}")
        self._close()
        self.open = dict(block)
        if kind == "fallback" and self.head is not None:
            # from here on another model serves, and the API names the message after it
            self.head["model"] = block["to"]["model"]

    def _add_delta(self, index: int, delta: Event) -> None:
        if self.open is None:
            raise ValueError(f"a delta for block {index}, which is not open")
        if index != len(self.whole):
            self._expect(index, len(self.whole))
        kind = delta["type"]
        if kind in _GROWS:
            key, field = _GROWS[kind]
            piece = delta[key]
            self._parts[field].append(piece)
            self.written += len(piece)
        elif kind == "citations_delta":
            self.open["citations"] = [*(self.open.get("citations") or ()), delta["citation"]]
        elif kind in _SETS:
            self.open.update({key: delta.get(key) for key in _SETS[kind]})

    def _expect(self, index: int, expected: int) -> None:
        if index != expected:
            raise ValueError(f"an event for block {index} where {expected} is next")

    def _close(self) -> None:
        if self.open is not None:
            self.whole.append(self._folded())
            self._drop_open()

    def _drop_open(self) -> None:
        self.open = None
        self._parts = defaultdict(Text)

    def _end(self, event: Event) -> None:
        head = self.head or {}
        said = {key: value for key, value in event.items() if key not in ("type", "delta")} | event["delta"]
        said["usage"] = merged_usage(head.get("usage") or {}, event.get("usage") or {})
        self.head = head | {key: value for key, value in said.items() if value is not None or key not in head}
        self.complete = self.complete or event["delta"].get("stop_reason") is not None

    def _folded(self) -> dict[str, Any]:
        """The open block with its deltas folded in."""
        block = dict(self.open or {})
        for field, parts in self._parts.items():
            written = parts.joined()
            if field != "input":
                block[field] = (block.get(field) or "") + written
            elif written:
                block[field] = _tool_input(written)
        return block

    @property
    def started(self) -> bool:
        """Whether content has begun."""
        return bool(self.whole) or self.open is not None

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """Every block, the open one last."""
        return [*self.whole, self._folded()] if self.open is not None else self.whole

    def text(self) -> str:
        """The text of all text blocks."""
        return "".join(block.get("text") or "" for block in self.blocks if block.get("type") == "text")

    def spoken(self) -> str:
        """All that was generated, as text: what an estimate of the output tokens counts."""
        pieces = [
            str(block.get("text") or block.get("thinking") or block.get("input") or "")
            for block in self.whole
        ]
        return "".join([*pieces, *(parts.joined() for parts in self._parts.values())])

    def cut_back(self, end: int) -> None:
        """Keep only the first `end` blocks."""
        if end <= len(self.whole):
            del self.whole[end:]
            self._drop_open()

    def message(self) -> dict[str, Any] | None:
        """The message in the shape of the API's JSON answer; `None` before `message_start`."""
        return None if self.head is None else {**self.head, "content": self.blocks}


def is_signed(block: Mapping[str, Any]) -> bool:
    """Whether a block is thinking that came whole; the API refuses it without its signature."""
    return block.get("type") == "redacted_thinking" or bool(
        block.get("type") == "thinking" and block.get("signature")
    )


def written(event: Event) -> str:
    """What the model wrote in one event: text, thinking or tool input."""
    delta = event.get("delta") or {}
    key, _ = _GROWS.get(str(delta.get("type")), ("", ""))
    return str(delta.get(key, ""))


def merged_usage(start: Mapping[str, Any], end: Mapping[str, Any]) -> dict[str, Any]:
    """The usage of one attempt: counts at the end are totals, absent ones keep the value of the start."""
    return {**start, **{key: value for key, value in end.items() if value is not None}}


def _tool_input(written: str) -> Any:
    """A tool input; one that was cut short, as at `max_tokens`, is read as far as it goes."""
    with suppress(ValueError):
        return from_json(written, allow_partial=True)
    with suppress(ValueError, RecursionError):
        # it takes a lone half of a surrogate pair
        return json.loads(written)
    # fine-grained tool streaming may end in what is no JSON (API.md, section 5): kept as it came, nothing is
    # lost
    return written
