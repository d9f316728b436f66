"""The system prompt for tools, by model; API.md, section 7."""

import pytest

from seawall_tokens.tool_prompts import ToolPrompt, tool_prompt


@pytest.mark.parametrize(
    ("model", "auto", "forced"),
    [
        ("claude-opus-5-5", 290, 410),
        ("claude-mythos-5-2", 290, 410),
        ("claude-sonnet-5", 354, 474),
        ("claude-haiku-5-5", 354, 474),
        ("claude-opus-4-8", 290, 410),
        ("claude-opus-4-7", 675, 804),
        ("us.anthropic.claude-sonnet-4-6-v1:0", 497, 589),
        ("claude-haiku-4-5-20251001", 496, 588),
        ("claude-sonnet-4-20250514", 313, 315),
        ("claude-opus-4-1", 313, 315),
        ("claude-3-7-sonnet-latest", 346, 313),
        ("claude-3-5-sonnet-20240620", 294, 261),
        ("claude-3-5-haiku-latest", 264, 355),
        ("claude-3-opus-20240229", 530, 281),
        ("claude-3-sonnet-20240229", 159, 235),
        ("claude-3-haiku-20240307", 264, 340),
        ("no model", 346, 346),
    ],
)
def test_a_model_has_the_prompt_that_is_documented(model, auto, forced):
    assert tool_prompt(model, {}) == ToolPrompt(auto=auto, forced=forced)


def test_the_longest_override_that_fits_counts():
    short, long = ToolPrompt(auto=1, forced=2), ToolPrompt(auto=3, forced=4)
    overrides = {"claude-opus": short, "claude-opus-5": long}
    assert tool_prompt("claude-opus-5-5", overrides) == long
    assert tool_prompt("claude-opus-4-8", overrides) == short
    assert tool_prompt("claude-sonnet-5", overrides) == ToolPrompt(auto=354, forced=474)
