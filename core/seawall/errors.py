"""The exceptions of Seawall that have nothing to do with the wire; those that have are in `wire_errors`.

Errors of the SDK stay errors of the SDK: `except anthropic.RateLimitError` keeps working.
"""

from datetime import datetime
from typing import Any


class SeawallError(Exception):
    """What every exception of Seawall's own is an instance of."""

    def __reduce__(self) -> tuple[Any, ...]:
        # `__init__` takes more than the message: rebuild from it and the attributes, as the SDK's errors do
        return _rebuild, (type(self), self.args), self.__dict__


class ConfigError(SeawallError):
    """A setting is wrong, or two plugins contradict each other; nothing has been sent."""


class PluginError(SeawallError):
    """A hook of a required plugin raised; its exception is the `__cause__`. Protection fails closed."""

    def __init__(self, plugin: str, hook: str, error: Exception) -> None:
        super().__init__(
            f"plugin {plugin!r} failed in {hook}: {type(error).__name__}: {error}. "
            "Mend it, or take it out of `plugins`; with `required = False` on its class calls go on."
        )
        self.plugin = plugin
        self.hook = hook


class RequestRejectedError(SeawallError):
    """A plugin refused the call before anything was sent."""


class BudgetExceededError(SeawallError):
    """What the call costs may not fit into what is left of a budget; nothing of this attempt was sent."""

    def __init__(
        self,
        message: str,
        *,
        budget: str,
        unit: str,
        limit: float,
        spent: float,
        held: float,
        at_most: float,
        ends: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.budget = budget
        """Its name, or what it is."""
        self.unit = unit
        """`"dollars"` or `"tokens"`: of the four amounts."""
        self.limit = limit
        self.spent = spent
        self.held = held
        """Reserved for calls that are running; what they do not use comes back."""
        self.at_most = at_most
        """What this attempt would cost if its answer took all of `max_tokens`."""
        self.ends = ends
        """When what was spent is forgotten; `None`: never."""


class DeadlineExceededError(SeawallError, TimeoutError):
    """The time that `seawall.deadline` gave is over, or would be before the call could go on."""


class StreamStoppedError(SeawallError):
    """A plugin stopped the stream; `partial_message` holds what had come."""

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(f"plugin {plugin!r} stopped the stream: {reason}")
        self.plugin = plugin
        self.reason = reason


def _rebuild(cls: type[SeawallError], args: tuple[object, ...]) -> SeawallError:
    return cls.__new__(cls, *args)
