"""Learning ratios: fast for a prompt, slowly for a caller, never from nonsense, from any thread."""

import math
import threading

import pytest

from seawall_tokens import InMemory, Learned
from seawall_tokens.calibration import Calibration, Source

ONE = Source("claude-4.7", "reports", "1234")
SAME_CALLER = Source("claude-4.7", "reports", "5678")


def taught(ratio, times, source=ONE, tokens=10_000):
    calibration = Calibration()
    for _ in range(times):
        calibration.learn(source, estimated=tokens, counted=tokens * ratio)
    return calibration


def test_nothing_learned_changes_nothing():
    assert Calibration().factor(ONE) == 1.0


def test_the_first_answer_of_a_prompt_corrects_it_nearly_whole():
    assert taught(1.2, 1).factor(ONE) == pytest.approx(1.2, rel=0.02)


def test_a_new_prompt_gets_what_its_caller_is_known_for_and_only_slowly():
    assert taught(1.2, 1).factor(SAME_CALLER) == pytest.approx(1.2 ** (1 / 6), rel=0.01)
    assert taught(1.2, 30).factor(SAME_CALLER) == pytest.approx(1.2 ** (30 / 35), rel=0.01)


@pytest.mark.parametrize(
    "other", [Source("claude-4", "reports", "1234"), Source("claude-4.7", "others", "1234")]
)
def test_other_families_and_callers_are_not_touched(other):
    assert taught(1.2, 30).factor(other) == 1.0


def test_a_change_is_followed_within_some_answers():
    calibration = taught(1.2, 100)
    for _ in range(24):
        calibration.learn(ONE, estimated=10_000, counted=9_000)
    assert calibration.factor(ONE) == pytest.approx(0.9, rel=0.02)


def test_one_answer_far_off_is_clipped():
    calibration = taught(1.0, 8)
    calibration.learn(ONE, estimated=1000, counted=3900)
    assert calibration.factor(ONE) < 2 ** (1 / 7)


def test_a_small_request_says_little():
    calibration = taught(1.0, 8)
    calibration.learn(ONE, estimated=10, counted=15)
    assert calibration.factor(ONE) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    "bad", [0, -1, -math.inf, math.inf, math.nan, None, "12", True, 10_000 * 5, 10_000 / 5]
)
def test_a_count_that_is_none_changes_nothing(bad):
    calibration = taught(1.2, 3)
    before = calibration.factor(ONE)
    assert not calibration.learn(ONE, estimated=10_000, counted=bad)
    assert not calibration.learn(ONE, estimated=bad, counted=10_000)
    assert calibration.factor(ONE) == before


def test_what_is_saved_is_known_to_the_next_one():
    memory = InMemory()
    first, second = Calibration(memory), Calibration(memory)
    first.learn(ONE, estimated=1000, counted=1200)
    first.save()
    second.load()
    assert second.factor(ONE) == first.factor(ONE) != 1.0


def test_only_what_is_new_is_saved_and_nothing_when_nothing_is():
    class Counting(InMemory):
        saved = ()

        def save(self, learned):
            self.saved = (*self.saved, set(learned))

    memory = Counting()
    calibration = Calibration(memory)
    calibration.save()
    calibration.learn(ONE, estimated=1000, counted=1200)
    calibration.save()
    calibration.save()
    assert memory.saved == ({*ONE.keys},)


def test_what_was_learned_here_goes_before_what_is_loaded():
    memory = InMemory()
    memory.save({ONE.keys[0]: Learned(8, math.log(2)), SAME_CALLER.keys[0]: Learned(8, math.log(2))})
    calibration = Calibration(memory)
    calibration.learn(ONE, estimated=10_000, counted=11_000)
    calibration.load()
    assert calibration.factor(ONE) == pytest.approx(1.1, rel=0.02)
    assert calibration.factor(SAME_CALLER) == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize(
    "bad", [Learned(math.nan, 0), Learned(1, math.nan), Learned(-1, 0), Learned(1e9, 0), Learned(1, 5)]
)
def test_a_memory_that_was_tampered_with_is_not_believed(bad):
    memory = InMemory()
    memory.save({ONE.keys[0]: bad})
    calibration = Calibration(memory)
    calibration.load()
    assert calibration.factor(ONE) == 1.0


def test_the_ratios_longest_not_learned_are_dropped():
    calibration = Calibration()
    for number in range(5000):
        calibration.learn(Source("f", str(number), "p"), estimated=1000, counted=1200)
    assert calibration.factor(Source("f", "0", "p")) == 1.0
    assert calibration.factor(Source("f", "4999", "p")) > 1.1


def test_sixteen_threads_that_learn_at_once_lose_no_answer():
    memory = InMemory()
    calibration, start = Calibration(memory), threading.Barrier(16)

    def learn(number):
        start.wait()
        for turn in range(200):
            calibration.learn(ONE, estimated=10_000, counted=12_000)
            calibration.learn(Source("f", str(number), str(turn % 4)), estimated=1000, counted=900)
            calibration.factor(ONE)
            calibration.save()

    threads = [threading.Thread(target=learn, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calibration.save()
    assert calibration.factor(ONE) == pytest.approx(1.2, rel=0.001)
    saved = memory.load()
    assert {key for number in range(16) for key in Source("f", str(number), "0").keys} <= set(saved)
    assert all(learned.is_sound for learned in saved.values())
