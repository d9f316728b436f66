"""How much output is expected."""

import threading

from seawall_tokens.outputs import Outputs


def test_while_little_is_known_half_of_what_is_asked_for_is_expected():
    outputs = Outputs()
    for _ in range(7):
        outputs.learn("m", "c", output=10, max_tokens=1000)
    assert outputs.expected("m", "c", 8000) == 4000


def test_then_what_eight_of_ten_stay_below():
    outputs = Outputs()
    for output in range(0, 1000, 100):
        outputs.learn("m", "c", output=output, max_tokens=1000)
    assert outputs.expected("m", "c", 2000) == 1400
    assert outputs.expected("m", "other", 2000) == 1000


def test_the_last_two_hundred_answers_count():
    outputs = Outputs()
    for output in [900] * 200 + [100] * 200:
        outputs.learn("m", "c", output=output, max_tokens=1000)
    assert outputs.expected("m", "c", 1000) == 100


def test_what_is_no_count_is_not_learned_and_no_share_is_more_than_all():
    outputs = Outputs()
    for output, most in [(-1, 100), (5, 0), (5, -3)] * 10:
        outputs.learn("m", "c", output=output, max_tokens=most)
    assert outputs.expected("m", "c", 100) == 50
    for _ in range(8):
        outputs.learn("m", "c", output=5000, max_tokens=1000)
    assert outputs.expected("m", "c", 100) == 100


def test_threads_may_share_it():
    outputs, start = Outputs(), threading.Barrier(16)

    def work():
        start.wait()
        for _ in range(50):
            outputs.learn("m", "c", output=200, max_tokens=1000)
            outputs.expected("m", "c", 1000)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs.expected("m", "c", 1000) == 200
