"""Which models count tokens alike, by the names of API.md, section 8, and TOKENS.md, section 3."""

from __future__ import annotations

import pytest

from seawall_tokens.families import multiplier

NEWEST = 1.2743
FAMILIES = {
    "claude-instant-1.2": 0.8919,
    "claude-2.1": 0.8919,
    "claude-3-opus-20240229": 0.8919,
    "claude-3-haiku-20240307": 0.8919,
    "claude-3-5-sonnet-20241022": 0.8752,
    "claude-3-5-haiku-latest": 0.8752,
    "claude-3-7-sonnet-20250219": 0.8752,
    "claude-sonnet-4-20250514": 0.9137,
    "claude-sonnet-4-0": 0.9137,
    "claude-opus-4-1": 0.9137,
    "claude-opus-4-1-20250805": 0.9137,
    "claude-opus-4-5": 0.9525,
    "claude-opus-4-5-20251101": 0.9525,
    "claude-sonnet-4-5": 0.9525,
    "claude-haiku-4-5": 0.9525,
    "claude-opus-4-6": 1.0156,
    "claude-sonnet-4-6": 1.0156,
    "claude-opus-4-7": NEWEST,
    "claude-opus-4-8": NEWEST,
    "claude-opus-5": NEWEST,
    "claude-opus-5-5": NEWEST,
    "claude-sonnet-5": NEWEST,
    "claude-sonnet-5-5": NEWEST,
    "claude-haiku-5-5": NEWEST,
    "claude-fable-5": NEWEST,
    "claude-fable-5-1": NEWEST,
    "claude-fable-5-2": NEWEST,
    "claude-mythos-5": NEWEST,
    "claude-mythos-5-1": NEWEST,
    "claude-mythos-5-2": NEWEST,
    "claude-mythos-preview": NEWEST,
}


@pytest.mark.parametrize(("model", "expected"), FAMILIES.items())
def test_a_model_counts_as_its_family(model: str, expected: float) -> None:
    assert multiplier(model) == expected


@pytest.mark.parametrize(("model", "expected"), FAMILIES.items())
@pytest.mark.parametrize("form", ["anthropic.{}-v1:0", "us.anthropic.{}-v1:0", "{}@20251101", "{}-latest"])
def test_the_names_of_other_clouds_are_the_same_families(form: str, model: str, expected: float) -> None:
    assert multiplier(form.format(model)) == expected


@pytest.mark.parametrize(
    "model", ["", "gpt-9", "claude", "claude-opus-9", "claude-something-6-1", "my-deployment"]
)
def test_a_model_not_known_is_taken_for_a_new_one(model: str) -> None:
    assert multiplier(model) == NEWEST
