"""The step on the document of a model class: what came of attempts that run, and whether one more may go.

All processes that use one limit share the document, so all know how much the others have in flight. A
process has one lease for all of its attempts; when it is killed, what they had not written yet comes back as
the lease ends. Reported is what was written since the last report, what the last answer said of the limits,
and what attempts that ended did not use of what was taken for them.
"""

import math
from collections.abc import Mapping
from typing import Any, Final, TypedDict

from seawall.state import Document, Step, clock, leases
from seawall_tokens import buckets, cache_writes, demand, fair_queue
from seawall_tokens.fair_queue import Place

LASTS: Final = 15.0
"""Seconds that the lease of a process lasts; it is renewed each second."""
_UNKNOWN: Final = 8
"""Attempts in flight while no answer has told the limits."""
_SHORTEST, _LONGEST = 0.02, 10.0
"""Seconds that a request waits before it asks again."""
_EARLY: Final = 0.7
"""Part of the time until it will be admitted after which a request that is not next asks again: those before
it may have left."""

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
    document = fair_queue.with_place(document, request["ticket"], request, demand.cost(document, request))
    return _decided(document, request, arguments)


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
    document = cache_writes.warmed(buckets.succeeded(document, report["succeeded"]), report["warm"])
    return fair_queue.without(document, report["left"])


def _decided(document: Document, request: Request, arguments: Mapping[str, Any]) -> tuple[Document, Verdict]:
    mine, ahead = fair_queue.place(document, request["ticket"]), _ahead(document, request["ticket"])
    held = leases.held(document)
    needs = demand.needs(document, held, ahead, mine, reserves=arguments["reserves"])
    seconds, name = buckets.seconds_until(document, needs)
    reason = f"{NAMES[name]} per minute" if name else ""
    until = document.get("held_until", 0.0) - document["time"]
    if until > seconds:
        seconds, reason = until, "a rate limit"
    reason = _obstacle(document, held.get("streams", 0), len(ahead), request, arguments) or reason
    if not reason:
        # those ahead may not have asked yet: there is room for them as well
        return _admitted(document, request, mine, arguments)
    wait = _EARLY * seconds if ahead else seconds
    wait = min(max(wait, _SHORTEST if wait else _SHORTEST * 5), _LONGEST)
    verdict = _verdict(
        document,
        mine,
        wait=wait,
        estimate=max(seconds, wait),
        ahead=len(ahead),
        reason=reason,
    )
    return fair_queue.staying(document, request["ticket"], wait), verdict


def _ahead(document: Document, ticket: str) -> list[Place]:
    """Return what goes before a request: not what waits for the cache."""
    waiting = fair_queue.before(document, ticket)
    return [place for place in waiting if not cache_writes.is_written(document, place.prefix)]


def _obstacle(
    document: Document, streams: float, ahead: int, request: Request, arguments: Mapping[str, Any]
) -> str:
    """Return what a request waits for besides the buckets; empty if for nothing."""
    most = arguments["max_concurrent"]
    if cache_writes.is_written(document, request["prefix"]):
        return "the first request with this prompt, to read it from the cache"
    if most is not None and streams >= most:
        return f"one of the {streams:.0f} running calls to end (max_concurrent)"
    is_unknown = not document.get("is_known") and not arguments["limits"]
    if is_unknown and streams >= _UNKNOWN:
        return "a first answer, to learn the limits"
    if streams + ahead >= min(math.inf if most is None else most, _UNKNOWN if is_unknown else math.inf):
        return "requests before it"
    return ""


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
    document = cache_writes.written(document, request["prefix"])
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


_LUA: Final = f"""{clock.LUA}{leases.LUA}{buckets.LUA}{fair_queue.LUA}{cache_writes.LUA}{demand.LUA}
local NAMES = {{{", ".join(f"{name} = '{title}'" for name, title in NAMES.items())}}}

local function reported(document, report, reserves)
  local amounts, written = {{}}, reserves and 0 or report.written
  for name, amount in pairs(report.unused) do
    amounts[name] = -amount
  end
  amounts.output = written - (report.unused.output or 0)
  taken(document, amounts)
  release(document, report.owner)
  if report.streams ~= 0 then
    local amounts = {{output = report.outstanding, streams = report.streams}}
    grant(document, report.owner, amounts, document.time + {LASTS})
  end
  if given(report.said) then
    synced(document, report.said)
  end
  document.is_known = report.is_answered or document.is_known
  if given(report.rejected) then
    rejected(document, report.rejected)
  end
  succeeded(document, report.succeeded)
  warmed(document, report.warm)
  without(document, report.left)
end

local function ahead(document, ticket)
  local found = {{}}
  for _, place in ipairs(before(document, ticket)) do
    if not is_written(document, place.prefix) then
      found[#found + 1] = place
    end
  end
  return found
end

local function obstacle(document, streams, ahead, request)
  local most = given(arguments.max_concurrent)
  local is_unknown = not document.is_known and next(arguments.limits) == nil
  if is_written(document, request.prefix) then
    return 'the first request with this prompt, to read it from the cache'
  elseif most and streams >= most then
    return string.format('one of the %.0f running calls to end (max_concurrent)', streams)
  elseif is_unknown and streams >= {_UNKNOWN} then
    return 'a first answer, to learn the limits'
  elseif streams + ahead >= math.min(most or math.huge, is_unknown and {_UNKNOWN} or math.huge) then
    return 'requests before it'
  end
end

local function verdict(document, mine, said)
  said.is_admitted, said.wait, said.estimate = said.is_admitted or false, said.wait or 0, said.estimate or 0
  said.ahead, said.reason, said.tags = said.ahead or 0, said.reason or '', {{mine.finish, mine.start}}
  said.time, said.taken = document.time, document.taken
  return said
end

local function admitted(document, request, mine)
  local amounts = {{requests = 1, input = request.input}}
  if arguments.reserves then
    amounts.output = request.output
  end
  taken(document, amounts)
  local more = {{output = request.output, streams = 1}}
  adjust(document, arguments.report.owner, more, document.time + {LASTS})
  without(document, {{request.ticket}}, true)
  written(document, request.prefix)
  return verdict(document, mine, {{is_admitted = true}})
end

local function decided(document, request)
  local mine, ahead = place(document, request.ticket), ahead(document, request.ticket)
  local held = held(document)
  local seconds, name = seconds_until(document, needs(document, held, ahead, mine, arguments.reserves))
  local reason = name ~= '' and NAMES[name] .. ' per minute' or nil
  local until_sent = (document.held_until or 0) - document.time
  if until_sent > seconds then
    seconds, reason = until_sent, 'a rate limit'
  end
  reason = obstacle(document, held.streams or 0, #ahead, request) or reason
  if not reason then
    return admitted(document, request, mine)
  end
  local wait = #ahead == 0 and seconds or {_EARLY} * seconds
  wait = math.min(math.max(wait, wait ~= 0 and {_SHORTEST} or {_SHORTEST} * 5), {_LONGEST})
  staying(document, request.ticket, wait)
  return verdict(document, mine, {{
    wait = wait, estimate = math.max(seconds, wait), ahead = #ahead, reason = reason
  }})
end

begun(document, arguments.now, arguments.limits)
expire(document, document.time)
reported(document, arguments.report, arguments.reserves)
expired(document)
local request = given(arguments.request)
if not request then
  return document, nil
end
with_place(document, request.ticket, request, cost(document, request))
return document, decided(document, request)
"""

GOVERN: Final = Step("govern", _govern, _LUA)
"""Takes `now`, `limits` (as `buckets.begun`), `report`, `request` or `None`, `reserves` (whether the server
reserves `max_tokens`) and `max_concurrent`; returns a `Verdict` if there is a request."""
