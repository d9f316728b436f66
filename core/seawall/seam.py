"""The seam: where the text of a continuation joins the delivered text. Sans-I/O.

A model asked to go on may repeat its last words, put a sentence in front, change white space or start all
over. The first characters of the continuation are held back until it is clear what they are; what was
delivered is never taken back. Rules, and how often they are right: docs/reference/seam.md.

An exact continuation may begin with the words that the delivered text ends with: it looks like a repetition
and is taken for one. So the rules ask for more words where exact text may well begin so.
"""

import re
import unicodedata
from typing import AnyStr, Final, NoReturn

from seawall import preamble
from seawall.call import SeamDecision

_TAIL: Final = 4000
"""Characters of the delivered text among which a repetition is looked for."""
_MIN_WEIGHT: Final = 12
"""Letters and digits, unless it is three words; an ideograph is three, a syllable (kana, Hangul) two."""
_MIN_WORDS: Final = 3
_MIN_GLUED: Final = 3
_MIN_START_OVER: Final = 40
"""Characters in which a continuation agrees with the beginning of the answer, to be a start-over."""
_MIN_START_OVER_GLUED: Final = 20
_CERTAIN: Final = 100  # characters of a repetition that may begin within a word
_SAID_BEFORE: Final = 10
"""Characters that came before a repetition and end the delivered text too: so it repeats itself already."""
_JOINERS: Final = "\u200d\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
)
"""Letters of scripts that put no space between words: Thai to Khmer, kana, ideographs."""
_IDEOGRAPH = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")
_SYLLABLE = re.compile("[\u3040-\u30ff\uac00-\ud7af]")
_WHITE = re.compile(r"\s+")


class Diverged(Exception):  # noqa: N818 - it is an answer of the seam, not a fault of the program
    """A start-over stopped agreeing with what was delivered: it is a different answer."""


class Seam:
    """Joins the text of one continuation to the text `delivered` before it.

    The model was shown `delivered` without the white space at its end, which it may therefore say again.
    """

    def __init__(self, delivered: str) -> None:
        self._delivered = delivered.encode(errors="surrogatepass")
        """As bytes: it may be long, and a start-over takes long to retrace it."""
        self._beginning = delivered[:_TAIL]
        shown = delivered.rstrip()
        self._ended = delivered[len(shown) :]
        """The white space that the model was not shown."""
        self._shown = shown[-_TAIL:]
        self._tail = _loose(delivered[-_TAIL:])
        self._held = ""
        self._retraced = 0
        """Bytes of the delivered text a start-over has repeated so far; 0 when it is none."""
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
            return self._forgetting(self._retrace(text))
        self._held += text
        return "" if self._is_undecided() else self._forgetting(self._join())

    def _forgetting(self, text: str) -> str:
        """Return `text`; what was delivered is of no more use once it is joined, and may be long."""
        if self._is_joined:
            self._delivered = b""
            self._beginning = self._shown = self._tail = self._held = ""
        return text

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
        starts = preamble.starts(held)
        delivered = self._delivered.decode(errors="surrogatepass")
        for start in starts:
            if end := self._repetition(held[start:], is_first=not start):
                return self._cut(start + end, "preamble" if start else "overlap")
        for start in starts:
            agreed = _agreement(delivered, held[start:])
            # a beginning that came again later, as in the lines of a log, may come once more
            said = held[start : start + agreed]
            if self._is_start_over(said) and delivered.find(said, 1) < 0:
                self._is_joined = False
                self._retraced = len(said.encode(errors="surrogatepass"))
                self._cut(start + agreed, "start_over")
                return self._retrace(held[start + agreed :])
        if at := preamble.announced(held, self._tail, self._ended):
            return self._cut(at + _white_said_again(self._ended, held[at:]), "preamble")
        return self._cut(_white_said_again(self._ended, held), "exact")

    def _cut(self, length: int, decision: SeamDecision) -> str:
        """Cut away the start of what is held; returns the rest."""
        self.decision = decision
        self.overlap = length
        return self._held[length:]

    def _diverge(self) -> NoReturn:
        self.decision = "different"
        raise Diverged

    def _retrace(self, text: str) -> str:
        said = text.encode(errors="surrogatepass")
        agreed = _agreement(self._delivered[self._retraced : self._retraced + len(said)], said)
        self._retraced += agreed
        if self._retraced == len(self._delivered):
            self._is_joined = True
            self._retraced = 0
            rest = said[agreed:].decode(errors="surrogatepass")
            self.overlap += len(text) - len(rest)
            return rest
        self.overlap += len(said[:agreed].decode(errors="ignore"))
        if agreed < len(said):
            self._diverge()
        return ""

    def _is_undecided(self) -> bool:
        """Whether more text could still turn what is held into a repetition of something delivered."""
        held = self._held
        may_repeat = any(self._may_repeat(held[start:]) for start in preamble.starts(held))
        return may_repeat or preamble.may_become_one(held)

    def _may_repeat(self, said: str) -> bool:
        is_start_over = len(said) < _TAIL and self._beginning.startswith(said)
        return is_start_over or _loose(said).lstrip() in self._tail

    def _repetition(self, said: str, *, is_first: bool) -> int:
        """How many characters at the start of `said` repeat the end of what was delivered; 0 when none do."""
        tail, start = self._tail.rstrip(), _loose(said).lstrip()
        counts = range(min(len(tail), len(start)), 0, -1)
        count = next((count for count in counts if _is_said_again(tail, start, count)), 0)
        if not count:
            return 0
        repeated, end, before = start[:count], _end_of(said, count), tail[: len(tail) - count].lstrip()
        is_capital = preamble.may_be_sentence(repeated) and (is_first or not _UNSPACED.match(repeated))
        is_enough = (is_capital and not before) or self._is_enough(repeated, before[-1:], said, end)
        if not is_enough or _goes_on_repeating(before.rstrip(), repeated):
            return 0
        after = said[end:]
        white = after[: len(after) - len(after.lstrip())]
        # a line that ended goes on here: it only begins like the one before
        goes_on = after and not white.startswith(self._ended) and ("\n" in self._ended) != ("\n" in white)
        if goes_on or not _is_indented_alike(self._shown, said[:end]):
            return 0
        return end + _white_said_again(self._ended, after)

    def _is_enough(self, repeated: str, before: str, said: str, end: int) -> bool:
        """Whether words are too many, or join too badly, to begin an exact continuation by chance."""
        tokens, weight, is_word = repeated.split(), _weight(repeated), before in ("", " ")
        if not before and (len(repeated) >= _MIN_WEIGHT or len(tokens) >= _MIN_WORDS):
            return True
        if self._shown.endswith(said[:end].strip()) and (said[0].isspace() or "\n" in self._ended):
            # exact text begins so, and the cell of a table or the line of a list with the one before
            words = sum(any(map(str.isalnum, token)) for token in tokens)
            return words >= _MIN_WORDS or (words > 1 and weight >= _MIN_WEIGHT)
        if weight >= _MIN_WEIGHT or (is_word and len(tokens) >= _MIN_WORDS):
            return True
        if not is_word or _UNSPACED.match(repeated) or said[0].isspace():
            return False
        # exact text would stick to the word before, "lazylazy"; not after a line that may be no preamble
        is_preamble_sure = said == self._held or self._held[0].isupper()
        letters = sum(map(str.isalpha, repeated))
        if _is_in_word(self._shown[-1]):
            return is_preamble_sure and letters > len(tokens)
        return is_preamble_sure and letters >= _MIN_GLUED and said[end : end + 1].isspace()

    def _is_start_over(self, said: str) -> bool:
        is_open = not self._ended and self._shown[-1:].isalnum() and said[:1].isupper()
        least = _MIN_START_OVER_GLUED if is_open else _MIN_START_OVER
        return len(said) >= least and not _repeats_itself(said)


def _agreement(one: AnyStr, other: AnyStr) -> int:
    """How many characters, or bytes, two texts begin with alike."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(index for index in range(length) if one[index] != other[index])


def _white_said_again(ended: str, said: str) -> int:
    """How much white space at the start of `said` `ended` the delivered text; the model was not shown it."""
    white = said[: len(said) - len(said.lstrip())]
    return len(ended) if white.startswith(ended) else len(white)


def _weight(text: str) -> int:
    """What the letters and digits of a text count as evidence."""
    return sum(map(str.isalnum, text)) + 2 * len(_IDEOGRAPH.findall(text)) + len(_SYLLABLE.findall(text))


def _is_said_again(tail: str, start: str, count: int) -> bool:
    """Whether the first `count` characters of `start` end `tail`, and do not begin within a word there."""
    if not tail.endswith(start[:count]) or _is_mark(start[0]):
        return False
    before, first = tail[-count - 1 : -count], start[0]
    is_within = before and _is_in_word(before) and _is_in_word(first)
    return not is_within or count >= _CERTAIN or bool(_UNSPACED.match(first) or _UNSPACED.match(before))


def _goes_on_repeating(before: str, repeated: str) -> bool:
    """Whether a text that ends in `before` and `repeated` says the same over and over, as it may again."""
    tail = f"{before} {repeated}"
    said_before = _agreement(before[::-1], tail[::-1])
    return said_before >= min(len(repeated), _SAID_BEFORE) or _repeats_itself(repeated)


def _is_in_word(character: str) -> bool:
    return character.isalnum() or _is_mark(character)


def _is_mark(character: str) -> bool:
    """Whether it completes the character before: a combining mark, a joiner, a skin tone."""
    return unicodedata.category(character)[0] == "M" or character in _JOINERS


def _is_indented_alike(shown: str, said: str) -> bool:
    """Whether the white space in and before a repetition is at most changed as models do, not indentation."""
    runs = zip(reversed(_WHITE.findall(shown)), reversed(_WHITE.findall(said)), strict=False)
    pairs = ([run.rpartition("\n")[2] for run in pair] for pair in runs)
    return all(one == other or min(len(one), len(other)) < 2 for one, other in pairs)  # noqa: PLR2004


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
