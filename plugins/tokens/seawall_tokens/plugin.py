"""The plugin: estimates, refuses what cannot succeed, paces, keeps to budgets, and writes the ledger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seawall import Amend, Attempt, Call, Chunk, Offload, Outcome, Reject, Stop, Wait, hookimpl
from seawall.state import Store
from seawall_tokens import preflight
from seawall_tokens.budgets import Budgets
from seawall_tokens.calibration import Calibration, Memory, Source
from seawall_tokens.callers import Caller, current, current_caller
from seawall_tokens.contents import Contents
from seawall_tokens.estimator import Estimate, Estimator
from seawall_tokens.families import family
from seawall_tokens.governor import Governor
from seawall_tokens.kept import Kept
from seawall_tokens.ledger import Ledger, ledger_in
from seawall_tokens.panels import Panels
from seawall_tokens.prices import Prices
from seawall_tokens.settings import TokensSettings
from seawall_tokens.vocabulary import CLAUDE_2, Vocabulary

if TYPE_CHECKING:
    import click


@dataclass(slots=True)
class _Note:
    caller: Caller
    is_settled: bool = False
    """Its first attempt was learned from, or cannot be."""
    estimate: Estimate | None = None
    model: str = ""
    """Whose tokens were estimated."""


class Tokens:
    """Answers `estimate_tokens` for Claude models, and decides in `pre_request` when an attempt may be sent.

    Of each that was sent the ledger has a row.

    Args:
        settings: Options.
        memory: Where what is learned is kept; by default the store of the calls.
        vocabulary: Counts the tokens of texts.
        governor: What paces; by default it is made from the settings.
    """

    Settings = TokensSettings
    seawall_api = 1

    def __init__(
        self,
        settings: TokensSettings | None = None,
        *,
        memory: Memory | None = None,
        vocabulary: Vocabulary = CLAUDE_2,
        governor: Governor | None = None,
    ) -> None:
        self._settings = settings or TokensSettings()
        self._estimator = Estimator(self._settings.tool_prompts, vocabulary=vocabulary)
        self._calibration = Calibration(memory)
        self._is_kept = memory is not None
        """What is learned has its place."""
        self._governor = governor
        if governor is None and self._settings.pace:
            self._governor = Governor(self._settings)
        self._panels = Panels(self._settings)
        self._prices = Prices(self._settings.prices)
        self._budgets = Budgets(
            self._settings.budgets,
            prices=self._prices,
            estimate=self._estimate,
            on_store_error=self._settings.on_store_error or "closed",
        )
        if not self._budgets:
            # nothing to look for in the chunks: they need not pass here
            self.on_chunk = None  # type: ignore[assignment,method-assign] # a hook that is no method is none

    def estimate_request(self, params: Mapping[str, Any]) -> Estimate:
        """Return the input tokens of a request of the current caller, corrected by what was learned."""
        return self._estimate(params, current_caller())

    def _estimate(self, params: Mapping[str, Any], caller: str) -> Estimate:
        contents = Contents.of(params)
        factor = self._calibration.factor(_source(contents, caller))
        return self._estimator.estimate(params, contents, factor=factor)

    @hookimpl
    def estimate_tokens(self, text: str, model: str) -> int:
        return self._estimator.estimate_text(text, model)

    @hookimpl
    def describe_state(self, store: Store, state_dir: Path | None, now: float) -> Offload:
        return Offload(lambda: self._panels.tell(store, state_dir, now))

    @hookimpl
    def register_commands(self, cli: "click.Group") -> None:
        from seawall_tokens.commands import count, usage  # noqa: PLC0415 - only the command line needs them

        cli.add_command(usage)
        cli.add_command(count)

    @hookimpl
    def pre_request(self, call: Call) -> Amend | Reject | Wait | Offload | None:
        note: _Note = call.state.setdefault(self, _Note(current()))
        call.caller = note.caller.name
        if (ledger := ledger_in(call.state_dir)) is not None:
            name = note.caller.name
            ledger.begun(call, name, self._prices, lambda params: self._estimate(params, name).tokens)
        is_ready = self._estimator.is_ready and self._calibration.is_loaded and self._budgets.is_loaded
        if is_ready and not call.store.blocks:
            return self._begin(call, note)
        return Offload(lambda: self._begin(call, note))

    @hookimpl
    def on_chunk(self, call: Call, chunk: Chunk) -> Stop | None:  # noqa: ARG002 - without it each call takes longer
        return self._budgets.check(call)

    @hookimpl
    def on_error(self, call: Call) -> Offload | None:
        return self._end(call, call.attempts[-1], lambda ledger: ledger.failed(call))

    @hookimpl
    def post_response(self, call: Call, outcome: Outcome) -> Offload | None:
        if not outcome.attempts:
            return None
        return self._end(call, outcome.attempts[0], lambda ledger: ledger.ended(call, outcome))

    def _begin(self, call: Call, note: _Note) -> Amend | Reject | Wait | None:
        """Decide about the current attempt; may block."""
        self._load(call)
        if note.estimate is None or note.model != call.model:
            note.model = call.model
            note.estimate = self._estimate(call.params, note.caller.name)
        tokens = note.estimate.tokens
        amend = preflight.check(call, tokens, clamp=self._settings.clamp)
        if isinstance(amend, Reject):
            return amend
        if self._governor is not None:
            late = self._governor.admit(call, note.caller, input_tokens=tokens)
            if late is not None:
                return late
        booked = self._budgets.reserve(call, note.caller.name) if self._budgets else None
        if isinstance(booked, Amend) and amend is not None:
            return replace(booked, params=amend.params)
        return booked or amend

    def _load(self, call: Call) -> None:
        self._estimator.load()
        self._budgets.load()
        if not self._is_kept:
            self._calibration.memory, self._is_kept = Kept(call.store, call.host), True
        if not self._calibration.is_loaded:
            self._calibration.load()

    def _end(self, call: Call, attempt: Attempt, write: Callable[[Ledger], None]) -> Offload | None:
        """Write down and settle the current attempt, and learn from the first one."""
        ledger = ledger_in(call.state_dir)

        def work() -> None:
            if ledger is not None:
                write(ledger)
            self._settle(call, attempt)

        if ledger is not None or call.store.blocks or self._calibration.memory.blocks:
            return Offload(work)
        work()
        return None

    def _settle(self, call: Call, attempt: Attempt) -> None:
        if self._governor is not None:
            self._governor.settle(call)
        self._budgets.settle(call)
        if self._learn(call, attempt) and self._calibration.is_due:
            self._calibration.save()

    def _learn(self, call: Call, attempt: Attempt) -> bool:
        """Learn from the first attempt; the others send something else than the caller gave."""
        note: _Note | None = call.state.get(self)
        counted = _counted(attempt)
        if note is None or note.is_settled or attempt.number != 1 or counted is None:
            return False
        note.is_settled = True
        served = attempt.model
        if served and family(served) != family(call.model):
            return False
        contents = Contents.of(call.params)
        if contents.is_guess:
            return False
        estimated = self._estimator.estimate(call.params, contents).tokens
        source = _source(contents, note.caller.name)
        return self._calibration.learn(source, estimated=estimated, counted=counted)


def _counted(attempt: Attempt) -> int | None:
    """Return the input tokens of an attempt, cached ones included; `None` when the API did not say."""
    usage = attempt.usage
    parts = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
    if not all(isinstance(part, int) and part >= 0 for part in parts):
        return None
    return sum(parts) or None


def _source(contents: Contents, caller: str) -> Source:
    return Source(contents.family, caller, contents.prompt)
