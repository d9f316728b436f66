"""How many tokens a text is taken for."""

from __future__ import annotations

import pytest

from seawall.hooks import CallHooks
from seawall.registry import load
from seawall_tokens import Tokens


@pytest.mark.parametrize(
    ("characters", "model", "expected"),
    [
        (0, "claude-opus-5-5", 0),
        (1, "claude-opus-5-5", 0),
        (4, "claude-opus-5-5", 1),
        (4000, "claude-opus-5-5", 1274),
        (4000, "claude-opus-4-5", 952),
        (4000, "no model", 1274),
    ],
)
def test_an_estimate_is_a_quarter_of_the_characters_times_the_family(
    characters: int, model: str, expected: int
) -> None:
    assert Tokens().estimate_tokens("x" * characters, model) == expected


def test_the_core_asks_the_plugin() -> None:
    assert CallHooks(load(None, [Tokens()])).estimate("x" * 4000, "claude-opus-5-5") == 1274
