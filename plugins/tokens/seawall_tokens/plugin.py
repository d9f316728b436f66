"""The plugin: answers estimates, learns from what the API counted, and keeps to budgets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seawall import Amend, Attempt, Call, Chunk, Offload, Outcome, Reject, Stop, hookimpl
from seawall_tokens.budgets import Budgets
from seawall_tokens.calibration import Calibration, Memory, Source
from seawall_tokens.callers import current_caller
from seawall_tokens.contents import Contents
from seawall_tokens.estimator import Estimate, Estimator
from seawall_tokens.families import family
from seawall_tokens.prices import Prices
from seawall_tokens.settings import TokensSettings
from seawall_tokens.vocabulary import CLAUDE_2, Vocabulary


@dataclass(slots=True)
class _Note:
    caller: str
    is_settled: bool = False
    """Its first attempt was learned from, or cannot be."""


class Tokens:
    """Answers `estimate_tokens` for Claude models, and `estimate_request` for other plugins.

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
        self._budgets = Budgets(
            settings.budgets,
            prices=Prices(settings.prices),
            estimate=self._estimate,
            on_store_error=settings.on_store_error or "closed",
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
    def pre_request(self, call: Call) -> Amend | Reject | Offload | None:
        note: _Note = call.state.setdefault(self, _Note(current_caller()))
        is_ready = self._estimator.is_ready and self._calibration.is_loaded and self._budgets.is_loaded
        if is_ready and not self._budgets:
            return None
        if not is_ready or call.store.blocks:
            return Offload(lambda: self._begin(call, note.caller))
        return self._begin(call, note.caller)

    @hookimpl
    def on_chunk(self, call: Call, chunk: Chunk) -> Stop | None:  # noqa: ARG002 - without it each call takes longer
        return self._budgets.check(call)

    @hookimpl
    def on_error(self, call: Call) -> Offload | None:
        return self._end(call, call.attempts[-1])

    @hookimpl
    def post_response(self, call: Call, outcome: Outcome) -> Offload | None:
        return self._end(call, outcome.attempts[0]) if outcome.attempts else None

    def _begin(self, call: Call, caller: str) -> Amend | Reject | None:
        self._estimator.load()
        self._calibration.load()
        if not self._budgets:
            return None
        self._budgets.load()
        return self._budgets.reserve(call, caller)

    def _end(self, call: Call, attempt: Attempt) -> Offload | None:
        has_learned = self._learn(call, attempt)

        def work() -> None:
            self._budgets.settle(call)
            if has_learned:
                self._calibration.save()

        if (has_learned and self._calibration.memory.blocks) or (self._budgets and call.store.blocks):
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
