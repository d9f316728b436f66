"""What a hook may answer: immutable values the engine combines. Answering `None` is having no opinion.

A value that cannot be acted upon raises `ValueError` where it is made, so that the error names its plugin.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Way = Literal["send", "restart", "prefill", "user_turn"]
"""How an attempt goes about the message: the first send, all over again, or on from what there is."""


@dataclass(frozen=True, slots=True)
class Reject:
    """`pre_request`: the call ends with `error` before anything of this attempt is sent."""

    error: Exception

    def __post_init__(self) -> None:
        if not isinstance(self.error, Exception):
            kind = type(self.error).__name__
            msg = f"Reject takes an exception, such as RequestRejectedError(...), not a {kind}"
            raise ValueError(msg)  # noqa: TRY004 - one class for all decisions


@dataclass(frozen=True, slots=True)
class Answer:
    """`pre_request`: the call ends with `message`; nothing is sent.

    A caller that streams and has a part of the model's answer gets the rest of that: an `Answer` to a further
    attempt is not taken then, and a warning says so.
    """

    message: Mapping[str, Any]
    """A whole message in the shape of the Messages API's JSON answer."""

    def __post_init__(self) -> None:
        if not isinstance(self.message, Mapping):
            msg = f"Answer takes a message as a mapping, not a {type(self.message).__name__}"
            raise ValueError(msg)  # noqa: TRY004 - one class for all decisions


@dataclass(frozen=True, slots=True)
class Wait:
    """`pre_request`: wait, then ask every hook again."""

    seconds: float
    reason: str
    """What is waited for, as the log shall say it."""

    def __post_init__(self) -> None:
        _check_seconds("Wait.seconds", self.seconds)


@dataclass(frozen=True, slots=True)
class Redirect:
    """`pre_request`: ask another model from now on, in this attempt and all further ones.

    `call.params` and `call.model` are those of that model when every hook is asked again.
    """

    model: str
    reason: str
    """Why, as the log shall say it."""

    def __post_init__(self) -> None:
        if not self.model or not isinstance(self.model, str):
            raise ValueError(f"Redirect.model = {self.model!r}: the name of a model is expected")


@dataclass(frozen=True, slots=True)
class EarlierAttempt:
    """What an earlier process received of the answer in one attempt; part of a `Replay`."""

    way: Way
    """How the attempt went about the message: `Attempt.way`."""
    frames: Iterable[bytes] = field(repr=False)
    """Its body in order, cut anywhere; it may end in the middle. Read once, where blocking is allowed."""
    asked: str = ""
    """The model that was asked."""


@dataclass(frozen=True, slots=True)
class Replay:
    """`pre_request`: an earlier process received parts of the answer to this very request.

    They are taken in as attempts that broke, and the call goes on from there. If they are the whole message,
    the call ends with it, and nothing is sent. Only before the first attempt, and once.
    """

    attempts: Sequence[EarlierAttempt]
    """All of them, in order, so that the first one sent the request itself."""

    def __post_init__(self) -> None:
        if not self.attempts or self.attempts[0].way in ("prefill", "user_turn"):
            raise ValueError("Replay.attempts must begin with an attempt that began the message")


@dataclass(frozen=True, slots=True)
class Resume:
    """How a message goes on that broke; part of an `Amend`."""

    hold: Literal["none", "blocks"] = "none"
    """`"blocks"`: a caller that streams gets tool calls only when the message is whole, so that one that
    breaks can be generated again."""
    continue_after_tokens: int = 200
    """Tokens below which a `Message` is generated again instead of continued: it is cheaper."""
    prompt: str = (
        "Your previous response was interrupted and ended with {previous_response}. "
        "Continue from where you left off."
    )
    """The user turn for models that refuse a prefill; `{previous_response}` is where its last words go. The
    default is documented: https://platform.claude.com/docs/en/build-with-claude/streaming (error
    recovery)."""

    def __post_init__(self) -> None:
        # it is looked at when the message has broken: too late to find that it cannot go on
        if self.hold not in ("none", "blocks"):
            raise ValueError(f"Resume.hold = {self.hold!r}: 'none' or 'blocks' is expected")
        tokens = self.continue_after_tokens
        if not isinstance(tokens, int) or tokens < 0:
            raise ValueError(f"Resume.continue_after_tokens = {tokens!r}: an integer, 0 or more, is expected")
        if not self.prompt or not isinstance(self.prompt, str):
            raise ValueError(f"Resume.prompt = {self.prompt!r}: a text is expected")


@dataclass(frozen=True, slots=True)
class Amend:
    """`pre_request`: change what is sent in this attempt. What the caller gets stays what it asked for."""

    params: Mapping[str, Any] = field(default_factory=dict)
    """Top-level keys of the request body, replaced whole; values as the SDK can write them as JSON."""
    stream: bool | None = None
    """`True`: a stream on the wire also for a caller that waits for a `Message`."""
    timeout: float | None = None
    """Seconds without a byte after which the attempt fails."""
    headers: Mapping[str, str] = field(default_factory=dict)
    resume: Resume | None = None
    """How the message goes on if this attempt breaks."""

    def __post_init__(self) -> None:
        if self.timeout is not None:
            _check_seconds("Amend.timeout", self.timeout)
        kinds = {"params": Mapping, "headers": Mapping, **({} if self.resume is None else {"resume": Resume})}
        for name, kind in kinds.items():
            if not isinstance(given := getattr(self, name), kind):
                msg = f"Amend.{name} takes a {kind.__name__}, not a {type(given).__name__}"
                raise ValueError(msg)  # noqa: TRY004 - one class for all decisions
        if "stream" in self.params:
            raise ValueError(
                "Amend.params has 'stream'; what is streamed on the wire is said by Amend(stream=True)"
            )
        if self.stream not in (None, True, False):
            raise ValueError(f"Amend.stream = {self.stream!r}: True, False or None is expected")
        if odd := [pair for pair in self.headers.items() if not all(isinstance(part, str) for part in pair)]:
            # the value may be a key, which belongs into no message
            raise ValueError(f"Amend.headers[{odd[0][0]!r}]: name and value are texts")


@dataclass(frozen=True, slots=True)
class Retry:
    """`on_error`: attempt again after `delay` seconds."""

    delay: float
    reason: str = ""
    """Why it is waited, as the log shall say it; empty: what failed."""

    def __post_init__(self) -> None:
        _check_seconds("Retry.delay", self.delay)


@dataclass(frozen=True, slots=True)
class GiveUp:
    """`on_error`: end the call with the error, whatever others say. `reason` becomes a note on it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """`on_chunk`: end the stream now; the caller gets `StreamStoppedError` with the message so far."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cut:
    """`on_chunk`: this attempt failed; its connection is cut, and `on_error` decides what follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Offload:
    """The decision needs work that may block: what `work()` returns is the decision.

    The sync driver calls it in place, the async driver in a worker thread. Not for `on_chunk`.
    """

    work: Callable[[], Any]

    def __post_init__(self) -> None:
        if not callable(self.work):
            msg = f"Offload takes a function without arguments, not a {type(self.work).__name__}"
            raise ValueError(msg)  # noqa: TRY004 - one class for all decisions


ANSWERS: Final[Mapping[str, tuple[type[Any], ...]]] = {
    "pre_request": (Reject, Answer, Redirect, Replay, Wait, Amend),
    "on_wait": (),
    "on_accept": (),
    "on_chunk": (Stop, Cut),
    "on_error": (Retry, GiveUp),
    "post_response": (),
}
"""What each hook may answer, once an `Offload` has become its result."""


def _check_seconds(what: str, seconds: object) -> None:
    if not (isinstance(seconds, int | float) and 0 <= seconds < math.inf):
        raise ValueError(f"{what} = {seconds!r}: a finite number of seconds, 0 or more, is expected")
