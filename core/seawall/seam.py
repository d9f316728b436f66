"""The seam: where the text of a continuation joins the delivered text. Sans-I/O.

A model asked to go on may repeat its last words, put a sentence in front, change white space or start all
over. The first characters of the continuation are held back until it is clear what they are; what was
delivered is never taken back. Rules: CONTINUATION.md, "The seam".

A continuation that goes on exactly, with words that happen to be those the delivered text ends with, looks
like one that repeats them: it is taken for the latter. So the rules below ask for enough words, and for words
that do not repeat themselves already, as the rows of a table of zeros do.
"""

import re
from typing import Final, NoReturn

from seawall.call import SeamDecision

_TAIL: Final = 4000
"""Characters of the delivered text among which a repetition is looked for."""
_MIN_OVERLAP: Final = 12
"""Characters; shorter repetitions are taken for text, unless they are three words."""
_MIN_WORDS: Final = 3
_MIN_START_OVER: Final = 40
"""Characters in which a continuation agrees with the beginning of the answer before it is taken for a
start-over."""
_LONGEST_PREAMBLE: Final = 200
"""Characters; so much new text is held back at most."""

_WHITE = re.compile(r"\s+")
_PREAMBLE = re.compile(rf"[^\n]{{1,{_LONGEST_PREAMBLE - 2}}}[:.\uff1a\u3002][^\S\n]?\n\s*")
"""A first line that ends like a sentence or an announcement; the last two are the full-width forms."""


class Diverged(Exception):  # noqa: N818 - it is an answer of the seam, not a fault of the program
    """A start-over stopped agreeing with what was delivered: it is a different answer."""


class Seam:
    """Joins the text of one continuation to the text `delivered` before it.

    The model was shown `delivered` without the white space at its end, which it may therefore say again.
    """

    def __init__(self, delivered: str) -> None:
        self._delivered = delivered
        self._tail = _loose(delivered[-_TAIL:])
        self._held = ""
        self._retraced = 0
        """Characters of the delivered text a start-over has repeated so far; 0 when it is none."""
        self._is_joined = not delivered
        self.decision: SeamDecision | None = None
        """What the continuation began with, once that is clear."""
        self.overlap = 0
        """Characters of it that were cut away."""

    def feed(self, text: str) -> str:
        """Return what of the held and the new text is to be delivered now; may be empty.

        Raises:
            Diverged: The continuation started over and went another way.
        """
        if self._is_joined:
            return text
        if self._retraced:
            return self._retrace(text)
        self._held += text
        return "" if self._is_undecided() else self._join()

    def flush(self) -> str:
        """Return what is still held: the block ends, so no more can come to decide by.

        Raises:
            Diverged: The continuation started over and ended before it came to anything new.
        """
        if self._is_joined:
            return ""
        rest = "" if self._retraced else self._join()
        if self._retraced:
            self._diverge()
        if not rest:
            self.decision = "nothing"
        return rest

    def _join(self) -> str:
        self._is_joined = True
        held = self._held
        starts = _starts(held)
        for start in starts:
            if end := self._repetition(held[start:]):
                return self._cut(start + end, "preamble" if start else "overlap")
        for start in starts:
            agreed = _agreement(self._delivered, held[start:])
            # a beginning that came again later, as in the lines of a log, may come once more
            said = held[start : start + agreed]
            if agreed >= _MIN_START_OVER and not _repeats_itself(said) and self._delivered.find(said, 1) < 0:
                self._is_joined = False
                self._retraced = agreed
                self._cut(start + agreed, "start_over")
                return self._retrace(held[start + agreed :])
        return self._cut(_white_said_again(self._delivered, held), "exact")

    def _cut(self, length: int, decision: SeamDecision) -> str:
        """Cut away the start of what is held; returns the rest."""
        self.decision = decision
        self.overlap = length
        return self._held[length:]

    def _diverge(self) -> NoReturn:
        self.decision = "different"
        raise Diverged

    def _retrace(self, text: str) -> str:
        agreed = _agreement(self._delivered[self._retraced : self._retraced + len(text)], text)
        self._retraced += agreed
        self.overlap += agreed
        if self._retraced == len(self._delivered):
            self._is_joined = True
            self._retraced = 0
            return text[agreed:]
        if agreed < len(text):
            self._diverge()
        return ""

    def _is_undecided(self) -> bool:
        """Whether more text could still turn what is held into a repetition of something delivered."""
        held = self._held
        if any(self._may_repeat(held[start:]) for start in _starts(held)):
            return True
        # the first line may yet end like a preamble; a long one, or the rest of a sentence, is none
        return "\n" not in held and _may_be_sentence(held) and len(held) < _LONGEST_PREAMBLE

    def _may_repeat(self, said: str) -> bool:
        is_start_over = len(said) < _TAIL and self._delivered.startswith(said)
        return is_start_over or _loose(said).lstrip() in self._tail

    def _repetition(self, said: str) -> int:
        """How many characters at the start of `said` repeat the end of what was delivered; 0 when none do."""
        tail, start = self._tail.rstrip(), _loose(said).lstrip()
        count = next((n for n in range(min(len(tail), len(start)), 0, -1) if tail.endswith(start[:n])), 0)
        repeated = start[:count]
        if _repeats_itself(repeated) or tail.endswith((repeated * 2, f"{repeated} {repeated}")):
            return 0
        if not (_is_long_enough(repeated) or (repeated == tail.lstrip() and _may_be_sentence(repeated))):
            return 0
        end = _end_of(said, count)
        after, ended = said[end:], self._delivered[len(self._delivered.rstrip()) :]
        white = after[: len(after) - len(after.lstrip())]
        if after and not white.startswith(ended) and ("\n" in ended) != ("\n" in white):
            # a line that ended goes on here: it only begins like the one before
            return 0
        return end + _white_said_again(self._delivered, after)


def _starts(held: str) -> list[int]:
    """Where in `held` the continuation proper may begin: at once, or after a preamble."""
    preamble = _PREAMBLE.match(held)
    return [0, preamble.end()] if preamble and _may_be_sentence(held) else [0]


def _may_be_sentence(text: str) -> bool:
    """Whether `text` may begin with a sentence of its own: with a capital, or in a script without them."""
    return text[:1].isalpha() and not text[0].islower()


def _agreement(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(index for index in range(length) if one[index] != other[index])


def _white_said_again(delivered: str, said: str) -> int:
    """How much white space at the start of `said` ended `delivered`; the model was not shown it."""
    ended = delivered[len(delivered.rstrip()) :]
    white = said[: len(said) - len(said.lstrip())]
    return len(ended) if white.startswith(ended) else len(white)


def _is_long_enough(repeated: str) -> bool:
    return len(repeated) >= _MIN_OVERLAP or len(repeated.split()) >= _MIN_WORDS


def _repeats_itself(text: str) -> bool:
    """Whether `text` is one piece over and over, such as a rule of dashes or a row of zeros."""
    return any(text.startswith(text[period:]) for period in range(1, len(text) // 2 + 1))


def _loose(text: str) -> str:
    """The text with each run of white space as one space."""
    return _WHITE.sub(" ", text)


def _end_of(said: str, count: int) -> int:
    """Where in `said` the first `count` characters of its loose form end, white space in front left out."""
    at = len(said) - len(said.lstrip())
    for _ in range(count):
        white = _WHITE.match(said, at)
        at = white.end() if white else at + 1
    return at
