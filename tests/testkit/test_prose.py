"""The text of the simulator."""

import random

from seawall_testkit.prose import word


def test_no_word_begins_with_a_token_twice():
    # some dozens of these would
    rng = random.Random(1)
    assert [drawn for drawn in (word(rng) for _ in range(300_000)) if drawn[:4] == drawn[4:8]] == []
