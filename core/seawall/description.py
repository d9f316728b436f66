"""How plugins are asked what they tell people about the state that calls share."""

from collections.abc import Sequence
from pathlib import Path

from seawall.decisions import Offload
from seawall.hooks import Hooks
from seawall.panels import Panel
from seawall.state import Store
from seawall.wording import told


def describe(hooks: Hooks, store: Store, state_dir: Path | None, now: float) -> list[Panel]:
    """Return the panels of all plugins, in their order; waits for the store and for files.

    A plugin that fails has a panel that says so: what the others tell is shown all the same.

    Args:
        hooks: Of the plugins: `seawall.registry.load()` gives those that are configured.
        store: Where calls share state: `seawall.registry.configured_store()`.
        state_dir: The folder for files of this machine: `seawall.registry.configured_folder()`.
        now: Seconds since 1970, of the clock that all who share the store have.
    """
    panels: list[Panel] = []
    for hook in hooks.describe_state:
        try:
            answer = hook.function(store, state_dir, now)
            # what `reach` returns may be one, inside another one
            while isinstance(answer, Offload):
                answer = answer.work()
            panels += _checked(answer)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is its own failure
            what = f"What plugin {hook.plugin!r} has to tell cannot be shown: {told(error)}"
            panels.append(Panel(hook.plugin, alert=what))
    return panels


def _checked(answer: object) -> Sequence[Panel]:
    if answer is None:
        return ()
    if not isinstance(answer, Sequence) or not all(isinstance(panel, Panel) for panel in answer):
        raise TypeError(
            f"{type(answer).__name__} is no answer to describe_state: a list of panels is expected"
        )
    return answer
