"""The plugin: notes what each call does, as little as possible of it while its chunks pass."""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from seawall import Call, Chunk, Offload, Outcome, Wait, hookimpl
from seawall.state import reach
from seawall_progress.counting import MOST_RECENT
from seawall_progress.expecting import said
from seawall_progress.lines import log_lines
from seawall_progress.metrics import Metrics
from seawall_progress.publisher import PUBLISHER, Publisher
from seawall_progress.running import RUNNING, Running
from seawall_progress.settings import ProgressSettings
from seawall_progress.subscription import followers
from seawall_progress.terminal import TERMINAL, Terminal
from seawall_progress.track import Track, total
from seawall_progress.usual import Usual

if TYPE_CHECKING:
    import click
    from opentelemetry.metrics import MeterProvider

    from seawall_progress.events import Listener

_PATIENCE: Final = 0.5
"""Seconds that the end of a call waits for the terminal to be free."""


class Progress:
    """Follows every call, and tells those who listen what it does.

    Args:
        settings: Options.
        clock: Seconds that never go back.
        meter_provider: Takes the metrics; by default the one that the application has set.
        running: Where the calls are followed.
        terminal: What shows calls.
    """

    Settings = ProgressSettings
    seawall_api = 1
    required = False

    def __init__(
        self,
        settings: ProgressSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        meter_provider: "MeterProvider | None" = None,
        running: Running = RUNNING,
        terminal: Terminal = TERMINAL,
    ) -> None:
        self._settings = settings = settings or ProgressSettings()
        self._clock = clock
        self._running = running
        self._shown = terminal.shown(settings.terminal, interval=settings.interval, file=sys.stderr)
        lines = log_lines(settings.interval)
        self._listeners: tuple[Listener, ...] = (lines,) if self._shown is None else (lines, self._shown)
        self._publisher = PUBLISHER if running is RUNNING else Publisher(running.calls)
        self._usual = Usual(clock)
        self._metrics = Metrics(meter_provider, clock=clock, is_on=settings.metrics)

    # last: whoever has the call wait comes before, and it is not sent yet
    @hookimpl(trylast=True)
    def pre_request(self, call: Call) -> Offload | None:
        self._metrics.sending(call)
        track = self._track(call)
        track.is_metered = call.state.get(self._metrics) is not None
        track.sending(call)
        self._running.changed(call)
        usual = self._usual.known(call)
        if usual is not None:
            track.usual = usual
            return None
        look: Offload | None = reach(call.store, partial(self._look_up, call, track))
        return look

    @hookimpl
    def on_wait(self, call: Call, wait: Wait) -> None:
        self._metrics.waiting(call)
        self._track(call).waiting(call, wait)
        self._running.changed(call)

    @hookimpl
    def on_accept(self, call: Call) -> None:
        self._metrics.answered(call)

    @hookimpl
    def on_chunk(self, call: Call, chunk: Chunk) -> None:
        track: Track = call.state[self]
        now = self._clock()
        if chunk.type == "content_block_delta":
            # not by max(), which takes three times as long
            if now - track.last > track.longest_gap:  # noqa: PLR1730
                track.longest_gap = now - track.last
            track.last = now
            try:
                track.recent.append(chunk.event["delta"][track.key])
            except (LookupError, TypeError):
                track.take(chunk.event)
            if len(track.recent) == MOST_RECENT:
                track.gather()
        else:
            track.event(chunk.type, chunk.event, now)
            self._running.changed(call)
        if track.is_metered:
            self._metrics.chunk(call, chunk)

    @hookimpl
    def on_error(self, call: Call) -> None:
        self._metrics.answered(call)

    @hookimpl
    def post_response(self, call: Call, outcome: Outcome) -> Offload | None:
        self._metrics.ended(call, outcome)
        track: Track | None = call.state.get(self)
        if track is not None:
            track.ended(outcome)
            self._running.leave(call)
            self._publisher.leave(call)
        if track is None:
            return None
        # what an earlier process received is not in the attempts
        tokens = 0 if call.earlier else total(outcome)
        work = partial(self._settle, call, tokens)
        if self._shown is not None or (tokens and call.store.blocks):
            return Offload(work)
        work()
        return None

    @hookimpl
    def register_commands(self, cli: "click.Group") -> None:
        from seawall_progress.commands import watch  # noqa: PLC0415 - only the command line needs it

        cli.add_command(watch)

    def _track(self, call: Call) -> Track:
        track: Track | None = call.state.get(self)
        if track is None:
            track = Track(call, self._clock, stalled_after=self._settings.stalled_after, said=said())
            call.state[self] = track
            self._running.follow(call, track, (*self._listeners, *followers()))
            self._publisher.follow(call)
        return track

    def _look_up(self, call: Call, track: Track) -> None:
        track.usual = self._usual.load(call)

    def _settle(self, call: Call, tokens: int) -> None:
        """Do what may take a moment when a call has ended, with so many tokens if they were counted."""
        if tokens:
            self._usual.learn(call, tokens)
        if self._shown is not None:
            # what the application writes next comes below
            self._shown.settle(_PATIENCE)
