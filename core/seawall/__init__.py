"""Protects long Claude operations: `client = seawall.protect(anthropic.Anthropic())`.

Every protected call ends in one of three ways: the whole answer, a typed error that still holds what was paid
for, or a refusal before anything was spent. Importing this package loads neither the SDK nor any plugin;
names load on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seawall.call import Attempt, Call, Chunk, Outcome, Usage
    from seawall.decisions import Amend, Answer, Cut, GiveUp, Offload, Reject, Retry, Stop, Wait
    from seawall.errors import (
        ConfigError,
        PluginError,
        RequestRejectedError,
        SeawallError,
        StreamStoppedError,
    )
    from seawall.hookspecs import hookimpl
    from seawall.middleware import protect
    from seawall.wire_errors import ContinuationMismatchError, StreamCutError, TruncatedStreamError

__all__ = [
    "Amend",
    "Answer",
    "Attempt",
    "Call",
    "Chunk",
    "ConfigError",
    "ContinuationMismatchError",
    "Cut",
    "GiveUp",
    "Offload",
    "Outcome",
    "PluginError",
    "Reject",
    "RequestRejectedError",
    "Retry",
    "SeawallError",
    "Stop",
    "StreamCutError",
    "StreamStoppedError",
    "TruncatedStreamError",
    "Usage",
    "Wait",
    "hookimpl",
    "protect",
]

_HOMES = {
    "call": ("Attempt", "Call", "Chunk", "Outcome", "Usage"),
    "decisions": ("Amend", "Answer", "Cut", "GiveUp", "Offload", "Reject", "Retry", "Stop", "Wait"),
    "errors": ("ConfigError", "PluginError", "RequestRejectedError", "SeawallError", "StreamStoppedError"),
    "hookspecs": ("hookimpl",),
    "middleware": ("protect",),
    "wire_errors": ("ContinuationMismatchError", "StreamCutError", "TruncatedStreamError"),
}
_MODULE_OF = {name: f"seawall.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'seawall' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
