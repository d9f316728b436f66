"""What the name of a model tells."""

import pytest

from seawall.models import model_class, version


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-opus-5-5", (5, 5)),
        ("claude-opus-4-20250514", (4, 0)),
        ("claude-haiku-4-5-20251001", (4, 5)),
        ("claude-3-5-sonnet-20241022", (3, 5)),
        ("us.anthropic.claude-sonnet-4-6-v1:0", (4, 6)),
        ("claude-opus-5", (5, 0)),
        ("claude-mythos-preview", None),
        ("gpt-4", None),
    ],
)
def test_a_version_is_read_out_of_a_name_and_a_date_is_none(model, expected):
    assert version(model) == expected


@pytest.mark.parametrize(
    "models",
    [
        ("claude-opus-4-5", "claude-opus-4-8", "us.anthropic.claude-opus-4-6-v1:0"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-6"),
        ("claude-fable-5", "claude-fable-5-2"),
        ("claude-mythos-5", "claude-mythos-5-1"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
    ],
)
def test_models_of_one_limit_are_one_class(models):
    assert len({model_class(model) for model in models}) == 1


def test_models_of_different_limits_are_different_classes():
    models = [
        "opus-5-5",
        "opus-5",
        "opus-4-8",
        "sonnet-5-5",
        "sonnet-5",
        "sonnet-4-6",
        "haiku-5-5",
        "haiku-4-5",
    ]
    assert len({model_class(f"claude-{model}") for model in models}) == len(models)


def test_a_name_that_tells_nothing_is_a_class_of_its_own():
    assert model_class("claude-mythos-preview") == "claude-mythos-preview"
    assert model_class("") == ""
