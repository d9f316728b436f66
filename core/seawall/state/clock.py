"""How much time passed between two steps on a document, when clocks are wrong.

Clocks are set, and those of two hosts differ. Time that never passed must not fill a bucket, and a clock that
was put right must not stop it for as long as it had been wrong. So:

- a step that comes from behind gets no time: two hosts that take turns get what the faster clock says passed;
- one step gets `at_most` seconds, however far the clock jumped, as often as it jumps;
- when all steps of `at_most` seconds came from behind, the faster clock is gone or was put right, and theirs
  holds.
"""

import math
from typing import Final

from seawall.state.documents import Document

AT_MOST: Final = 60.0
"""Seconds that one step gets at most: what fills a bucket of a limit per minute."""

UPDATED: Final = "updated"
"""Where a document keeps the moment up to which time was given out."""
BEHIND: Final = "behind"
"""Where it keeps the first of the moments behind `UPDATED`; absent in most documents."""


def elapsed(document: Document, now: float, *, at_most: float = AT_MOST) -> tuple[Document, float]:
    """Return the document with `now` noted in it, and the seconds since that was last done, 0 to `at_most`.

    Args:
        document: Of which the keys `UPDATED` and `BEHIND` are used.
        now: Of a clock all users of the document have: `time.time`, unless they are one process.
        at_most: The longest time one step gets. Give it the time that fills what is filled.

    Raises:
        ValueError: `now` is not finite.
    """
    if not math.isfinite(now):
        raise ValueError(f"now = {now!r}: a finite number of seconds is expected")
    updated, behind = document.get(UPDATED), document.get(BEHIND)
    if updated is None:
        return {**document, UPDATED: now}, 0.0
    if now >= updated:
        return _noted(document, now), min(now - updated, at_most)
    if behind is None or now < behind:
        return {**document, BEHIND: now}, 0.0
    if now - behind < at_most:
        return document, 0.0
    return _noted(document, now), at_most


def _noted(document: Document, now: float) -> Document:
    noted = {**document, UPDATED: now}
    noted.pop(BEHIND, None)
    return noted


LUA: Final = """
local function elapsed(document, now, at_most)
  local updated, behind = document.updated, document.behind
  if updated == nil then
    document.updated = now
    return 0
  end
  if now >= updated then
    document.updated, document.behind = now, nil
    return math.min(now - updated, at_most)
  end
  if behind == nil or now < behind then
    document.behind = now
    return 0
  end
  if now - behind < at_most then
    return 0
  end
  document.updated, document.behind = now, nil
  return at_most
end
"""
"""The same for steps in Lua, to be put before them: `elapsed(document, now, at_most)` changes `document`."""
