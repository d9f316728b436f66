"""What of a call's output was paid for in vain."""

import httpx2
import pytest

import seawall
from seawall import Attempt, Call, Outcome, Usage

RESPONSE = httpx2.Response(200, request=httpx2.Request("POST", "http://127.0.0.1"))


def attempt(number=1, way="send", output=10, error=None):
    return Attempt(number, way, status=200, usage=Usage(100, output), error=error)


def wasted(*attempts, status="completed", stream=True):
    call = Call(id="c", params={}, stream=stream, attempts=list(attempts))
    return list(seawall.wasted_output(call, Outcome(status, attempts)).values())


BROKEN = attempt(1, error=ValueError(), output=7)


def test_output_of_attempts_begun_again_is_wasted():
    assert wasted(BROKEN, attempt(2, "restart")) == [7, 0]
    assert wasted(BROKEN, attempt(2, "user_turn")) == [0, 0]
    broken_again = attempt(2, "prefill", error=ValueError())
    assert wasted(BROKEN, broken_again, attempt(3, "restart")) == [7, 10, 0]


@pytest.mark.parametrize(
    ("status", "stream", "expected"),
    [
        ("failed", True, [7, 10]),
        ("stopped", True, [0, 0]),
        ("abandoned", True, [0, 0]),
        ("abandoned", False, [7, 10]),
    ],
)
def test_all_output_of_a_call_without_a_message_is_wasted(status, stream, expected):
    assert wasted(BROKEN, attempt(2, "user_turn"), status=status, stream=stream) == expected


def test_a_different_answer_is_wasted():
    other = attempt(2, "user_turn", error=seawall.ContinuationMismatchError(RESPONSE))
    assert wasted(BROKEN, other, attempt(3, "user_turn")) == [0, 10, 0]


def test_attempts_are_named_by_their_numbers():
    call = Call(id="c", params={}, stream=True, attempts=[BROKEN, attempt(2, "restart")])
    assert seawall.wasted_output(call, Outcome("completed", tuple(call.attempts))) == {1: 7, 2: 0}
