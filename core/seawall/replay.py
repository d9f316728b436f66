"""Takes in what an earlier process received of an answer, for a call that goes on from there. Sans-I/O."""

from collections.abc import Sequence

from seawall import wire_errors
from seawall.assembly import Assembly
from seawall.call import Attempt, Call
from seawall.course import Course
from seawall.decisions import EarlierAttempt
from seawall.frames import events_so_far, frame_of
from seawall.hooks import CallHooks, Hooks
from seawall.reception import Reception


def replayed(call: Call, course: Course, attempts: Sequence[EarlierAttempt]) -> Course:
    """Take in the parts of an answer; returns the course that the message has taken with them.

    Each part is received as it was received then, unseen by any hook, and the last one broke. As the caller
    has been shown nothing yet, anything of it can still be dropped. May block: the parts are read here.

    Args:
        call: Before its first attempt.
        course: One that has just begun; it is what is returned.
        attempts: The parts, in order.

    Raises:
        ValueError: There is no place for a replay any more, or no answer comes in such parts.
        Exception: Whatever reading the parts raised.
    """
    if call.attempt > 1 or call.earlier:
        raise ValueError("Replay is for the first attempt of a call, once")
    response = wire_errors.stand_in(call.host)
    for number, earlier in enumerate(attempts, 1):
        attempt = Attempt(number, earlier.way, asked=earlier.asked)
        call.earlier.append(attempt)
        course.repeat(earlier.way)
        reception = Reception(call, CallHooks(Hooks()), course.so_far, response, attempt=attempt)
        for data in earlier.frames:
            reception.take(data)
            if reception.is_over:
                break
        reception.end(None)
        reception.estimate_output()
        failure = attempt.error = reception.failure
        if failure is None:
            return course
        course.turn(failure, None)
    if course.way == "restart":
        course.so_far = Assembly()
    return course


def shown(so_far: Assembly) -> bytes:
    """Return the frames of a message that goes on; none of one that has not begun."""
    message = so_far.message()
    if message is None:
        return b""
    return b"".join(map(frame_of, events_so_far(message, is_open=so_far.open is not None)))
