"""The hook implementations of the enabled plugins, in their order, and how their answers combine."""

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pluggy

from seawall.decisions import ANSWERS, Amend, Answer, GiveUp, Offload, Redirect, Reject, Replay, Retry, Wait
from seawall.errors import ConfigError, PluginError
from seawall.frames import events_of, frame_of

_log = logging.getLogger("seawall.hooks")
_OF_A_MESSAGE: Final = ("id", "type", "role", "model", "content", "stop_reason", "usage")


@dataclass(frozen=True, slots=True)
class Implementation:
    """One hook implementation of one plugin, called with all arguments of its specification."""

    plugin: str
    is_required: bool
    function: Callable[..., Any]
    """Takes the arguments of the specification, in its order."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """The implementations of each hook; immutable, so that one value serves every call of a client."""

    pre_request: tuple[Implementation, ...] = ()
    on_wait: tuple[Implementation, ...] = ()
    on_accept: tuple[Implementation, ...] = ()
    on_chunk: tuple[Implementation, ...] = ()
    on_error: tuple[Implementation, ...] = ()
    post_response: tuple[Implementation, ...] = ()
    estimate_tokens: tuple[Implementation, ...] = ()
    describe_state: tuple[Implementation, ...] = ()
    register_commands: tuple[Implementation, ...] = ()

    @classmethod
    def of(cls, manager: pluggy.PluginManager) -> "Hooks":
        """Return what is registered with `manager`, which also settles `tryfirst` and `trylast`."""

        def ordered(name: str) -> tuple[Implementation, ...]:
            caller: pluggy.HookCaller = getattr(manager.hook, name)
            names = caller.spec.argnames if caller.spec else ()
            # pluggy calls the last one of this list first
            return tuple(_bound(impl, names) for impl in reversed(caller.get_hookimpls()))

        return cls(**{name: ordered(name) for name in cls.__slots__})

    def without(self, plugin: str) -> "Hooks":
        """Return the same hooks less those of one plugin."""
        kept = {name: tuple(h for h in getattr(self, name) if h.plugin != plugin) for name in self.__slots__}
        return Hooks(**kept)


def _bound(impl: pluggy.HookImpl, names: tuple[str, ...]) -> Implementation:
    function = impl.function
    if tuple(impl.argnames) != names:
        # an implementation may leave out arguments that it does not use
        places = [names.index(name) for name in impl.argnames]
        function = lambda *args, _call=impl.function: _call(*(args[place] for place in places))  # noqa: E731
    required = bool(getattr(impl.plugin, "required", True))
    return Implementation(impl.plugin_name, required, function)


class CallHooks:
    """The hooks as one call asks them: a plugin that is not required and raises is left out of this call."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self.on_chunk = hooks.on_chunk

    def implementations(self, name: str) -> tuple[Implementation, ...]:
        """Who is still asked for hook `name`, in order."""
        implementations: tuple[Implementation, ...] = getattr(self._hooks, name)
        return implementations

    def answers(
        self,
        name: str,
        *args: object,
        until: tuple[type, ...] = (),
        is_void: Callable[[object], bool] = lambda _: False,
    ) -> Generator[Offload, Any, list[tuple[str, Any]]]:
        """Ask the implementations of a hook, up to a decision of `until`; returns them with their plugins.

        A decision that `is_void` is as if it had not been made. Yields the work that may block; sent back is
        what it returned, or the exception it raised.
        """
        decisions = []
        for hook in self.implementations(name):
            decision = yield from self.answer(hook, name, *args)
            if is_void(decision):
                continue
            decisions.append((hook.plugin, decision))
            if isinstance(decision, until):
                break
        return decisions

    def answer(self, hook: Implementation, name: str, *args: object) -> Generator[Offload, Any, Any]:
        """Ask one implementation of a hook as `answers` does; returns its decision."""
        decision = self.ask(hook, name, *args)
        # what `reach` returns may be one, inside another one
        while isinstance(decision, Offload):
            decision = yield decision
            if isinstance(decision, Exception):
                self.isolate(hook, name, decision)
                return None
        return self.checked(hook, name, decision)

    def ask(self, hook: Implementation, name: str, *args: object) -> Any:
        """Ask one hook implementation."""
        try:
            return hook.function(*args)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is its own failure
            self.isolate(hook, name, error)
            return None

    def checked(self, hook: Implementation, name: str, decision: Any) -> Any:
        """Return a decision that may answer hook `name`; another one is a failure of its plugin."""
        if decision is None or isinstance(decision, ANSWERS[name]):
            said = _answer_complaint(decision.message) if isinstance(decision, Answer) else None
            if said is None:
                return decision
            error: Exception = ValueError(f"the message of its Answer {said}")
        else:
            work = () if name == "on_chunk" else (Offload,)
            valid = ", ".join(["None", *(kind.__name__ for kind in (*ANSWERS[name], *work))])
            is_class = isinstance(decision, type)
            given = f"the class {decision.__name__}" if is_class else type(decision).__name__
            error = TypeError(f"{given} is no answer to {name}; valid here: {valid}")
        self.isolate(hook, name, error)
        return None

    def are_sendable(self, decisions: Iterable[tuple[str, Any]]) -> bool:
        """Whether the SDK can send what `pre_request` amends; if not, that is a failure of the plugin.

        Looked at when an attempt is to be sent: `messages` may be long, and be amended before every `Wait`.
        """
        for plugin, decision in decisions:
            if isinstance(decision, Amend) and (error := _unsendable(decision.params)):
                hook = next(hook for hook in self.implementations("pre_request") if hook.plugin == plugin)
                self.isolate(hook, "pre_request", error)
                return False
        return True

    def isolate(self, hook: Implementation, name: str, error: Exception) -> None:
        """Raise the `PluginError` for an exception of a hook, or leave out a plugin that is not required."""
        if isinstance(error, PluginError | ConfigError):
            raise error
        if hook.is_required:
            raise PluginError(hook.plugin, name, error) from error
        _log.warning(
            "plugin %r failed in %s (%s) and is left out for the rest of this call; it is not required",
            hook.plugin,
            name,
            type(error).__name__,
            exc_info=_log.isEnabledFor(logging.DEBUG),
        )
        self._hooks = self._hooks.without(hook.plugin)
        self.on_chunk = self._hooks.on_chunk

    def estimate(self, text: str, model: str) -> int:
        """Tokens of `text` for `model`: the first answer of the hook, else a quarter of the characters."""
        for hook in self._hooks.estimate_tokens:
            count = self.ask(hook, "estimate_tokens", text, model)
            if isinstance(count, int) and count >= 0:
                return count
            if count is not None:
                self.isolate(hook, "estimate_tokens", ValueError(f"{count!r} is no number of tokens"))
        return len(text) // 4


def _answer_complaint(message: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a message that a caller shall get, as an answer or as a stream."""
    if missing := [key for key in _OF_A_MESSAGE if message.get(key) is None]:
        return f"lacks {', '.join(missing)}"
    content, usage = message["content"], message["usage"]
    if not isinstance(content, list | tuple) or not all(isinstance(block, Mapping) for block in content):
        return "has a content that is no list of blocks"
    if not isinstance(usage, Mapping):
        return "has a usage that is no mapping"
    try:
        for event in events_of(message):
            frame_of(event)
    except KeyError as error:
        return f"has a block without {error}"
    except (TypeError, ValueError, RecursionError) as error:
        return f"is no JSON ({error})"
    return None


def _unsendable(params: Mapping[str, Any]) -> Exception | None:
    """Return why amended parameters cannot be written as JSON, by the encoder that will write them."""
    if not params:
        return None
    # a plugin module must not load the SDK; who sends has it
    from anthropic._utils._json import openapi_dumps  # noqa: PLC0415

    for key, value in params.items():
        try:
            openapi_dumps({key: value})
        except (TypeError, ValueError, RecursionError) as error:
            why = ValueError(f"Amend.params[{key!r}] is no JSON ({error})")
            why.__cause__ = error
            return why
    return None


@dataclass(slots=True)
class Plan:
    """What `pre_request` came to, for one attempt."""

    reject: Exception | None = None
    answer: Answer | None = None
    again: Redirect | Replay | Wait | None = None
    """What comes before all hooks are asked again."""
    amend: Amend = field(default_factory=Amend)


def combine_requests(decisions: Iterable[tuple[str, Any]]) -> Plan:
    """Combine the answers of `pre_request`, given as pairs of plugin name and decision.

    Raises:
        ConfigError: Two `Amend`s contradict each other, and nothing stronger was decided.
    """
    plan = Plan()
    amends: list[tuple[str, Amend]] = []
    for plugin, decision in decisions:
        match decision:
            case None:
                pass
            case Reject(error):
                plan.reject = error if plan.reject is None else plan.reject
            case Answer():
                plan.answer = plan.answer or decision
            case Redirect() | Replay() | Wait():
                plan.again = plan.again or decision
            case Amend():
                amends.append((plugin, decision))
    if plan.reject is None and plan.answer is None:
        plan.amend = _merged(amends)
    return plan


def _merged(amends: Iterable[tuple[str, Amend]]) -> Amend:
    merged: dict[str, dict[str, Any]] = {"params": {}, "headers": {}, "Amend": {}}
    said_by: dict[tuple[str, str], str] = {}
    for plugin, amend in amends:
        own = {"stream": amend.stream, "timeout": amend.timeout, "resume": amend.resume}
        said = {
            "params": amend.params,
            "headers": {name.lower(): value for name, value in amend.headers.items()},
            "Amend": {name: value for name, value in own.items() if value is not None},
        }
        for what, values in said.items():
            for key, value in values.items():
                other = said_by.setdefault((what, key), plugin)
                if merged[what].setdefault(key, value) != value:
                    # the values may be content, which belongs into no message
                    raise ConfigError(
                        f"plugins {other!r} and {plugin!r} set {what}[{key!r}] to different values; "
                        f"take one of them out of `plugins`, or set them alike"
                    )
    return Amend(params=merged["params"], headers=merged["headers"], **merged["Amend"])


def combine_errors(decisions: Iterable[tuple[str, Any]]) -> Retry | GiveUp | None:
    """Combine the answers of `on_error`: any `GiveUp` wins, else the longest `Retry`."""
    said = [decision for _, decision in decisions]
    give_up = next((decision for decision in said if isinstance(decision, GiveUp)), None)
    retries = (decision for decision in said if isinstance(decision, Retry))
    return give_up or max(retries, key=lambda retry: retry.delay, default=None)
