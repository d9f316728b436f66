"""A plugin between the core and itself: all it answers is kept, all it raises is noted."""

from __future__ import annotations

import functools
import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seawall import Amend, Answer, Call, Cut, GiveUp, Offload, Redirect, Reject, Retry, Stop, Wait
from seawall.fitness import new_manager
from seawall_testkit.conformance.watch import watched

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Said:
    """What a hook answered."""

    hook: str
    attempt: int
    """0 for a hook that gets no call."""
    decision: Any = field(compare=False)
    """That of its work, where it was an `Offload`."""
    told: object
    """The same without what may differ from one time to the next: moments, draws, identities."""
    exact: object = field(compare=False)
    """The same without what differs although nothing else was decided."""


class Witness:
    """Stands for a plugin in the list that `protect` takes."""

    required = True

    def __init__(self, plugin: object) -> None:
        self.plugin = plugin
        self.name = str(getattr(plugin, "name", type(plugin).__name__))
        self.seawall_api = getattr(plugin, "seawall_api", 1)
        self.said: list[Said] = []
        self.faults: list[str] = []
        """What it raised, or did where it may not."""
        self.waits: list[str] = []
        """What blocked in its hooks."""
        self.is_watched = False
        """Whether what blocks in a hook is noted."""
        manager = new_manager()
        for attribute in dir(plugin):
            # properties are not run: a start does not either
            options = manager.parse_hookimpl_opts(plugin, attribute)
            if options is not None:
                hook = options["specname"] or attribute
                setattr(self, attribute, self._witnessed(getattr(plugin, attribute), hook))

    def answers(self, hook: str, kinds: type | tuple[type, ...] = object) -> list[Said]:
        """Return what it answered to a hook that is of a kind."""
        return [said for said in self.said if said.hook == hook and isinstance(said.decision, kinds)]

    def _witnessed(self, method: Any, hook: str) -> Callable[..., Any]:
        @functools.wraps(method)
        def call_method(*args: Any, **kwargs: Any) -> Any:
            call = next((arg for arg in args if isinstance(arg, Call)), None)
            notice = self._notice(hook) if self.is_watched else None
            with watched(notice):
                decision = self._asked(hook, call, functools.partial(method, *args, **kwargs))
            if not isinstance(decision, Offload):
                return self._kept(hook, call, decision)
            return Offload(functools.partial(self._work, hook, call, decision.work))

        return call_method

    def _work(self, hook: str, call: Call | None, work: Callable[[], Any]) -> Any:
        return self._kept(hook, call, self._asked(hook, call, work))

    def _kept(self, hook: str, call: Call | None, decision: Any) -> Any:
        told = _told(decision, call.id if call is not None else "")
        exact = told if isinstance(decision, Reject | Wait) else decision
        attempt = call.attempt if call is not None else 0
        self.said.append(Said(hook, attempt, decision, told, exact))
        return decision

    def _asked(self, hook: str, call: Call | None, function: Callable[[], Any]) -> Any:
        before = deepcopy(call.params) if call is not None else None
        try:
            return function()
        except Exception as error:
            self.faults.append(f"{hook} raises {type(error).__name__}: {error}")
            raise
        finally:
            if call is not None and call.params != before:
                self.faults.append(f"{hook} changes call.params in place; answer Amend(params=...)")

    def _notice(self, hook: str) -> Callable[[str], None]:
        return lambda what: self.waits.append(f"{hook} {what}")


def _told(decision: object, call: str) -> object:
    match decision:
        case Reject(error):
            told: object = (type(error), _lasting(str(error), call))
        case Redirect(model, reason):
            told = (model, _lasting(reason, call))
        case Wait(_, reason) | Stop(reason) | Cut(reason):
            told = _lasting(reason, call)
        case Amend(params, stream, timeout, headers, resume):
            told = (sorted(params), stream, timeout, sorted(headers), resume)
        case Retry() | GiveUp() | Answer():
            # a reason may have the words of an error, which differ between transports
            told = ()
        case _:
            return decision
    return type(decision), told


def _lasting(text: str, call: str) -> str:
    """Return a text without the id of the call, and without numbers."""
    return re.sub(r"\d+(\.\d+)?", "#", text.replace(call, "#") if call else text)
