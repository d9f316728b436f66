"""The vocabulary of Claude 2, the last one published; shipped with the package, loaded on first use.

Texts are split before it as for models since, which was found by their counts: of a number three digits are
one token and the space before them another, and so are line breaks in a row and the indentation after them.
"""

import base64
import gzip
import importlib
import logging
import re
import unicodedata
from collections.abc import Callable
from importlib import resources
from typing import Final

from seawall import state

_log = logging.getLogger("seawall_tokens")

Count = Callable[[str], float]
"""Tokens of a text."""

_SPLIT: Final = (
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_MARKS: Final = re.compile(r"[\u0300-\U0010FFFF][\W\uFF9E\uFF9F]{127}")
"""Characters that may all be combining marks, or become some: no others are there in words."""


class Vocabulary:
    """Loads once, in whichever thread asks first; the others wait for it. Threads may share it."""

    def __init__(self) -> None:
        self._count: Count | None = None
        self.is_settled = False
        """Whether asking for it takes no time: it is loaded, or known to be missing."""
        self._lock = state.new_lock()

    def count(self) -> Count | None:
        """Return what counts tokens with the vocabulary; `None` where tiktoken cannot be imported."""
        if not self.is_settled:
            with self._lock:
                if not self.is_settled:
                    self._count = _load()
                    self.is_settled = True
        return self._count


CLAUDE_2: Final = Vocabulary()
"""The one of this process: it takes some 20 MB and, once, a tenth of a second."""


def _load() -> Count | None:
    try:
        tiktoken = importlib.import_module("tiktoken")
    except (ImportError, RuntimeError):
        # a RuntimeError: the interpreter ends, and what tiktoken imports is too late for that
        _log.warning("tiktoken cannot be imported: tokens are estimated from characters, which is less exact")
        return None
    packed = resources.files(__package__).joinpath("data", "claude2.tiktoken.gz").read_bytes()
    lines = (line.split() for line in gzip.decompress(packed).splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    encoding = tiktoken.Encoding("claude2", pat_str=_SPLIT, mergeable_ranks=ranks, special_tokens={})
    encode: Callable[[str], list[int]] = encoding.encode_ordinary
    return lambda text: len(encode(_normalized(text)))


def _normalized(text: str) -> str:
    """Return the text in the form NFKC.

    Python sorts combining marks in a row in a time that is the square of their number, with all other threads
    waiting: a text is cut in long runs of them.
    """
    if text.isascii():
        return text
    pieces, start = [], 0
    for run in _MARKS.finditer(text):
        pieces.append(unicodedata.normalize("NFKC", text[start : run.end()]))
        start = run.end()
    return "".join([*pieces, unicodedata.normalize("NFKC", text[start:])])
