"""Corrects estimates by what the API counted: a ratio for each prompt, and one for each caller.

Estimates for requests of one caller that share system prompt, tools and output format are wrong by nearly
the same ratio, so that is learned; a prompt not seen before gets the ratio of its caller and family. Each is
a running mean of logarithms, clipped, in which small requests count less: a few tokens are much of them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from seawall.state import new_lock

_CLIP: Final = math.log(2)
"""Furthest a single answer may speak for."""
_SURPRISE: Final = math.log(4)
"""Beyond this an estimate is not wrong, the API has read something else."""
_SMALL: Final = 30
"""Tokens of a request that counts half."""
_PROMPT: Final = 8.0
"""Answers that the ratio of a prompt remembers."""
_CALLER: Final = 30.0
_PROMPT_PRIOR: Final = 0.1
"""Answers that the ratio of the caller weighs beside those of a prompt."""
_CALLER_PRIOR: Final = 5.0
"""Answers that no correction weighs beside those of a caller."""
_SOON, _SELDOM = 20, 16
"""Answers that are saved at once, and every how many after them: a mean of many changes little."""
_KEYS: Final = 4096
"""Ratios kept; the ones longest not learned are dropped."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The mean of some answers."""

    weight: float = 0.0
    """In answers, at most as many as are remembered."""
    log_ratio: float = 0.0
    """Of what was counted over what was estimated, natural logarithm."""

    @property
    def is_sound(self) -> bool:
        """Whether it can have been learned; what a memory returns need not be."""
        return 0 < self.weight <= _CALLER and abs(self.log_ratio) <= _CLIP

    def with_answer(self, log_ratio: float, weight: float, most: float) -> "Learned":
        """Return the mean with another answer in it."""
        total = min(self.weight + weight, most)
        return Learned(total, self.log_ratio + (log_ratio - self.log_ratio) * weight / total)


class Memory(Protocol):
    """Where what was learned outlives its process."""

    blocks: bool
    """Whether `load` and `save` may wait for a disk or a network, and so must not run in an event loop."""

    def load(self) -> Mapping[str, Learned]:
        """Return all that was saved."""

    def save(self, learned: Mapping[str, Learned]) -> None:
        """Keep these, beside those saved before; called from any thread."""


class InMemory:
    """A `Memory` of this process, to share between clients."""

    blocks = False

    def __init__(self) -> None:
        self._lock = new_lock()
        self._learned: dict[str, Learned] = {}

    def load(self) -> Mapping[str, Learned]:
        """Return all that was saved."""
        with self._lock:
            return dict(self._learned)

    def save(self, learned: Mapping[str, Learned]) -> None:
        """Keep these, beside those saved before."""
        with self._lock:
            for key, value in learned.items():
                _put(self._learned, key, value)


@dataclass(frozen=True, slots=True)
class Source:
    """Who asked what."""

    family: str
    caller: str
    prompt: str
    """A digest of what the requests of one prompt share."""

    @property
    def keys(self) -> tuple[str, str]:
        """Under which its prompt and its caller are remembered."""
        caller = f"{self.family}/{self.caller}"
        return f"{caller}/{self.prompt}", caller


class Calibration:
    """The ratios learned. Threads may share it; the lock is held for arithmetic only."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory: Memory = memory or InMemory()
        self.is_loaded = False
        self._lock = new_lock()
        self._learned: dict[str, Learned] = {}
        self._unsaved: dict[str, Learned] = {}
        self._answers = 0

    @property
    def is_due(self) -> bool:
        """Whether what was learned is worth saving now."""
        return bool(self._unsaved) and (self._answers <= _SOON or self._answers % _SELDOM == 0)

    def load(self) -> None:
        """Take over what the memory has; what was learned here since goes before."""
        known = {str(key): value for key, value in self.memory.load().items() if value.is_sound}
        with self._lock:
            for key, value in known.items():
                if key not in self._learned:
                    _put(self._learned, key, value)
            self.is_loaded = True

    def save(self) -> None:
        """Hand what was learned since the last time to the memory."""
        with self._lock:
            unsaved, self._unsaved = self._unsaved, {}
        if unsaved:
            self.memory.save(unsaved)

    def factor(self, source: Source) -> float:
        """Return by what to multiply an estimate; 1 while nothing is known."""
        of_prompt, of_caller = source.keys
        with self._lock:
            prompt, caller = self._learned.get(of_prompt, Learned()), self._learned.get(of_caller, Learned())
        expected = caller.log_ratio * caller.weight / (caller.weight + _CALLER_PRIOR)
        weighed = prompt.log_ratio * prompt.weight + expected * _PROMPT_PRIOR
        return math.exp(weighed / (prompt.weight + _PROMPT_PRIOR))

    def learn(self, source: Source, *, estimated: float, counted: float) -> bool:
        """Learn from the count of an answer, the estimate being the uncorrected one; returns whether it did.

        A count that is none (negative, zero, not a finite number), or one of something else, changes nothing.
        """
        if not (_is_count(estimated) and _is_count(counted)):
            return False
        log_ratio = math.log(counted / estimated)
        if abs(log_ratio) > _SURPRISE:
            return False
        clipped = max(-_CLIP, min(_CLIP, log_ratio))
        weight = counted / (counted + _SMALL)
        with self._lock:
            self._answers += 1
            for key, most in zip(source.keys, (_PROMPT, _CALLER), strict=True):
                learned = self._learned.get(key, Learned()).with_answer(clipped, weight, most)
                _put(self._learned, key, learned)
                _put(self._unsaved, key, learned)
        return True


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _put(learned: dict[str, Learned], key: str, value: Learned) -> None:
    """Set a value as the newest, and drop the oldest when there are too many."""
    learned.pop(key, None)
    learned[key] = value
    if len(learned) > _KEYS:
        del learned[next(iter(learned))]
