"""What of a call's output nobody has: what was paid for in vain."""

from collections.abc import Mapping

from seawall.call import Attempt, Call, Outcome


def wasted_output(call: Call, outcome: Outcome) -> Mapping[int, int]:
    """Return the output tokens of each attempt, by its number, that the caller of an ended call has not.

    Those of calls that failed, of answers that were begun again, and of continuations that were a different
    answer; 0 for an attempt whose output is part of the message.
    """
    kept_from = _kept_from(call, outcome)
    return {
        attempt.number: attempt.usage.output_tokens if attempt.number < kept_from or _is_other(attempt) else 0
        for attempt in outcome.attempts
    }


def _kept_from(call: Call, outcome: Outcome) -> int:
    """Return the number of the first attempt whose output its caller has, in a message it can use."""
    if outcome.status == "failed" or (outcome.status == "abandoned" and not call.stream):
        return len(outcome.attempts) + 1
    return max((attempt.number for attempt in outcome.attempts if attempt.way == "restart"), default=1)


def _is_other(attempt: Attempt) -> bool:
    """Whether it brought another answer than the one it was to go on with."""
    if attempt.error is None:
        return False
    # the SDK, which this loads, is there when an attempt has failed
    from seawall.wire_errors import ContinuationMismatchError  # noqa: PLC0415

    return isinstance(attempt.error, ContinuationMismatchError)
