"""Long texts are counted by a sample: close to the whole, always the same, cut where words end."""

import json
import random

import pytest

from seawall_tokens.sampling import WHOLE, sample
from seawall_tokens.vocabulary import CLAUDE_2

WORDS = ["the", "of", "stream", "tokens", "continuation", "a", "is", "estimator", "HTTP"]
WORDS += ["2026", "retry_after={}", "naïve", "(see)", "fn()", "=="]


def prose(rng):
    return " ".join(rng.choices(WORDS, k=120_000))


def code(rng):
    lines = (f"{'    ' * rng.randrange(4)}{rng.choice(WORDS)} = {rng.random()}\n" for _ in range(20_000))
    return "".join(lines)


def table(rng):
    return json.dumps([{"id": at, "name": rng.choice(WORDS), "x": at / 7} for at in range(15_000)])


def halves(rng):
    return prose(rng) + code(rng)


def no_space(rng):
    return "".join(rng.choices("ABCDEFabcdef0123456789+/", k=400_000))


def ideographs(rng):
    return "".join(chr(rng.randrange(0x4E00, 0x9FFF)) for _ in range(200_000))


@pytest.mark.parametrize("kind", [prose, code, table, halves, no_space, ideographs])
def test_a_sample_counts_within_three_percent_of_the_whole(kind):
    text, count = kind(random.Random(7)), CLAUDE_2.count()
    part, factor = sample(text)
    whole = sum(count(text[at : at + 10_000]) for at in range(0, len(text), 10_000))
    assert len(part) < len(text) / 4
    assert count(part) * factor == pytest.approx(whole, rel=0.03)


def test_a_sample_is_no_longer_for_a_longer_text():
    assert len(sample("word " * 1_000_000)[0]) < 1.5 * WHOLE


def test_the_same_text_gives_the_same_sample():
    text = prose(random.Random(3))
    assert sample(text) == sample(str(text))


def test_a_sample_has_no_word_that_the_text_has_not():
    text = " ".join(f"w{at:06}" for at in range(50_000))
    assert set(sample(text)[0].split()) <= set(text.split())


def test_a_short_text_is_its_own_sample():
    text = "x" * WHOLE
    assert sample(text) == (text, 1.0)
    assert sample(text + "x")[1] > 1
