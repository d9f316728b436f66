"""Answers from memory what was asked lately."""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

from seawall import Answer, Call, Outcome, hookimpl

__all__ = ["ResponseCache", "ResponseCacheSettings"]

_WHOLE = ("end_turn", "stop_sequence")
"""Why an answer ended that is worth keeping."""


class ResponseCacheSettings(BaseModel):
    """The table `[response_cache]` of seawall.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: PositiveFloat = 600.0
    """How long an answer is given again."""
    entries: PositiveInt = 1000
    """How many are kept; the one that was asked for longest ago goes first."""


class ResponseCache:
    """Answers `pre_request` with an `Answer` that `post_response` kept."""

    Settings = ResponseCacheSettings
    seawall_api = 1

    def __init__(
        self,
        settings: ResponseCacheSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or ResponseCacheSettings()
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, Mapping[str, Any]]] = OrderedDict()

    # first of all: an answer that is known needs no room under a rate limit and no budget
    @hookimpl(tryfirst=True)
    def pre_request(self, call: Call) -> Answer | None:
        key = call.state.setdefault(self, _digest(call.params))
        with self._lock:
            ends, message = self._kept.get(key, (0.0, None))
            if message is None:
                return None
            if self._clock() >= ends:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
        return Answer(message)

    @hookimpl
    def post_response(self, call: Call, outcome: Outcome) -> None:
        message, key = outcome.message, call.state.get(self)
        if outcome.status != "completed" or message is None or key is None:
            return
        if message.get("stop_reason") not in _WHOLE or not outcome.usage.output_tokens:
            return  # cut off, or it came from here
        with self._lock:
            self._kept[key] = (self._clock() + self._settings.seconds, message)
            while len(self._kept) > self._settings.entries:
                self._kept.popitem(last=False)


def _digest(params: Mapping[str, Any]) -> str:
    asked = {key: value for key, value in params.items() if key not in ("stream", "metadata")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
