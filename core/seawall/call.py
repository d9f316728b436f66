"""What a hook sees: the call, a chunk of its stream, how it ended."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from seawall.decisions import Way
from seawall.frames import Event
from seawall.models import model_class
from seawall.state import MemoryStore, Store

if TYPE_CHECKING:
    from seawall.panels import Panel

_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_LARGEST = 10**9
"""A number above it counts no tokens of one answer; `-1` without its sign is such a number."""

SeamDecision = Literal["exact", "overlap", "preamble", "start_over", "different", "nothing"]
"""What a continuation began with: the very next character, words delivered before, a sentence that announces
it (and perhaps those words then), the whole answer again, the whole answer again and then another one.
`nothing`: it added no text."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens billed. As the API's, `input_tokens` leaves out what the prompt cache read or wrote."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    is_estimated: bool = False
    """The output was cut off before the API counted it, and is estimated from what arrived."""

    @classmethod
    def of(cls, usage: Mapping[str, Any], *, is_estimated: bool = False) -> Self:
        """The counts of a `usage` object of the API; what is no count is 0."""
        return cls(**{key: _count(usage.get(key)) for key in _COUNTS}, is_estimated=is_estimated)

    def __add__(self, other: "Usage") -> "Usage":
        sums = {key: getattr(self, key) + getattr(other, key) for key in _COUNTS}
        return Usage(**sums, is_estimated=self.is_estimated or other.is_estimated)

    def counts(self) -> dict[str, int]:
        """The counts under the names of the API."""
        return {key: getattr(self, key) for key in _COUNTS}


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 < value <= _LARGEST else 0


@dataclass(slots=True)
class Attempt:
    """One HTTP send and what became of it."""

    number: int
    """From 1."""
    way: Way
    status: int | None = None
    """The HTTP status; `None` when no answer came."""
    request_id: str | None = None
    asked: str = ""
    """The model that was asked; empty until it is sent."""
    model: str | None = None
    """The model that served, as the answer names it."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The headers of the answer, whose names may be asked for in any case; empty when none came."""
    usage: Usage = field(default_factory=Usage)
    raw_usage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The `usage` as the API has given it so far, for what is not in `usage`."""
    events: int = 0
    """Events received so far, pings included."""
    written: int = 0
    """Characters of text, thinking and tool input that it has brought so far, those that were not passed on
    included; grows while it streams. `on_chunk` finds it without its chunk."""
    added: int = 0
    """Characters that the message got of it; told when it has ended."""
    seam: SeamDecision | None = None
    """How its text joined what was delivered; `None` where there was nothing to join or it never came."""
    overlap: int = 0
    """Characters cut away at the seam, since they had been delivered or only announced the rest."""
    error: Exception | None = None
    """Why it failed; `None` when it ended well."""
    kept: int = 0
    """Output tokens, about, of the message so far that it goes on with: they are in its request, and its
    `max_tokens` is so much lower."""

    @property
    def continues(self) -> bool:
        """Whether it goes on with what attempts before it brought."""
        return self.way in ("prefill", "user_turn")


@dataclass(eq=False, slots=True, weakref_slot=True)
class Call:
    """One `create` as its caller made it, for all of its attempts. A plugin's memory is `state[self]`."""

    id: str
    params: Mapping[str, Any]
    """The request body as the caller gave it, after a `Redirect` with that model; never changed in place."""
    stream: bool
    """Whether the caller asked for a stream."""
    beta: bool = False
    host: str = ""
    """Whom it goes to: host and port."""
    provider: str = "anthropic"
    """Whose platform that is, as spans of the SDK name it: `aws.bedrock`, `gcp.vertex_ai`."""
    account: str = ""
    """A digest of whose limits it uses: address and credentials. No key can be read out of it."""
    caller: str = ""
    """On whose behalf it is made, as far as a plugin knows and has written it here."""
    store: Store = field(default_factory=MemoryStore, repr=False)
    """What calls share; `seawall.state.reach` is how a hook comes to it."""
    state_dir: Path | None = None
    """The folder for files that are kept on this machine, which may have to be made; `None`: keep none."""
    timeout: float | None = None
    """Seconds without a byte the caller itself allows; `None` when it set no limit."""
    attempts: list[Attempt] = field(default_factory=list)
    """The attempts so far, the current one last."""
    earlier: list[Attempt] = field(default_factory=list)
    """Attempts of an earlier process whose parts were replayed: `Replay`. They were paid for and counted
    there, so no sum of this call has them in it but the `usage` of its message."""
    state: dict[object, Any] = field(default_factory=dict)
    remaining: Callable[[], float] = field(default=lambda: math.inf, repr=False)
    """Seconds left of the caller's deadline; infinite without one."""
    describe: Callable[[float], Sequence["Panel"]] = field(default=lambda _: (), repr=False)
    """What plugins tell of the state that calls share, at a moment in seconds since 1970. May block; keeps no
    call alive."""
    estimate: Callable[[str], int] = field(default=lambda text: len(text) // 4, repr=False)
    """Tokens of a text for this call's model, by the `estimate_tokens` hook."""

    @property
    def attempt(self) -> int:
        """The number of the current attempt, from 1."""
        return len(self.attempts)

    @property
    def failures(self) -> int:
        """Attempts in a row that brought nothing on, counted when the current one has failed: 1 or more.

        An attempt whose output the next one continued was not in vain, unless the message had all of its
        `max_tokens` by then: past them it only comes to its end.
        """
        count = 1
        for after, before in pairwise(reversed(self.attempts)):
            if after.continues and before.added and after.kept < (self.max_tokens or math.inf):
                break
            count += 1
        return count

    @property
    def model(self) -> str:
        """The model that is asked; empty when the caller named none."""
        return str(self.params.get("model", ""))

    @property
    def model_class(self) -> str:
        """The models that share a rate limit with the one that is asked."""
        return model_class(self.model)

    @property
    def max_tokens(self) -> int:
        """The limit asked for; 0 when it is no number."""
        value = self.params.get("max_tokens")
        return value if isinstance(value, int) else 0

    @property
    def usage(self) -> Usage:
        """What all attempts so far have cost."""
        return sum((attempt.usage for attempt in self.attempts), Usage())


@dataclass(slots=True)
class Chunk:
    """One SSE event of an attempt, as it came; not frozen only because that makes it twice as dear."""

    type: str
    """`message_start`, `content_block_delta`, `ping`, …; names the API may add later come through as they
    are."""
    event: Event
    """The parsed `data`; empty when the frame had none."""
    frame: bytes

    @property
    def text(self) -> str:
        """The text it adds to the answer; empty for anything but a `text_delta`."""
        delta = self.event.get("delta")
        return str(delta.get("text", "")) if isinstance(delta, dict) else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended."""

    status: Literal["completed", "failed", "stopped", "abandoned"]
    """`abandoned`: the caller closed, dropped or cancelled it."""
    attempts: tuple[Attempt, ...]
    """Those of this call; what was replayed is in `call.earlier`."""
    message: Mapping[str, Any] | None = None
    """What the caller has of the message, in the shape of the API's JSON answer."""
    error: Exception | None = None

    @property
    def usage(self) -> Usage:
        """What all attempts have cost."""
        return sum((attempt.usage for attempt in self.attempts), Usage())
