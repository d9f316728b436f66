"""Puts the events of a further attempt behind what the caller has, so that it reads as one message. Sans-I/O.

Rules: CONTINUATION.md, "Its answer, spliced".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from seawall.assembly import THINKING, Assembly, Text, is_signed, merged_usage, written
from seawall.call import Attempt, Usage
from seawall.decisions import Way
from seawall.frames import Event
from seawall.seam import Seam
from seawall.stops import StopAcrossSeam

_OF_A_BLOCK: Final = ("content_block_start", "content_block_delta", "content_block_stop")


class Splice:
    """Turns the events of one attempt into those that go on with `so_far`.

    An event that passes unchanged is returned as the same object, so that its frame can pass byte for byte.

    Args:
        so_far: What was delivered before this attempt. The caller of `feed` adds to it each event that `feed`
            yields, before it asks for the next.
    """

    def __init__(self, so_far: Assembly, way: Way, stop_sequences: Sequence[str] = ()) -> None:
        self._so_far = so_far
        self.seam = Seam(so_far.text())
        self._stop_across = StopAcrossSeam(so_far.text(), stop_sequences)
        self.is_over = False
        """The message is whole; the rest of the attempt is not wanted."""
        self.withheld = Text()
        """What the attempt wrote that was not delivered as it came."""
        self.changed = 0
        """Characters that were delivered of it."""
        self.unseen = 0
        """Characters that were not, or not yet."""
        self._is_joined = False
        """The text of the attempt passes as it comes."""
        self._goes_on = so_far.open is not None and so_far.open.get("type") == "text"
        """A text block was open when the message broke."""
        self._drops_thinking = way != "restart" or self._goes_on or any(map(is_signed, so_far.blocks))
        """A signature holds for the conversation it was made in: one with a continuation in it is not the
        caller's, nor is one without the thinking that the caller has."""
        self._is_first = so_far.started
        """No block has come that goes on with the message; thinking does not."""
        self._index = -1
        """The attempt's index of its last block, the one that is open."""
        self._is_dropped = False
        """It is thinking that is left out."""
        self._joins = False
        """It is open, and the seam sees its text."""
        self._held_start: Event | None = None
        """The start of that block if it is a new one, until there is something in it."""

    def feed(self, event: Event) -> Iterator[Event]:
        """Return what is delivered for one event of the attempt.

        Raises:
            seam.Diverged: The attempt wrote a different answer.
            ValueError: The event is not the next one of the attempt's own blocks.
        """
        kind = event.get("type")
        if kind in _OF_A_BLOCK:
            self._index += kind == "content_block_start"
            if event["index"] != self._index:
                # moved to the end of what was delivered, it would get into another block
                raise ValueError(f"{kind} {event['index']} where {self._index} is next")
        match kind:
            case "message_start":
                if self._so_far.head is None:
                    yield event
            case "content_block_start":
                yield from self._start(event)
            case "content_block_delta" | "content_block_stop" if self._is_dropped:
                self._withhold(written(event))
            case "content_block_delta":
                yield from self._delta(event)
            case "content_block_stop":
                yield from self._stop(event)
            case "message_delta" | "message_stop":
                yield from self._close()
                yield event
            case _:
                yield event

    def _start(self, event: Event) -> Iterator[Event]:
        block = event["content_block"]
        kind = block.get("type")
        self._is_dropped = kind in THINKING and self._drops_thinking
        if self._is_dropped:
            return
        joins = kind == "text" and self._is_first
        if not (joins and self._goes_on):
            yield from self._close()
        self._joins = joins
        self._is_first = self._is_first and kind in THINKING
        if not joins:
            yield self._moved(event)
            return
        said = block.get("text")
        if said:
            # the API does not begin a block with text; who does gets it seen by the seam
            event = {**event, "content_block": {**block, "text": ""}}
        self._held_start = None if self._goes_on else event
        if said:
            yield from self._delta({**event, **_text_delta(said)})

    def _delta(self, event: Event) -> Iterator[Event]:
        delta = event["delta"]
        if self._joins and not self._is_joined:
            if delta.get("type") == "text_delta":
                self._withhold(delta["text"])
                text = self._stop_across.feed(self.seam.feed(delta["text"]))
                if self._stop_across.found is not None:
                    yield from self._end(self._stop_across.found)
                if not text:
                    return
                self._pass_from_now(text)
                if text != delta["text"]:
                    event = {**event, "delta": {**delta, "text": text}}
            yield from self._release()
        yield self._moved(event)

    def _stop(self, event: Event) -> Iterator[Event]:
        if self._joins:
            self._joins = False
            rest = self._stop_across.feed(self.seam.flush())
            if self._stop_across.found is not None:
                yield from self._end(self._stop_across.found)
                return
            if rest := rest + self._stop_across.flush():
                self._pass_from_now(rest)
                yield from self._release()
                yield self._moved({**_text_delta(rest), "index": event["index"]})
        # nothing is open where the continuation had nothing to add: no empty block for it
        if self._so_far.open is not None:
            yield self._moved(event)

    def _withhold(self, text: str) -> None:
        self.withheld.append(text)
        self.unseen += len(text)

    def _pass_from_now(self, text: str) -> None:
        """Note that the seam is behind: it let `text` through, and holds nothing more."""
        self._is_joined = True
        self.changed += len(text)
        self.unseen -= len(text)

    def _release(self) -> Iterator[Event]:
        """The start of the new block, if it is still held."""
        if self._held_start is not None:
            yield self._moved(self._held_start)
            self._held_start = None

    def _close(self) -> Iterator[Event]:
        """Close the block that is open, if there is one."""
        yield from self._stop({"type": "content_block_stop", "index": len(self._so_far.whole)})

    def _end(self, stop_sequence: str) -> Iterator[Event]:
        """End the message at a stop sequence that began before this attempt."""
        self.is_over = True
        self._joins, self._held_start = False, None
        yield from self._close()
        ending = {"stop_reason": "stop_sequence", "stop_sequence": stop_sequence}
        yield {"type": "message_delta", "delta": ending, "usage": {}}
        yield {"type": "message_stop"}

    def _moved(self, event: Event) -> Event:
        """The event with the index of the block that is next, or open."""
        index = len(self._so_far.whole)
        return event if event["index"] == index else {**event, "index": index}


def _text_delta(text: str) -> Event:
    return {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}


def summed(event: Event, so_far: Assembly, attempts: Sequence[Attempt]) -> Event:
    """Return a `message_delta` whose usage is the sum over `attempts`, the last of which it ends.

    `usage.iterations` lists the attempts in the shape the API uses for its own fallbacks.
    """
    paid = [attempt for attempt in attempts if any(attempt.usage.counts().values())]
    if len(paid) < 2:  # noqa: PLR2004 - nothing to sum
        return event
    total = sum((attempt.usage for attempt in paid), Usage())
    iterations = [
        {
            "type": "message",
            "model": a.model,
            **a.usage.counts(),
            "cache_creation": a.raw_usage.get("cache_creation"),
        }
        for a in paid
    ]
    usage = merged_usage((so_far.head or {}).get("usage") or {}, event.get("usage") or {})
    summed_usage: dict[str, Any] = {**usage, **_details(paid), **total.counts(), "iterations": iterations}
    return {**event, "usage": summed_usage}


def _details(attempts: Sequence[Attempt]) -> dict[str, dict[str, Any]]:
    """Return the sums of what usages tell in tables, such as searches, or cache writes by their lifetime."""
    details: dict[str, dict[str, Any]] = {}
    for attempt in attempts:
        for name, table in attempt.raw_usage.items():
            if isinstance(table, Mapping):
                sums = details.setdefault(name, {})
                for key, value in table.items():
                    before = sums.get(key)
                    both = isinstance(before, int) and isinstance(value, int)
                    sums[key] = before + value if both else value
    return details
