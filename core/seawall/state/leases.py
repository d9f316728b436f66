"""What owners hold in a document until they release it, or until it expires.

Pure functions, for use inside steps: they return what they were given, changed. A lease is a mapping of
amounts under the id of its owner (`owners.new_owner`); the document keeps all of them under `LEASES`, and
nothing when there is none.

A step costs time for each lease in its document: 0.5 us in memory and of the server on Redis, 0.7 us in
SQLite (measured, per lease and step). A process with many calls in flight does better with one lease for
their sum: see `adjust`.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Final

from seawall.state.documents import Document

LEASES: Final = "held"
"""Where a document keeps them: `{"expires": {owner: moment}, "amounts": {name: {owner: amount}}}`. With a
table for each lease, a step would take Redis nearly three times as long for each (measured)."""
_NONE: Final[Document] = {"expires": {}, "amounts": {}}


def grant(document: Document, owner: str, amounts: Mapping[str, float], expires: float) -> Document:
    """Note that `owner` holds `amounts` until `expires`, in place of what it held.

    Raises:
        ValueError: `expires` or an amount is not finite, or an amount is negative.
    """
    _check(owner, amounts, expires)
    document, _ = release(document, owner)
    leases = document.get(LEASES, _NONE)
    columns = {**leases["amounts"]}
    for name, amount in amounts.items():
        columns[name] = {**columns.get(name, {}), owner: amount}
    return {**document, LEASES: {"expires": {**leases["expires"], owner: expires}, "amounts": columns}}


def adjust(
    document: Document, owner: str, changes: Mapping[str, float], expires: float
) -> tuple[Document, dict[str, float]]:
    """Add to what `owner` holds, or take from it; return what was really added or taken.

    Nothing can be taken that is not held: it expired, and came back then. An amount that comes to 0 is
    dropped, and with the last one the lease.

    Raises:
        ValueError: `expires` or a change is not finite.
    """
    columns = document.get(LEASES, _NONE)["amounts"]
    amounts = {name: column[owner] for name, column in columns.items() if owner in column}
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
    leases = document.get(LEASES, _NONE)
    if owner not in leases["expires"]:
        return document, False
    if amounts is not None:
        return grant(document, owner, amounts, expires), True
    _check(owner, {}, expires)
    return {**document, LEASES: {**leases, "expires": {**leases["expires"], owner: expires}}}, True


def release(document: Document, owner: str) -> tuple[Document, dict[str, float]]:
    """End a lease; return what was held: `{}` if it had expired, or was released before."""
    is_held = owner in document.get(LEASES, _NONE)["expires"]
    return _ended(document, [owner]) if is_held else (document, {})


def expire(document: Document, now: float, dead: Collection[str] = ()) -> tuple[Document, dict[str, float]]:
    """End the leases that expired by `now`, and those of `dead` owners; return what they held in all.

    Args:
        document: Any.
        now: A lease that expires at this moment has expired.
        dead: What `owners.dead_owners` said before the step: a step itself is pure.
    """
    moments = document.get(LEASES, _NONE)["expires"]
    ended = [owner for owner, moment in moments.items() if moment <= now or owner in dead]
    return _ended(document, sorted(ended)) if ended else (document, {})


def held(document: Document) -> dict[str, float]:
    """Return what all owners hold together."""
    total: dict[str, float] = {}
    for name, column in document.get(LEASES, _NONE)["amounts"].items():
        total[name] = reduce(add, (column[owner] for owner in sorted(column)))
    return total


def owners(document: Document, name: str | None = None) -> list[str]:
    """Return who has a lease, or who holds that amount, in order."""
    leases = document.get(LEASES, _NONE)
    return sorted(leases["expires"] if name is None else leases["amounts"].get(name, ()))


def _ended(document: Document, owners: Sequence[str]) -> tuple[Document, dict[str, float]]:
    leases = document[LEASES]
    moments = {**leases["expires"]}
    for owner in owners:
        del moments[owner]
    total: dict[str, float] = {}
    columns = {}
    for name, column in leases["amounts"].items():
        rest = {**column}
        # in an order that Lua has too, and one by one, as `sum` of floats is more exact than Lua
        for owner in owners:
            if owner in rest:
                total[name] = total.get(name, 0) + rest.pop(owner)
        if rest:
            columns[name] = rest
    if moments:
        return {**document, LEASES: {"expires": moments, "amounts": columns}}, total
    return {key: value for key, value in document.items() if key != LEASES}, total


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

local function sorted_keys(values)
  local keys = {}
  for key in next, values do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

local function sum(column, owners)
  local total
  for _, owner in ipairs(owners) do
    if column[owner] then
      total = (total or 0) + column[owner]
    end
  end
  return total
end

local function held(document)
  local total = {}
  for name, column in next, document.held and document.held.amounts or {} do
    total[name] = sum(column, sorted_keys(column))
  end
  return total
end

local function ended(document, owners)
  local leases, total = document.held, {}
  table.sort(owners)
  for name, column in next, leases.amounts do
    total[name] = sum(column, owners)
    for _, owner in ipairs(owners) do
      column[owner] = nil
    end
    if next(column) == nil then
      leases.amounts[name] = nil
    end
  end
  for _, owner in ipairs(owners) do
    leases.expires[owner] = nil
  end
  if next(leases.expires) == nil then
    document.held = nil
  end
  return total
end

local function release(document, owner)
  local is_held = document.held and document.held.expires[owner]
  return is_held and ended(document, {owner}) or {}
end

local function expire(document, now, dead)
  local owners, is_dead = {}, {}
  for _, owner in ipairs(given(dead) or {}) do
    is_dead[owner] = true
  end
  for owner, moment in next, document.held and document.held.expires or {} do
    if moment <= now or is_dead[owner] then
      owners[#owners + 1] = owner
    end
  end
  return owners[1] and ended(document, owners) or {}
end

local function grant(document, owner, amounts, expires)
  for name, amount in next, amounts do
    if not (amount >= 0) then
      error('lease of ' .. owner .. ': ' .. name .. ' = ' .. amount .. ': an amount >= 0 is expected', 0)
    end
  end
  release(document, owner)
  document.held = document.held or {expires = {}, amounts = {}}
  local leases = document.held
  leases.expires[owner] = expires
  for name, amount in next, amounts do
    leases.amounts[name] = leases.amounts[name] or {}
    leases.amounts[name][owner] = amount
  end
end

local function renew(document, owner, expires, amounts)
  local is_held = document.held and document.held.expires[owner] and true or false
  if is_held and given(amounts) then
    grant(document, owner, amounts, expires)
  elseif is_held then
    document.held.expires[owner] = expires
  end
  return is_held
end

local function adjust(document, owner, changes, expires)
  local amounts, made = {}, {}
  for name, column in next, document.held and document.held.amounts or {} do
    amounts[name] = column[owner]
  end
  for name, change in next, changes do
    local before = amounts[name] or 0
    made[name] = math.max(change, -before)
    amounts[name] = before + made[name] > 0 and before + made[name] or nil
  end
  release(document, owner)
  if next(amounts) ~= nil then
    grant(document, owner, amounts, expires)
  end
  return made
end
"""
"""The same for steps in Lua, to be put before them; the functions change `document` and return only the
second of two results."""
