"""What a call is doing, as those who look are told: immutable, of counts and names, never content."""

from dataclasses import dataclass
from typing import Final, Literal

Phase = Literal[
    "queued",
    "waiting",
    "connecting",
    "thinking",
    "writing",
    "tool input",
    "stalled",
    "resuming",
    "done",
]
"""`queued`: not sent yet, a plugin has it wait. `waiting`: between two attempts. `connecting`: sent, nothing
of the answer yet. `resuming`: the same for an attempt that goes on with a broken message. `stalled`: an
answer has begun, and no byte came for a while. `done`: ended, well or not."""

GENERATING: Final = frozenset({"thinking", "writing", "tool input"})


@dataclass(frozen=True, slots=True)
class Expected:
    """How many output tokens a call will have."""

    tokens: int
    kind: Literal["said", "learned", "ceiling"]
    """Who says so: the caller by `expect`; earlier calls of the same model and caller, as far as they were
    longer than this one is: their median; or nobody: `max_tokens`, which the answer does not exceed and may
    stay far below."""
    low: int | None = None
    """A quarter of those earlier calls had at most so many; `None` where it was not learned."""
    high: int | None = None
    """Three quarters of them had at most so many."""


@dataclass(frozen=True, slots=True)
class CallProgress:
    """One call at one moment. Times are in seconds, tokens are output tokens."""

    call: str
    """The id of the call, as the log names it."""
    model: str
    """The model that is asked."""
    caller: str
    """On whose behalf, by `seawall_tokens.caller`; empty for nobody in particular."""
    phase: Phase
    reason: str
    """Why it waits, what kind of block it receives, or the class of the error it ended with; else empty."""
    status: str
    """How it ended: `completed`, `failed`, `stopped` or `abandoned`; `unknown` where this plugin failed in it
    and was left out; empty while it runs."""
    elapsed: float
    """Since the call began, up to its end."""
    in_phase: float
    """Since the phase began."""
    wait_left: float | None
    """Until a wait ends, as far as it was told; `None` where it does not wait."""
    tokens: int
    """Of the message so far; less than before when the answer is begun again."""
    is_exact: bool
    """Whether the API counted them; else they are estimated."""
    hides_thinking: bool
    """Part of the answer is thinking that is not shown: there are more until the API has counted them."""
    rate: float | None
    """Tokens per second lately, of the last ten seconds; `None` where too little came to tell."""
    overall_rate: float | None
    """Tokens per second over all the time in which an answer came."""
    first_token: float | None
    """From the start of the call to the first block of the first answer; `None` before it."""
    longest_gap: float
    """The longest time between two events of an answer, pings included."""
    silent: float | None
    """Since the last event; `None` while no answer comes."""
    percent: float | None
    """Of the tokens expected: from 0 to 100, never less than before; 100 only for a completed call."""
    eta: float | None
    """Until the tokens expected are there, at the rate of now; at most so long, where those are a ceiling."""
    expected: Expected | None
    """`None` where nothing is known, not even `max_tokens`."""
    attempts: int
    """The number of the current attempt, from 1; 0 before the first."""
    continuations: int
    """How many attempts went on with a broken message."""
