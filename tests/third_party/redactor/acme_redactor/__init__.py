"""Takes secrets out of questions, and stops answers that hold one."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt, field_validator

from seawall import Amend, Call, Chunk, Stop, hookimpl

__all__ = ["Redactor", "RedactorSettings"]

_INSTEAD = "[redacted]"


class RedactorSettings(BaseModel):
    """The table `[redactor]` of seawall.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    patterns: tuple[str, ...]
    """Regular expressions of what is secret."""
    longest: PositiveInt = 200
    """Characters of a secret, at most."""

    @field_validator("patterns")
    @classmethod
    def _check(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                is_empty = re.compile(pattern).match("") is not None
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
            if is_empty:
                raise ValueError(f"{pattern!r} matches nothing at all, and so everything")
        return patterns


class Redactor:
    """Amends `messages` and `system`, and watches the text that comes."""

    Settings = RedactorSettings
    seawall_api = 1

    def __init__(self, settings: RedactorSettings) -> None:
        self._secret = re.compile("|".join(f"(?:{pattern})" for pattern in settings.patterns) or r"(?!)")
        self._longest = settings.longest

    # last: what others amend is looked at by nobody else
    @hookimpl(trylast=True)
    def pre_request(self, call: Call) -> Amend:
        call.state.pop(self, None)  # what came in an attempt that broke
        asked = {key: call.params[key] for key in ("messages", "system") if key in call.params}
        redacted = {key: self._redacted(value) for key, value in asked.items()}
        changed = {key: value for key, value in redacted.items() if value != asked[key]}
        # an answer that is not streamed has no chunks to look at
        return Amend(params=changed, stream=True)

    @hookimpl
    def on_chunk(self, call: Call, chunk: Chunk) -> Stop | None:
        if not chunk.text:
            return None
        # a secret may come in pieces
        seen = call.state.get(self, "") + chunk.text
        call.state[self] = seen[-self._longest :]
        # never the secret itself: reasons are logged
        return Stop("the answer holds a secret") if self._secret.search(seen) else None

    def _redacted(self, value: Any) -> Any:
        match value:
            case str():
                return self._secret.sub(_INSTEAD, value)
            case Mapping():
                # what is signed or encoded must stay as it is
                texts = ("text", "content")
                return {key: self._redacted(part) if key in texts else part for key, part in value.items()}
            case list() | tuple():
                return [self._redacted(part) for part in value]
        return value
