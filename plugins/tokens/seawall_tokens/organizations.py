"""Whose limits a call uses: those of a workspace of an organization, whatever key it has. Answers tell which.

The document of an organization is that of the first account of it that was answered, so that what runs and
waits when its name comes stays where it is counted.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from seawall import Call
from seawall.state import READ, Document, Step, Store, new_lock
from seawall_tokens.rate_headers import organization

_MOST: Final = 256
"""Accounts and organizations remembered for one address; the ones longest known are dropped."""


def _remember(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, str]:
    account, named = arguments["account"], arguments["organization"]
    served = document.get(named, account)
    others = [item for item in document.items() if item[0] not in (account, named)]
    return dict([*others, (named, served), (account, served)][-_MOST:]), served


_REMEMBER: Final = Step("remember the organization", _remember)
INDEX: Final = "tokens:rates"
"""The key of the index of documents, by their keys."""
_RATE: Final = "rate:"


class Limits(NamedTuple):
    """Whose limits a document is about."""

    host: str
    served: str
    """An account: the first of its organization, as far as one is known."""
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
        """Whether the account is known by now to share those of another one; asks the store."""
        accounts = store.step(READ, key=_accounts(self.host))
        return self.served in accounts and accounts[self.served] != self.served


class Organizations:
    """Knows the document of a call's limits. Its methods block as the store does; threads may share it."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._known: dict[tuple[str, str], str] = {}
        """Whose document an account at an address uses."""
        self._told: dict[tuple[str, str], str] = {}
        """The organization that answers told of it."""

    def key(self, call: Call) -> str:
        """Return the key of the document for the limits that a call uses."""
        place = (call.host, call.account)
        served = self._known.get(place)
        if served is None:
            document = call.store.step(READ, key=_accounts(call.host))
            served = str(document.get(call.account, call.account))
            with self._lock:
                served = self._known.setdefault(place, served)
        return Limits(call.host, served, call.model_class).key

    def learn(self, call: Call, headers: Mapping[str, str]) -> None:
        """Note who was served: from now on the account shares the document of others of that organization."""
        named, place = organization(headers), (call.host, call.account)
        if not named or named == self._told.get(place):
            return
        served = call.store.step(
            _REMEMBER, key=_accounts(call.host), account=call.account, organization=named
        )
        with self._lock:
            self._known[place], self._told[place] = served, named


def _accounts(host: str) -> str:
    return f"organizations:{host}"
