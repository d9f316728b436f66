"""How many output tokens answers had beyond what could be seen of them while they were streamed."""

from typing import Final

from seawall.state import new_lock

DENSITY: Final = 0.36
"""Tokens that a character counts for: text of the newest models has 0.25 to 0.35."""
_FADES: Final = 0.95
"""With each answer, what others had counts so much less."""
_MODELS: Final = 64
"""The ones longest not learned of are forgotten."""


class Unseen:
    """The most output tokens that answers of a model had lately beyond what their characters count for.

    Those of thinking that is not streamed, and of text denser than most, such as JSON. Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = new_lock()
        self._most: dict[str, float] = {}

    def of(self, model: str) -> float:
        """Return the tokens; 0 for a model that has not answered."""
        return self._most.get(model, 0.0)

    def learn(self, model: str, *, tokens: int, characters: int) -> None:
        """Learn from an answer that the API counted and that was streamed."""
        unseen = max(tokens - characters * DENSITY, 0.0)
        with self._lock:
            before = self._most.pop(model, 0.0)
            # the newest is last
            self._most[model] = max(unseen, before * _FADES)
            if len(self._most) > _MODELS:
                del self._most[next(iter(self._most))]
