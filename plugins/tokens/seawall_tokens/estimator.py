"""How many tokens a text or a request is, as far as that can be said without asking the API.

A count of the text by the Claude 2 vocabulary times a multiplier of the model's family, and a constant for
each part of the request's structure. Where tiktoken is missing, characters are counted by their kinds.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from seawall_tokens import constants
from seawall_tokens.characters import by_characters
from seawall_tokens.constants import Constants, Structure
from seawall_tokens.contents import Contents
from seawall_tokens.families import family
from seawall_tokens.sampling import sample
from seawall_tokens.tool_prompts import ToolPrompt, tool_prompt
from seawall_tokens.vocabulary import CLAUDE_2, Count, Vocabulary

_SLACK: Final = 8
"""Tokens of the upper bound that do not grow with the request."""
_FORMAT: Final = 100
"""Tokens that asking for structured output costs beside its schema; both are from 41 recorded requests."""
_FORMAT_SCHEMA: Final = 2.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Input tokens of a request, those read from the cache or written to it included."""

    tokens: int
    upper_bound: int
    """What more than 99 of 100 requests stay below. Not counted: what tools of the API's own bring in."""
    is_guess: bool = False
    """A part of it is nowhere in the request or of an unknown kind, such as an image behind a URL."""


class Estimator:
    """Estimates tokens; the vocabulary is loaded on first use. Threads may share it.

    Any request takes milliseconds: of a long text, a sample is counted.
    """

    def __init__(
        self, tool_prompts: Mapping[str, ToolPrompt] | None = None, *, vocabulary: Vocabulary = CLAUDE_2
    ) -> None:
        self._tool_prompts = tool_prompts or {}
        self._vocabulary = vocabulary

    @property
    def is_ready(self) -> bool:
        """Whether an estimate need not wait for the vocabulary."""
        return self._vocabulary.is_settled

    def load(self) -> None:
        """Load the vocabulary now; may block for some tenths of a second."""
        self._vocabulary.count()

    def estimate_text(self, text: str, model: str) -> int:
        """Return the tokens of a text by itself, such as a part of an answer."""
        count, fitted = self._count()
        return round(fitted.text[family(model)] * _counted(text, count))

    def estimate_answer(self, text: str, model: str) -> int:
        """Return the output tokens of an answer that is this text and has come to its end."""
        count, fitted = self._count()
        return round(fitted.text[family(model)] * _counted(text, count) + fitted.end_turn)

    def estimate_request(self, params: Mapping[str, Any]) -> Estimate:
        """Return the input tokens of a request body, whatever is in it."""
        return self.estimate(params, Contents.of(params))

    def estimate(self, params: Mapping[str, Any], contents: Contents, *, factor: float = 1.0) -> Estimate:
        """Return those of a request whose contents are known; `factor` corrects by what was learned."""
        count, fitted = self._count()
        tokens = (
            fitted.text[contents.family]
            * (_counted(contents.text, count) + _listed(contents.descriptions, count))
            + self._structure(params, contents, fitted)
            + self._tools(params, contents, fitted, count)
        )
        if contents.format:
            tokens += _FORMAT + _FORMAT_SCHEMA * _counted(contents.format, count)
        whole = max(1, round(factor * (tokens + contents.tokens)))
        most = math.ceil(fitted.bound * factor * (tokens + contents.most_tokens)) + _SLACK
        return Estimate(whole, max(most, whole), contents.is_guess)

    def _count(self) -> tuple[Count, Constants]:
        count = self._vocabulary.count()
        return (count, constants.CLAUDE_2) if count else (by_characters, constants.CHARACTERS)

    @staticmethod
    def _structure(params: Mapping[str, Any], contents: Contents, fitted: Constants) -> float:
        structure = _structure_of(contents, fitted)
        tokens = structure.base + structure.message * max(contents.messages - 1, 0)
        tokens += structure.system * contents.has_system + structure.tool_use * contents.tool_blocks
        thinking = params.get("thinking")
        if isinstance(thinking, Mapping) and thinking.get("type") in ("enabled", "adaptive"):
            tokens += fitted.thinking_4_6 if contents.family == "claude-4.6" else structure.thinking
        return tokens

    def _tools(self, params: Mapping[str, Any], contents: Contents, fitted: Constants, count: Count) -> float:
        if not params.get("tools"):
            return 0.0
        choice = params.get("tool_choice")
        choice = choice if isinstance(choice, Mapping) else {}
        prompt = tool_prompt(str(params.get("model", "")), self._tool_prompts)
        tokens: float = prompt.forced if choice.get("type") in ("any", "tool") else prompt.auto
        if contents.schemas:
            structure = _structure_of(contents, fitted)
            tokens += fitted.tools[contents.family] + structure.tool * len(contents.descriptions)
            tokens += structure.schema * _listed(contents.schemas, count)
        return tokens + fitted.not_parallel * bool(choice.get("disable_parallel_tool_use"))


def tokens_of_length(characters: int, model: str) -> int:
    """Return the tokens of a text of which only the length is known."""
    return round(constants.CHARACTERS.text[family(model)] * characters / 4)


def _structure_of(contents: Contents, fitted: Constants) -> Structure:
    return fitted.new if contents.family == "claude-4.7" else fitted.old


def _listed(texts: list[str], count: Count) -> float:
    return _counted("\n".join(texts), count)


def _counted(text: str, count: Count) -> float:
    part, factor = sample(text)
    return count(part) * factor
