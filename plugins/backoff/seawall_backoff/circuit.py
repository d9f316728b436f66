"""The circuit of one API and model class, as all who share a store see it: steps on one document.

A circuit opens when so many attempts in a row failed as an overloaded, broken or unreachable API fails. While
it is open one call at a time may be sent, the probe; the first one that is accepted closes it. A healthy
circuit has no document. Its document has:

- `time`: seconds that have passed in it; moments are seconds of this time, so that no clock needs to be right
- `failures`, `failed`: the failures in a row, and the moment of the last one
- `opened`: the moment it opened; only while it is open
- `due`: the moment of the next probe
- `pause`: seconds between the last two probes
- `closed`: the moment it closed again; it is forgotten when `RECOVERY` seconds have passed
- `cause`: what the last failure was
- a lease (`seawall.state.leases`): the probe on its way

Pure functions. Results of all steps are views of the circuit.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict

from seawall.state import Document, Step, clock, leases

THRESHOLD: Final = 5
"""Failures in a row, without a success that was told, that open a circuit."""
FIRST_PAUSE: Final = 2.0
"""Seconds until the first probe; doubled with each that fails."""
LAST_PAUSE: Final = 15.0
"""Seconds between two probes, at most."""
RECOVERY: Final = 60.0
"""Seconds after its closing in which a circuit is recovering; a row of failures is over after as many."""
PROBE: Final = 60.0
"""Seconds after which a probe that tells nothing has no say any more."""


class View(TypedDict):
    """A circuit at the moment of a step."""

    state: Literal["closed", "open", "recovering"]
    is_probe: bool
    """Who asked is the probe."""
    probe: str
    """Whose probe is on its way; empty when none is."""
    wait: float
    """Seconds until the next probe; 0 when it is due or on its way."""
    age: float
    """Seconds since it opened, or closed again."""
    pause: float
    failures: int
    cause: str


CLOSED: Final[View] = {
    "state": "closed",
    "is_probe": False,
    "probe": "",
    "wait": 0.0,
    "age": 0.0,
    "pause": 0.0,
    "failures": 0,
    "cause": "",
}
"""A healthy circuit."""


def _ask(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, View]:
    document = _passed(document, arguments)
    if "opened" not in document:
        return document, _view(document)
    document, _ = leases.expire(document, document["time"], arguments["dead"])
    owner = arguments["owner"]
    is_free = leases.LEASES not in document and document["time"] >= document["due"]
    if owner and is_free:
        document = leases.grant(document, owner, {"probe": 1}, document["time"] + PROBE)
    return document, {**_view(document), "is_probe": bool(owner) and is_free}


def _fail(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, View]:
    document = _passed(document, arguments) or {clock.UPDATED: arguments["now"], "time": 0.0}
    document = {**document, "cause": arguments["cause"]}
    owner = arguments["probe"]
    if "opened" in document:
        document, held = leases.release(document, owner)
        if held:
            document = _paused(document, arguments)
        elif arguments["asked"]:
            due = max(document["due"], document["time"] + arguments["asked"])
            document = {**document, "due": due}
        return document, _view(document)
    failures = max(document.get("failures", 0), arguments["before"]) + 1
    document = {**document, "failures": failures, "failed": document["time"]}
    if failures >= THRESHOLD or (owner and "closed" in document):
        document = _paused({**document, "opened": document["time"]}, arguments)
        for name in ("failures", "failed", "closed"):
            document.pop(name, None)
    return document, _view(document)


def _succeed(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, View]:
    document = _passed(document, arguments)
    if not document:
        return document, CLOSED
    before = _view(document)
    if "opened" not in document:
        document = {name: value for name, value in document.items() if name not in ("failures", "failed")}
        document = document if "closed" in document else {}
    elif arguments["probe"]:
        left = {name: document[name] for name in (clock.UPDATED, "time", "pause", "cause")}
        document = {**left, "closed": document["time"]}
    return document, {**_view(document), "failures": before["failures"]}


def _release(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, View]:
    document = _passed(document, arguments)
    if "opened" in document:
        document, _ = leases.release(document, arguments["probe"])
    return document, _view(document)


ASK: Final = Step("ask", _ask)
"""Tells how it is. Arguments: `now`; `owner`, who would be the probe, or `None`; `dead` owners."""
FAIL: Final = Step("fail", _fail)
"""An attempt failed. Arguments: `now`; `cause`; `asked`, seconds the server asks to wait; `probe`, the owner
if it was one, or `""`; `before`, the failures in a row that the same attempt ended when it was accepted;
`part` of a pause that is waited."""
SUCCEED: Final = Step("succeed", _succeed)
"""An attempt was accepted. Arguments: `now`; `probe`. Its view has the `failures` that are over now."""
RELEASE: Final = Step("release", _release)
"""A probe was not sent, or told nothing. Arguments: `now`; `probe`."""


def _passed(document: Document, arguments: Mapping[str, Any]) -> Document:
    """Return the document with its time at now; what is over is forgotten."""
    if not document:
        return document
    document, seconds = clock.elapsed(document, arguments["now"])
    document = {**document, "time": document["time"] + seconds}
    for name, also in (("failed", "failures"), ("closed", "pause")):
        if name in document and document["time"] - document[name] >= RECOVERY:
            document = {key: value for key, value in document.items() if key not in (name, also)}
    return document if any(name in document for name in ("opened", "closed", "failed")) else {}


def _paused(document: Document, arguments: Mapping[str, Any]) -> Document:
    """Return the document with the next probe after a longer pause."""
    pause = min(document["pause"] * 2, LAST_PAUSE) if "pause" in document else FIRST_PAUSE
    wait = max(pause * arguments["part"], arguments["asked"])
    return {**document, "pause": pause, "due": document["time"] + wait}


def _view(document: Document) -> View:
    if not document:
        return CLOSED
    time = document["time"]
    view: View = {
        **CLOSED,
        "pause": document.get("pause", 0.0),
        "failures": document.get("failures", 0),
        "cause": document.get("cause", ""),
    }
    if "opened" in document:
        wait = max(document["due"] - time, 0.0)
        probe = next(iter(leases.owners(document)), "")
        return {**view, "state": "open", "age": time - document["opened"], "wait": wait, "probe": probe}
    if "closed" in document:
        return {**view, "state": "recovering", "age": time - document["closed"]}
    return view
