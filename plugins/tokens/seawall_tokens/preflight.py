"""What cannot succeed is refused before it is uploaded: more than the model or the API takes.

Windows and outputs are those of the model pages of platform.claude.com/docs (API.md, section 8); where the
model is not known, nothing is refused.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from seawall import Amend, Call, Reject, RequestRejectedError
from seawall.models import version

_BODY: Final = 32_000_000
"""Bytes of a request (API.md, section 3)."""
_SURE: Final = 0.9
"""Part of an estimate that a prompt has surely."""


class _Model(NamedTuple):
    window: int
    """Tokens of its context."""
    output: int
    """Tokens it can write."""


def check(call: Call, input_tokens: int, *, clamp: bool) -> Reject | Amend | None:
    """Return what is to be done about a call that asks for too much; `None` when it does not.

    Args:
        call: About to be sent.
        input_tokens: Its estimate.
        clamp: Whether a `max_tokens` above what the model can write is lowered.
    """
    if (size := body_size(call.params)) > _BODY:
        return _refused(
            f"the request has at least {size:,} bytes, of {_BODY:,} that the API takes; "
            "send less, or upload files by the Files API"
        )
    model = _model(call.model)
    if model is None:
        return None
    if _SURE * input_tokens > model.window:
        return _refused(
            f"the prompt has about {input_tokens:,} tokens, and the context window of {call.model!r} "
            f"{model.window:,}; send less, or ask a model with a larger window"
        )
    if call.max_tokens <= model.output:
        return None
    if clamp:
        return Amend(params={"max_tokens": model.output})
    return _refused(
        f"max_tokens = {call.max_tokens:,}, and {call.model!r} can write {model.output:,}; ask for that, "
        "or set tokens.clamp = true, which lowers it"
    )


def body_size(params: Any) -> int:
    """Return the bytes of all texts in a request body: it has more."""
    size, waiting = 0, [params]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            size += len(part) if part.isascii() else len(part.encode(errors="replace"))
        elif isinstance(part, Mapping):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
    return size


def _model(name: str) -> _Model | None:
    known = version(name)
    if known is None or known < (4, 5):
        return None
    return _Model(200_000, 64_000) if known == (4, 5) else _Model(1_000_000, 128_000)


def _refused(why: str) -> Reject:
    return Reject(RequestRejectedError(f"{why}. Nothing was sent"))
