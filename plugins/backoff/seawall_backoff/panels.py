"""What people are told of the circuits: which APIs are down, since when, and when it is tried again."""

from collections.abc import Sequence

from seawall import Panel
from seawall.state import READ, Index, Store
from seawall_backoff.circuit import ASK, View
from seawall_backoff.circuits import INDEX, key_of

_COLUMNS = ("API and models", "circuit", "for", "next probe", "last failure")


def panels(store: Store, now: float) -> Sequence[Panel]:
    """Return one panel with a row for each circuit that was lately used, those that are not closed first.

    Raises:
        StoreError: The store failed.
    """
    views = [(name, _view(store, name, now)) for name in Index(INDEX).names(store, now)]
    views.sort(key=lambda item: (item[1]["state"] == "closed", item[0]))
    down = [f"{name} is down ({view['cause']})" for name, view in views if view["state"] == "open"]
    return [
        Panel(
            "Circuits",
            columns=_COLUMNS,
            rows=[_row(name, view) for name, view in views],
            alert="; ".join(down),
            note="" if views else "No call was made in the last day.",
        )
    ]


def _view(store: Store, name: str, now: float) -> View:
    """Return how a circuit is; who looks is no probe, and changes nothing."""
    document = store.step(READ, key=key_of(name))
    return ASK.function(document, {"now": now, "owner": None, "dead": []})[1]


def _row(name: str, view: View) -> Sequence[str | None]:
    if view["state"] == "closed":
        failing = f"{view['failures']} failed in a row" if view["failures"] else "closed"
        return name, failing, None, None, view["cause"] or None
    probe = "on its way" if view["probe"] else f"in {view['wait']:.0f} s"
    return (
        name,
        view["state"],
        f"{view['age']:.0f} s",
        probe if view["state"] == "open" else None,
        view["cause"] or None,
    )
