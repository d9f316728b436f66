"""Which documents there are: a store finds a document by its key, it lists none.

For who shows them to people: an index is one small document with the names that processes lately noted.
"""

from collections.abc import Mapping
from typing import Any, Final

from seawall.state.documents import READ, Document, Step
from seawall.state.errors import StoreError
from seawall.state.forks import new_lock
from seawall.state.store import Store

MOST: Final = 128
"""Names that an index has; the ones noted longest ago are dropped."""
KEPT: Final = 86_400.0
"""Seconds after which a name that nobody notes again is dropped."""
AGAIN: Final = 3_600.0
"""Seconds after which a process notes a name again."""


def _note(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, None]:
    now = arguments["now"]
    names = {**document.get("names", {}), arguments["name"]: now}
    latest = sorted(names.items(), key=lambda item: item[1])[-MOST:]
    return {**document, "names": {name: noted for name, noted in latest if noted > now - KEPT}}, None


_NOTE: Final = Step("note a name", _note)


class Index:
    """An index, and what this process has noted in it. Threads may share it; methods block as the store does.

    Args:
        key: Of its document.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._lock = new_lock()
        self._noted: dict[int, tuple[Store, dict[str, float]]] = {}
        """By store; a store that is kept here shares its id with no other."""

    def note(self, store: Store, name: str, now: float) -> None:
        """Note a name; asks the store once an hour, and costs a microsecond else.

        It is for who looks only, so a store that fails is no failure: the name is noted the next time.
        """
        with self._lock:
            _, noted = self._noted.setdefault(id(store), (store, {}))
            if abs(now - noted.get(name, -AGAIN)) < AGAIN:
                return
        try:
            store.step(_NOTE, key=self._key, name=name, now=now)
        except StoreError:
            return
        with self._lock:
            if len(noted) >= MOST:
                noted.clear()
            noted[name] = now

    def names(self, store: Store, now: float) -> list[str]:
        """Return the names noted within a day, sorted.

        Raises:
            StoreError: The store failed.
        """
        noted = store.step(READ, key=self._key).get("names", {})
        return sorted(name for name, when in noted.items() if when > now - KEPT)
