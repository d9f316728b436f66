"""The hooks: when they run, what they may answer and how the answers combine.

A hook is a plain function: it decides, it does not act. It never sleeps, sends or awaits; what must touch a
disk, a database or a network goes into `Offload`. Plugins run in the order in which they are enabled;
`tryfirst` and `trylast` of `hookimpl` move a hook implementation to the front or the end of that order.
"""

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import click

    from seawall.call import Call, Chunk, Outcome
    from seawall.decisions import (
        Amend,
        Answer,
        Cut,
        GiveUp,
        Offload,
        Redirect,
        Reject,
        Replay,
        Retry,
        Stop,
        Wait,
    )
    from seawall.panels import Panel
    from seawall.state import Store

API_VERSION: Final = 1
"""Of the hooks and decisions: it grows when plugins have to change. A plugin class says by `seawall_api` for
which version it was written; one that says nothing, for the first."""

hookspec = pluggy.HookspecMarker("seawall")
hookimpl = pluggy.HookimplMarker("seawall")


@hookspec
def pre_request(call: "Call") -> "Reject | Answer | Redirect | Replay | Wait | Amend | Offload | None":
    """An attempt is about to be sent; asked before every attempt.

    Asked again after a `Wait`, a `Redirect` or a `Replay`. Must be idempotent within an attempt
    (`call.attempt`).

    Combination: the first `Wait`, `Redirect` or `Replay` ends the asking, so that who comes later holds
    nothing ready for an attempt that is not sent yet; after it all are asked again. A `Redirect` to a model
    that was asked for since the last wait says nothing, so that who answers it each time does no harm. Who
    answers `Replay` does so `tryfirst`. Any `Reject` of those who were asked wins; then the first `Answer`,
    unless a caller that streams has a part of the message; `Amend`s merge, and two different values for one
    thing are a `ConfigError`.
    """


@hookspec
def on_wait(call: "Call", wait: "Wait") -> "Offload | None":
    """The call is about to wait, before an attempt or between two; `wait` says for how long and why.

    Asked once for each reason in an attempt: a `Wait` that is answered again with the same reason goes on and
    is not told again.

    Combination: all run.
    """


@hookspec
def on_accept(call: "Call") -> "Offload | None":
    """The API accepted an attempt: its status and headers are there; asked once for it.

    Of a stream nothing has been read; an answer that is no stream has been read whole, and may be no message.

    Combination: all run.
    """


@hookspec
def on_chunk(call: "Call", chunk: "Chunk") -> "Stop | Cut | None":
    """An SSE event of an attempt arrived, pings included; the caller has not seen it yet.

    Called for every event of every attempt, so keep it short: it may put into a bounded buffer and no more.
    An answer that is not streamed on the wire has no events; who must see every answer says
    `Amend(stream=True)` in `pre_request`.

    Combination: every hook sees every chunk; the first `Stop` or `Cut` wins.
    """


@hookspec
def on_error(call: "Call", error: Exception) -> "Retry | GiveUp | Offload | None":
    """An attempt failed; called once for it, before or after output began.

    Combination: any `GiveUp` wins; otherwise the longest `Retry` delay applies; with no answer the error is
    raised.
    """


@hookspec
def post_response(call: "Call", outcome: "Outcome") -> "Offload | None":
    """The call ended: completed, failed, stopped or abandoned; called exactly once, last.

    Combination: all run, in the reverse order of `pre_request`, even if one raises.
    """


@hookspec(firstresult=True)
def estimate_tokens(text: str, model: str) -> int | None:
    """How many tokens `text` is for `model`; asked whenever a count is needed that the API has not given.

    Combination: the first answer; without one, a quarter of the characters.
    """


@hookspec
def describe_state(
    store: "Store", state_dir: "Path | None", now: float
) -> "Sequence[Panel] | Offload | None":
    """Somebody looks at what calls share; tell them as panels what this plugin has in it.

    Asked about every second while somebody looks, in a process that may have made no call. It reads, and
    changes nothing. `store` and `state_dir` are as those of a call; `now` is in seconds since 1970.

    Combination: the panels of all, in their order.
    """


@hookspec
def register_commands(cli: "click.Group") -> None:
    """The command line starts; add commands to it with `cli.add_command` or `@cli.command`.

    A name that another command has is an error of the plugin that comes later.
    """
