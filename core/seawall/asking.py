"""Asks the hooks of one call; what may block becomes a step for the driver. Sans-I/O."""

from collections.abc import Generator
from typing import Any

from seawall.call import Call
from seawall.decisions import Offload
from seawall.hooks import CallHooks, Implementation
from seawall.steps import Step, Work


class Asking:
    """Asks hook implementations, and resolves an `Offload` into the decision it leads to."""

    def __init__(self, call: Call, hooks: CallHooks) -> None:
        self._call = call
        self._hooks = hooks

    def all(
        self, name: str, *args: object, until: tuple[type, ...] = ()
    ) -> Generator[Step, Any, list[tuple[str, Any]]]:
        """Ask the implementations of a hook, up to a decision of `until`; returns them with their plugins."""
        decisions = []
        for hook in self._hooks.implementations(name):
            decision = yield from self.one(hook, name, *args)
            decisions.append((hook.plugin, decision))
            if isinstance(decision, until):
                break
        return decisions

    def one(self, hook: Implementation, name: str, *args: object) -> Generator[Step, Any, Any]:
        """Ask one implementation of a hook; returns its decision."""
        decision = self._hooks.ask(hook, name, self._call, *args)
        if isinstance(decision, Offload):
            decision = yield Work(decision.work)
            if isinstance(decision, Exception):
                self._hooks.isolate(hook, name, decision)
                return None
        return self._hooks.checked(hook, name, decision)
