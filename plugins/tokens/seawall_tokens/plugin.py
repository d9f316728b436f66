"""The plugin: answers estimates, learns from what the API counted, and keeps the ledger."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seawall import Attempt, Call, Offload, Outcome, hookimpl
from seawall_tokens.calibration import Calibration, Memory, Source
from seawall_tokens.callers import current_caller
from seawall_tokens.contents import Contents
from seawall_tokens.estimator import Estimate, Estimator
from seawall_tokens.families import family
from seawall_tokens.ledger import Ledger, ledger_in
from seawall_tokens.prices import Prices
from seawall_tokens.settings import TokensSettings
from seawall_tokens.vocabulary import CLAUDE_2, Vocabulary

if TYPE_CHECKING:
    import click


@dataclass(slots=True)
class _Note:
    caller: str
    is_settled: bool = False
    """Its first attempt was learned from, or cannot be."""


class Tokens:
    """Answers `estimate_tokens` for Claude models and `estimate_request` for other plugins; keeps the ledger.

    Args:
        settings: Options.
        memory: Where what is learned is kept; by default it lasts as long as the plugin.
        vocabulary: Counts the tokens of texts.
    """

    Settings = TokensSettings

    def __init__(
        self,
        settings: TokensSettings | None = None,
        *,
        memory: Memory | None = None,
        vocabulary: Vocabulary = CLAUDE_2,
    ) -> None:
        settings = settings or TokensSettings()
        self._estimator = Estimator(settings.tool_prompts, vocabulary=vocabulary)
        self._calibration = Calibration(memory)
        self._prices = Prices(settings.prices)

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
    def register_commands(self, cli: "click.Group") -> None:
        from seawall_tokens.commands import count, usage  # noqa: PLC0415 - only the command line needs them

        cli.add_command(usage)
        cli.add_command(count)

    @hookimpl
    def pre_request(self, call: Call) -> Offload | None:
        note: _Note = call.state.setdefault(self, _Note(current_caller()))
        if (ledger := ledger_in(call.state_dir)) is not None:
            ledger.begun(
                call, note.caller, self._prices, lambda params: self._estimate(params, note.caller).tokens
            )
        is_ready = self._estimator.is_ready and self._calibration.is_loaded
        return None if is_ready else Offload(self._load)

    @hookimpl
    def on_error(self, call: Call) -> Offload | None:
        return self._end(call, call.attempts[-1], lambda ledger: ledger.failed(call))

    @hookimpl
    def post_response(self, call: Call, outcome: Outcome) -> Offload | None:
        return self._end(call, next(iter(outcome.attempts), None), lambda ledger: ledger.ended(call, outcome))

    def _load(self) -> None:
        self._estimator.load()
        self._calibration.load()

    def _end(self, call: Call, attempt: Attempt | None, write: Callable[[Ledger], None]) -> Offload | None:
        has_learned = attempt is not None and self._learn(call, attempt)
        ledger = ledger_in(call.state_dir)

        def work() -> None:
            if ledger is not None:
                write(ledger)
            if has_learned:
                self._calibration.save()

        if ledger is not None or (has_learned and self._calibration.memory.blocks):
            return Offload(work)
        work()
        return None

    def _learn(self, call: Call, attempt: Attempt) -> bool:
        """Learn from the first attempt, and return whether it did.

        The others send something else than the caller gave.
        """
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
        source = _source(contents, note.caller)
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
