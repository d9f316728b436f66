"""The plugin: answers estimates, and learns from what the API counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seawall import Attempt, Call, Offload, Outcome, hookimpl
from seawall_tokens.calibration import Calibration, Memory, Source
from seawall_tokens.callers import current_caller
from seawall_tokens.contents import Contents
from seawall_tokens.estimator import Estimate, Estimator
from seawall_tokens.families import family
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
        prompts = (settings or TokensSettings()).tool_prompts
        self._estimator = Estimator(prompts, vocabulary=vocabulary)
        self._calibration = Calibration(memory)

    def estimate_request(self, params: Mapping[str, Any]) -> Estimate:
        """Return the input tokens of a request of the current caller, corrected by what was learned."""
        contents = Contents.of(params)
        factor = self._calibration.factor(_source(contents, current_caller()))
        return self._estimator.estimate(params, contents, factor=factor)

    @hookimpl
    def estimate_tokens(self, text: str, model: str) -> int:
        return self._estimator.estimate_text(text, model)

    @hookimpl
    def pre_request(self, call: Call) -> Offload | None:
        call.state.setdefault(self, _Note(current_caller()))
        is_ready = self._estimator.is_ready and self._calibration.is_loaded
        return None if is_ready else Offload(self._load)

    @hookimpl
    def on_error(self, call: Call) -> Offload | None:
        return self._learn(call, call.attempts[-1])

    @hookimpl
    def post_response(self, call: Call, outcome: Outcome) -> Offload | None:
        return self._learn(call, outcome.attempts[0]) if outcome.attempts else None

    def _load(self) -> None:
        self._estimator.load()
        self._calibration.load()

    def _learn(self, call: Call, attempt: Attempt) -> Offload | None:
        """Learn from the first attempt: the others send something else than the caller gave."""
        note: _Note | None = call.state.get(self)
        counted = _counted(attempt)
        if note is None or note.is_settled or attempt.number != 1 or counted is None:
            return None
        note.is_settled = True
        served = attempt.model
        if served and family(served) != family(call.model):
            return None
        contents = Contents.of(call.params)
        if contents.is_guess:
            return None
        estimated = self._estimator.estimate(call.params, contents).tokens
        source = _source(contents, note.caller)
        if not self._calibration.learn(source, estimated=estimated, counted=counted):
            return None
        if self._calibration.memory.blocks:
            return Offload(self._calibration.save)
        self._calibration.save()
        return None


def _counted(attempt: Attempt) -> int | None:
    """Return the input tokens of an attempt, cached ones included; `None` when the API did not say."""
    usage = attempt.usage
    parts = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
    if not all(isinstance(part, int) and part >= 0 for part in parts):
        return None
    return sum(parts) or None


def _source(contents: Contents, caller: str) -> Source:
    return Source(contents.family, caller, contents.prompt)
