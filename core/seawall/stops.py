"""A stop sequence that begins in what was delivered and ends in a continuation. Sans-I/O.

The API looks for stop sequences in what it generates, so it cannot see one that a break has cut in two.
"""

from collections.abc import Sequence


class StopAcrossSeam:
    """Looks for the rest of a stop sequence at the start of a continuation of `delivered`."""

    def __init__(self, delivered: str, stop_sequences: Sequence[str]) -> None:
        self._rests = {
            stop[length:]: stop
            for stop in stop_sequences
            for length in range(1, len(stop))
            if delivered.endswith(stop[:length])
        }
        self._held = ""
        self.found: str | None = None
        """The stop sequence at which the message ends."""

    def feed(self, text: str) -> str:
        """Return what of the held and the new text is to be delivered now; may be empty."""
        if not self._rests or not text:
            return text
        self._held += text
        if ends := [rest for rest in self._rests if self._held.startswith(rest)]:
            # the one that ends first, whatever came in one delta
            self.found = self._rests[min(ends, key=len)]
            return ""
        if any(rest.startswith(self._held) for rest in self._rests):
            return ""
        return self.flush()

    def flush(self) -> str:
        """Return what is still held: no more comes to decide by."""
        held, self._held, self._rests = self._held, "", {}
        return held
