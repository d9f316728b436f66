"""What owners hold in a document until they release it, or until it expires.

Pure functions, for use inside steps: they return what they were given, changed. A lease is a mapping of
amounts under the id of its owner (`owners.new_owner`); the document keeps all of them under `LEASES`, and
nothing when there is none.

A step costs time for each lease in its document: 2 us in memory and SQLite, 3 us of the server on Redis
(measured, per lease and step). A process with many calls in flight does better with one lease for their sum:
see `adjust`.
"""

import math
from collections.abc import Collection, Mapping
from typing import Final

from seawall.state.documents import Document

LEASES: Final = "leases"
"""Where a document keeps them: `{owner: {"amounts": {...}, "expires": moment}}`."""


def grant(document: Document, owner: str, amounts: Mapping[str, float], expires: float) -> Document:
    """Note that `owner` holds `amounts` until `expires`, in place of what it held.

    Raises:
        ValueError: `expires` or an amount is not finite, or an amount is negative.
    """
    _check(owner, amounts, expires)
    lease = {"amounts": dict(amounts), "expires": expires}
    return {**document, LEASES: {**document.get(LEASES, {}), owner: lease}}


def adjust(
    document: Document, owner: str, changes: Mapping[str, float], expires: float
) -> tuple[Document, dict[str, float]]:
    """Add to what `owner` holds, or take from it; return what was really added or taken.

    Nothing can be taken that is not held: it expired, and came back then. An amount that comes to 0 is
    dropped, and with the last one the lease.

    Raises:
        ValueError: `expires` or a change is not finite.
    """
    lease = document.get(LEASES, {}).get(owner)
    amounts: dict[str, float] = {} if lease is None else dict(lease["amounts"])
    made: dict[str, float] = {}
    for name, change in changes.items():
        if not math.isfinite(change):
            raise ValueError(f"lease of {owner!r}: {name} changed by {change!r}: a finite number is expected")
        before = amounts.pop(name, 0)
        made[name] = max(change, -before)
        if before + made[name] > 0:
            amounts[name] = before + made[name]
    if amounts:
        return grant(document, owner, amounts, expires), made
    return release(document, owner)[0], made


def renew(
    document: Document, owner: str, expires: float, amounts: Mapping[str, float] | None = None
) -> tuple[Document, bool]:
    """Extend a lease; return whether there was one.

    `amounts` is what is still held; `None` is all of it.

    Raises:
        ValueError: As for `grant`.
    """
    lease = document.get(LEASES, {}).get(owner)
    if lease is None:
        return document, False
    return grant(document, owner, lease["amounts"] if amounts is None else amounts, expires), True


def release(document: Document, owner: str) -> tuple[Document, dict[str, float]]:
    """End a lease; return what was held: `{}` if it had expired, or was released before."""
    return _ended(document, [owner])


def expire(document: Document, now: float, dead: Collection[str] = ()) -> tuple[Document, dict[str, float]]:
    """End the leases that expired by `now`, and those of `dead` owners; return what they held in all.

    Args:
        document: Any.
        now: A lease that expires at this moment has expired.
        dead: What `owners.dead_owners` said before the step: a step itself is pure.
    """
    leases = document.get(LEASES, {})
    return _ended(
        document, [owner for owner, lease in leases.items() if lease["expires"] <= now or owner in dead]
    )


def held(document: Document) -> dict[str, float]:
    """Return what all owners hold together."""
    return _sum(document, document.get(LEASES, {}))


def _ended(document: Document, owners: Collection[str]) -> tuple[Document, dict[str, float]]:
    leases = document.get(LEASES, {})
    ended = [owner for owner in owners if owner in leases]
    if not ended:
        return document, {}
    kept = {owner: lease for owner, lease in leases.items() if owner not in ended}
    rest = {key: value for key, value in document.items() if key != LEASES}
    return {**rest, LEASES: kept} if kept else rest, _sum(document, ended)


def _sum(document: Document, owners: Collection[str]) -> dict[str, float]:
    total: dict[str, float] = {}
    # in an order that Lua has too: sums of floats depend on it
    for owner in sorted(owners):
        for name, amount in document[LEASES][owner]["amounts"].items():
            total[name] = total.get(name, 0) + amount
    return total


def _check(owner: str, amounts: Mapping[str, float], expires: float) -> None:
    if not math.isfinite(expires):
        raise ValueError(f"lease of {owner!r}: expires = {expires!r}: a finite moment is expected")
    for name, amount in amounts.items():
        if not (math.isfinite(amount) and amount >= 0):
            raise ValueError(f"lease of {owner!r}: {name} = {amount!r}: a finite amount >= 0 is expected")


LUA: Final = """
local function given(value)
  if value ~= cjson.null then
    return value
  end
end

local function grant(document, owner, amounts, expires)
  for name, amount in pairs(amounts) do
    if not (amount >= 0) then
      error('lease of ' .. owner .. ': ' .. name .. ' = ' .. amount .. ': an amount >= 0 is expected', 0)
    end
  end
  document.leases = document.leases or {}
  document.leases[owner] = {amounts = amounts, expires = expires}
end

local function renew(document, owner, expires, amounts)
  local lease = document.leases and document.leases[owner]
  if lease then
    grant(document, owner, given(amounts) or lease.amounts, expires)
  end
  return lease ~= nil
end

local function adjust(document, owner, changes, expires)
  document.leases = document.leases or {}
  local lease, made = document.leases[owner] or {amounts = {}}, {}
  lease.expires = expires
  for name, change in pairs(changes) do
    local before = lease.amounts[name] or 0
    made[name] = math.max(change, -before)
    lease.amounts[name] = before + made[name] > 0 and before + made[name] or nil
  end
  document.leases[owner] = next(lease.amounts) ~= nil and lease or nil
  if next(document.leases) == nil then
    document.leases = nil
  end
  return made
end

local function sorted_keys(values)
  local keys = {}
  for key in pairs(values) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

local function sum(document, owners)
  local total = {}
  for _, owner in ipairs(owners) do
    for name, amount in pairs(document.leases[owner].amounts) do
      total[name] = (total[name] or 0) + amount
    end
  end
  return total
end

local function held(document)
  return sum(document, sorted_keys(document.leases or {}))
end

local function ended(document, owners)
  local leases, found = document.leases or {}, {}
  for _, owner in ipairs(owners) do
    if leases[owner] then
      found[owner] = true
    end
  end
  local total = sum(document, sorted_keys(found))
  for owner in pairs(found) do
    leases[owner] = nil
  end
  if next(leases) == nil then
    document.leases = nil
  end
  return total
end

local function release(document, owner)
  return ended(document, {owner})
end

local function expire(document, now, dead)
  local is_dead, owners = {}, {}
  for _, owner in ipairs(given(dead) or {}) do
    is_dead[owner] = true
  end
  for owner, lease in pairs(document.leases or {}) do
    if lease.expires <= now or is_dead[owner] then
      owners[#owners + 1] = owner
    end
  end
  return ended(document, owners)
end
"""
"""The same for steps in Lua, to be put before them; the functions change `document` and return only the
second of two results."""
