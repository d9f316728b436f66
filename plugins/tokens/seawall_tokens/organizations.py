"""Whose limits a call uses: those of an organization, whatever key it has. Answers tell which one it is."""

import threading
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from seawall import Call
from seawall.state import READ, Document, Step, Store, leases
from seawall_tokens import fair_queue
from seawall_tokens.rate_headers import organization

_MOST: Final = 256
"""Accounts remembered for one address; the ones longest known are dropped."""


def _remember(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, None]:
    return dict([*document.items(), (arguments["account"], arguments["organization"])][-_MOST:]), None


_REMEMBER: Final = Step("remember the organization", _remember)
_ADOPT: Final = Step(
    "adopt what is known", lambda document, arguments: (document or arguments["document"], None)
)
"""Begins a document with what another one says; one that is there stays as it is."""
INDEX: Final = "tokens:rates"
"""The key of the index of documents, by their keys."""
_RATE: Final = "rate:"
_OF_CALLS: Final = frozenset({leases.LEASES, fair_queue.WAITING})
"""What stays with the document it was begun in."""


class Limits(NamedTuple):
    """Whose limits a document is about."""

    host: str
    served: str
    """An organization, or an account of which none is known."""
    model_class: str

    @classmethod
    def of(cls, key: str) -> Self:
        """Return what a key names."""
        place, _, model_class = key.removeprefix(_RATE).rpartition(":")
        host, _, served = place.rpartition(":")
        return cls(host, served, model_class)

    @property
    def key(self) -> str:
        """The key of the document."""
        return f"{_RATE}{self.host}:{self.served}:{self.model_class}"

    def is_superseded(self, store: Store) -> bool:
        """Whether they are those of an account whose organization is known by now; asks the store."""
        return self.served in store.step(READ, key=_accounts(self.host))


class Organizations:
    """Knows the document of a call's limits. Its methods block as the store does; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], str] = {}
        """The organization of an account at an address; the account itself where none is known."""

    def key(self, call: Call) -> str:
        """Return the key of the document for the limits that a call uses."""
        place = (call.host, call.account)
        served = self._known.get(place)
        if served is None:
            document = call.store.step(READ, key=_accounts(call.host))
            served = str(document.get(call.account, call.account))
            with self._lock:
                served = self._known.setdefault(place, served)
        return _key(call, served)

    def learn(self, call: Call, headers: Mapping[str, str]) -> None:
        """Note who was served; what was known of the account's limits is then known of the organization's."""
        served, place = organization(headers), (call.host, call.account)
        before = self._known.get(place, call.account)
        if not served or served == before:
            return
        document = call.store.step(READ, key=_key(call, before))
        kept = {name: value for name, value in document.items() if name not in _OF_CALLS}
        call.store.step(_ADOPT, key=_key(call, served), document=kept)
        call.store.step(_REMEMBER, key=_accounts(call.host), account=call.account, organization=served)
        with self._lock:
            self._known[place] = served


def _accounts(host: str) -> str:
    return f"organizations:{host}"


def _key(call: Call, served: str) -> str:
    return Limits(call.host, served, call.model_class).key
