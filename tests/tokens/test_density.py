"""Tokens a character, as answers teach it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from seawall_tokens.density import Density


def test_a_model_nobody_has_seen_writes_at_most_a_token_in_two_and_a_half_characters():
    assert Density().of("claude-opus-5-5") == pytest.approx(1.25 / 3)


def test_answers_teach_it_and_each_model_for_itself():
    density = Density()
    for _ in range(50):
        density.learn("a", tokens=2_000, characters=2_000)
    assert density.of("a") == pytest.approx(1.25, rel=0.05)
    assert density.of("b") == pytest.approx(1.25 / 3)


def test_what_a_model_does_now_counts_more_than_what_it_did():
    density = Density()
    for tokens in (20_000, 60_000):
        for _ in range(20):
            density.learn("a", tokens=tokens, characters=100_000)
    assert density.of("a") == pytest.approx(1.25 * 0.6, rel=0.05)


@pytest.mark.parametrize(("tokens", "characters"), [(0, 5_000), (-5, 5_000), (5_000, 0), (5_000, -1)])
def test_what_is_no_answer_teaches_nothing(tokens, characters):
    density = Density()
    density.learn("a", tokens=tokens, characters=characters)
    assert density.of("a") == Density().of("a")


def test_an_absurd_count_teaches_little():
    density = Density()
    density.learn("a", tokens=2**53, characters=1)
    assert density.of("a") < 0.5


def test_the_model_longest_not_seen_is_forgotten():
    density = Density()
    for model in ("first", "second", *map(str, range(62)), "first", "last"):
        density.learn(model, tokens=9_000, characters=9_000)
    assert density.of("second") == Density().of("second")
    assert density.of("first") != Density().of("first")


def test_sixteen_threads_may_teach_it():
    density, start = Density(), threading.Barrier(16)

    def work(_):
        start.wait()
        for _ in range(100):
            density.learn("a", tokens=3, characters=10)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert density.of("a") == pytest.approx(1.25 * (16 * 100 * 3 + 2_000 / 3) / (16 * 100 * 10 + 2_000))
