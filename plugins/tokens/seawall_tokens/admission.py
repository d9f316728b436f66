"""The step on the document of a model class: what came of attempts that run, and whether one more may go.

All processes that use one limit share the document, so all know how much the others have in flight. A
process has one lease for all of its attempts; when it is killed, what they had not written yet comes back as
the lease ends. Reported is what was written since the last report, what the last answer said of the limits,
and what attempts that ended did not use of what was taken for them.
"""

from collections.abc import Mapping
from typing import Any, Final, TypedDict

from seawall.state import Document, Step, leases
from seawall_tokens import buckets, fair_queue
from seawall_tokens.fair_queue import Place

LASTS: Final = 15.0
"""Seconds that the lease of a process lasts; it is renewed each second."""
_UNKNOWN: Final = 8
"""Attempts in flight while no answer has told the limits."""
_ALPHA: Final = 0.5
"""Part of what flows in while the answers in flight are written that is counted on."""
_SPEED: Final = 80.0
"""Output tokens a second of one answer."""
_SHORTEST, _LONGEST = 0.02, 10.0
"""Seconds that a request waits before it asks again."""
_EARLY: Final = 0.7
"""Part of the time until it will be admitted after which a request that is not next asks again: those before
it may have left."""
_WARM: Final = 300.0
"""Seconds that a prefix stays in the prompt cache after it was used:
https://platform.claude.com/docs/en/build-with-claude/prompt-caching"""
_WRITING: Final = 30.0
"""Seconds after which nobody waits any longer for the answer to the first request with a prefix."""
_PREFIXES: Final = 64

NAMES: Final = {"requests": "requests", "input": "input tokens", "output": "output tokens"}
"""The dimensions, as a person calls them."""


class Report(TypedDict):
    """What a process has to tell."""

    owner: str
    outstanding: float
    """Output tokens that its attempts in flight may still write."""
    streams: int
    written: float
    """Output tokens written since the last report."""
    unused: dict[str, float]
    """What was taken for attempts that ended, and not used; negative if they used more."""
    said: dict[str, Any] | None
    """As `buckets.synced` takes it."""
    is_answered: bool
    """An answer came, whatever it said."""
    succeeded: int
    rejected: float | None
    """Seconds for which nothing may be sent, after a 429."""
    warm: list[str]
    """Prefixes that the prompt cache has now."""
    left: list[str]
    """Tickets of requests that wait no longer."""


class Request(TypedDict):
    """What wants to be sent."""

    ticket: str
    caller: str
    weight: float
    input: float
    """Tokens that count."""
    output: float
    """Output tokens to expect; with `otpm_mode = "reserve_max_tokens"`, `max_tokens`."""
    prefix: str
    """A digest of what it puts into the prompt cache; empty if nothing."""
    tags: list[int]
    """Those it was admitted with before, so that it is next; empty for a new one."""


class Verdict(TypedDict):
    """Whether a request may be sent."""

    is_admitted: bool
    wait: float
    """Seconds until it should ask again."""
    estimate: float
    """Seconds until it will be admitted, if nobody else comes."""
    ahead: int
    """Requests that are before it."""
    reason: str
    tags: list[int]
    time: float
    taken: dict[str, float]
    """Of the moment it was admitted, for `buckets.synced`."""


def _govern(document: Document, arguments: Mapping[str, Any]) -> tuple[Document, Verdict | None]:
    document = buckets.begun(document, arguments["now"], arguments["limits"])
    document, _ = leases.expire(document, document["time"])
    document = fair_queue.expired(_reported(document, arguments["report"], arguments["reserves"]))
    request: Request | None = arguments["request"]
    if request is None:
        return document, None
    document = fair_queue.with_place(document, request["ticket"], request, _cost(document, request))
    return _decided(document, request, arguments)


GOVERN: Final = Step("govern", _govern)
"""Takes `now`, `limits` (as `buckets.begun`), `report`, `request` or `None`, `reserves` (whether the server
reserves `max_tokens`) and `max_concurrent`; returns a `Verdict` if there is a request."""


def _reported(document: Document, report: Report, reserves: bool) -> Document:  # noqa: FBT001 - an argument of the step
    used = dict(report["unused"])
    written = 0.0 if reserves else report["written"]
    document = buckets.taken(
        document,
        {**{name: -amount for name, amount in used.items()}, "output": written - used.get("output", 0.0)},
    )
    held = {"output": report["outstanding"], "streams": report["streams"]}
    document, _ = leases.release(document, report["owner"])
    if report["streams"]:
        document = leases.grant(document, report["owner"], held, document["time"] + LASTS)
    if report["said"] is not None:
        document = buckets.synced(document, report["said"])
    if report["is_answered"]:
        document = {**document, "is_known": True}
    if report["rejected"] is not None:
        document = buckets.rejected(document, report["rejected"])
    document = _warmed(buckets.succeeded(document, report["succeeded"]), report["warm"])
    return fair_queue.without(document, report["left"])


def _warmed(document: Document, prefixes: list[str]) -> Document:
    if not prefixes:
        return document
    until = document["time"] + _WARM
    known = {**document.get("prefixes", {}), **{prefix: [1, until] for prefix in prefixes}}
    kept = sorted(known.items(), key=lambda item: item[1][1])[-_PREFIXES:]
    return {**document, "prefixes": {prefix: state for prefix, state in kept if state[1] > document["time"]}}


def _cost(document: Document, request: Request) -> float:
    """Minutes of the limits that a request takes."""
    amounts = {"requests": 1.0, "input": request["input"], "output": request["output"]}
    limits = buckets.limits_of(document)
    return sum(amounts[name] / limit for name, limit in limits.items()) or 1.0


def _decided(document: Document, request: Request, arguments: Mapping[str, Any]) -> tuple[Document, Verdict]:
    ticket, ahead, blocked = request["ticket"], [], _is_written(document, request["prefix"])
    for other, place in fair_queue.places(document).items():
        if other == ticket:
            break
        if not _is_written(document, place.prefix):
            ahead.append(place)
    mine = Place(*document["queue"][ticket])
    needs = _needs(document, ahead, mine, reserves=arguments["reserves"])
    seconds, name = buckets.seconds_until(document, needs)
    reason = f"{NAMES[name]} per minute" if name else ""
    if (held := document.get("held_until", 0.0) - document["time"]) > seconds:
        seconds, reason = held, "a rate limit"
    streams = leases.held(document).get("streams", 0)
    if blocked:
        reason = "the first request with this prompt, to read it from the cache"
    elif arguments["max_concurrent"] is not None and streams >= arguments["max_concurrent"]:
        reason = f"one of the {streams:.0f} running calls to end (max_concurrent)"
    elif not document.get("is_known") and not arguments["limits"] and streams >= _UNKNOWN:
        reason = "a first answer, to learn the limits"
    elif not ahead and not reason:
        return _admitted(document, request, mine, arguments)
    wait = seconds if not ahead and reason else _EARLY * seconds
    wait = min(max(wait, _SHORTEST if wait else _SHORTEST * 5), _LONGEST)
    verdict = _verdict(
        document,
        mine,
        wait=wait,
        estimate=max(seconds, wait),
        ahead=len(ahead),
        reason=reason or "requests before it",
    )
    return fair_queue.staying(document, ticket, wait), verdict


def _is_written(document: Document, prefix: str) -> bool:
    """Whether the first request with a prefix is under way, so that another could not read it yet."""
    is_warm, until = document.get("prefixes", {}).get(prefix, (1, 0.0))
    return not is_warm and bool(until > document["time"])


def _needs(document: Document, ahead: list[Place], mine: Place, *, reserves: bool) -> dict[str, float]:
    """What the buckets must hold for one request to go, after those ahead of it.

    One that needs more than a bucket can hold goes when it is full, and leaves a debt.
    """
    own = {"requests": 1.0, "input": float(mine.input), "output": float(mine.output)}
    before = {
        "requests": float(len(ahead)),
        "input": float(sum(place.input for place in ahead)),
        "output": sum(place.output for place in ahead) + (0.0 if reserves else _in_flight(document)),
    }
    needs = {}
    for name in buckets.limits_of(document):
        most = buckets.capacity(document, name)
        needs[name] = before[name] + min(own[name] + buckets.left_alone(document, name), most)
    return needs


def _in_flight(document: Document) -> float:
    """Output tokens that running attempts may still write, less a part of what flows in meanwhile."""
    held, limit = leases.held(document), buckets.limits_of(document).get("output", 0.0)
    outstanding, streams = held.get("output", 0.0), held.get("streams", 0)
    lasts = outstanding / (streams * _SPEED) if streams else 0.0
    return outstanding - _ALPHA * limit * buckets.share(document) / buckets.FULL * lasts


def _admitted(
    document: Document, request: Request, mine: Place, arguments: Mapping[str, Any]
) -> tuple[Document, Verdict]:
    amounts = {"requests": 1.0, "input": request["input"]}
    if arguments["reserves"]:
        amounts["output"] = request["output"]
    document = buckets.taken(document, amounts)
    owner = arguments["report"]["owner"]
    more = {"output": request["output"], "streams": 1}
    document, _ = leases.adjust(document, owner, more, document["time"] + LASTS)
    document = fair_queue.without(document, [request["ticket"]], served=True)
    prefix = request["prefix"]
    if prefix and document.get("prefixes", {}).get(prefix, (1, 0.0))[1] <= document["time"]:
        first = {prefix: [0, document["time"] + _WRITING]}
        document = {**document, "prefixes": {**document.get("prefixes", {}), **first}}
    return document, _verdict(document, mine, is_admitted=True)


def _verdict(document: Document, mine: Place, **said: Any) -> Verdict:
    verdict: Verdict = {
        "is_admitted": False,
        "wait": 0.0,
        "estimate": 0.0,
        "ahead": 0,
        "reason": "",
        "tags": [mine.finish, mine.start],
        "time": document["time"],
        "taken": dict(document.get("taken", {})),
    }
    verdict.update(said)  # type: ignore[typeddict-item] # keys of it, by its callers
    return verdict
