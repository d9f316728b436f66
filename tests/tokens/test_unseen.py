"""What answers had beyond what could be seen, as they teach it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from seawall_tokens.unseen import DENSITY, Unseen


def test_of_a_model_that_has_not_answered_nothing_is_known():
    assert Unseen().of("a") == 0


def test_what_an_answer_had_beyond_its_characters_is_expected_of_the_next_one_of_that_model():
    unseen = Unseen()
    unseen.learn("a", tokens=5_360, characters=1_000)
    assert unseen.of("a") == pytest.approx(5_000)
    assert unseen.of("b") == 0


def test_an_answer_that_could_be_seen_whole_teaches_that():
    unseen = Unseen()
    unseen.learn("a", tokens=250, characters=1_000)
    assert unseen.of("a") == 0


def test_the_most_counts_and_fades():
    unseen = Unseen()
    for tokens in (1_000, 5_000, 3_000):
        unseen.learn("a", tokens=tokens, characters=0)
    assert unseen.of("a") == pytest.approx(4_750)
    for _ in range(100):
        unseen.learn("a", tokens=200, characters=0)
    assert unseen.of("a") == pytest.approx(200)


def test_the_model_longest_not_seen_is_forgotten():
    unseen = Unseen()
    for model in ("first", "second", *map(str, range(62)), "first", "last"):
        unseen.learn(model, tokens=9_000, characters=0)
    assert unseen.of("second") == 0
    assert unseen.of("first") > 0


def test_sixteen_threads_may_teach_it():
    unseen, start = Unseen(), threading.Barrier(16)

    def work(number):
        start.wait()
        for tokens in range(100):
            unseen.learn(str(number % 4), tokens=tokens, characters=round(tokens / DENSITY))
        unseen.learn(str(number % 4), tokens=10_000, characters=0)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert all(unseen.of(str(number)) > 10_000 * 0.95**400 for number in range(4))
