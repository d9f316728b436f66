"""Which models count tokens alike, by the names of API.md, section 8, and TOKENS.md, section 3."""

from __future__ import annotations

import pytest

from seawall_tokens.families import family

NEWEST = "claude-4.7"
FAMILIES = {
    "claude-instant-1.2": "claude-3",
    "claude-2.1": "claude-3",
    "claude-3-opus-20240229": "claude-3",
    "claude-3-haiku-20240307": "claude-3",
    "claude-3-5-sonnet-20241022": "claude-3.5",
    "claude-3-5-haiku-latest": "claude-3.5",
    "claude-3-7-sonnet-20250219": "claude-3.5",
    "claude-sonnet-4-20250514": "claude-4",
    "claude-sonnet-4-0": "claude-4",
    "claude-opus-4-1": "claude-4",
    "claude-opus-4-1-20250805": "claude-4",
    "claude-opus-4-5": "claude-4.5",
    "claude-opus-4-5-20251101": "claude-4.5",
    "claude-sonnet-4-5": "claude-4.5",
    "claude-haiku-4-5": "claude-4.5",
    "claude-opus-4-6": "claude-4.6",
    "claude-sonnet-4-6": "claude-4.6",
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
def test_a_model_counts_as_its_family(model: str, expected: str) -> None:
    assert family(model) == expected


@pytest.mark.parametrize(("model", "expected"), FAMILIES.items())
@pytest.mark.parametrize("form", ["anthropic.{}-v1:0", "us.anthropic.{}-v1:0", "{}@20251101", "{}-latest"])
def test_the_names_of_other_clouds_are_the_same_families(form: str, model: str, expected: str) -> None:
    assert family(form.format(model)) == expected


@pytest.mark.parametrize(
    "model", ["", "gpt-9", "claude", "claude-opus-9", "claude-something-6-1", "my-deployment"]
)
def test_a_model_not_known_is_taken_for_a_new_one(model: str) -> None:
    assert family(model) == NEWEST
