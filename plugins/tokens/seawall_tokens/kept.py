"""What estimates learned, kept in the shared store: for later processes, and for others that run now."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from seawall.state import READ, Document, Step, Store, StoreError
from seawall_tokens.calibration import Learned

_log = logging.getLogger("seawall.tokens.kept")

_MOST: Final = 512
"""Ratios kept; the ones longest not learned are dropped."""


def _keep(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, None]:
    learned = arguments["learned"]
    older = {key: value for key, value in document.items() if key not in learned}
    return dict([*older.items(), *learned.items()][-_MOST:]), None


_KEEP: Final = Step("keep", _keep)


class Kept:
    """A `Memory` in a store. A store that fails costs what was learned, no call; that is said once.

    Args:
        store: Where it is kept.
        host: Who counted: a simulator counts in its own way.
    """

    def __init__(self, store: Store, host: str) -> None:
        self._store = store
        self.key = f"calibration:{host}"
        self.blocks = store.blocks
        self._is_told = False

    def load(self) -> Mapping[str, Learned]:
        """Return all that was saved."""
        try:
            document = self._store.step(READ, key=self.key)
        except StoreError as error:
            self._say(error)
            return {}
        found = {key: _learned(value) for key, value in document.items()}
        return {key: value for key, value in found.items() if value is not None}

    def save(self, learned: Mapping[str, Learned]) -> None:
        """Keep these, beside those saved before."""
        values = {key: [value.weight, value.log_ratio] for key, value in learned.items()}
        try:
            self._store.step(_KEEP, key=self.key, learned=values)
        except StoreError as error:
            self._say(error)

    def _say(self, error: StoreError) -> None:
        if not self._is_told:
            self._is_told = True
            _log.warning("what estimates learn is not kept: %s", error)


def _learned(value: object) -> Learned | None:
    """Return what a value of the document stands for; `None` for what is none."""
    match value:
        case [int() | float() as weight, int() | float() as log_ratio]:
            return Learned(float(weight), float(log_ratio))
    return None
