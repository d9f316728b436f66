"""The attempts that a journal tells of."""

import pytest

from seawall_files.earlier import earlier_attempts
from seawall_files.records import Kind, Record, payload_of


def attempt(way, **more):
    return Record(Kind.ATTEMPT, payload_of({"number": 1, "way": way, **more}))


def frames(data):
    return Record(Kind.FRAMES, data)


def test_the_attempts_of_which_anything_came_are_told_in_order():
    found = earlier_attempts(
        [
            attempt("send"),
            attempt("restart", asked="m"),
            frames(b"a"),
            frames(b"b"),
            Record(Kind.FAILED, b'{"reason": "APIConnectionError"}'),
            attempt("user_turn"),
            frames(b"c"),
            Record(Kind.DONE, b"{}"),
        ]
    )
    assert [(one.way, one.asked, list(one.frames)) for one in found] == [
        ("restart", "m", [b"a", b"b"]),
        ("user_turn", "", [b"c"]),
    ]


@pytest.mark.parametrize("records", [[frames(b"a")], [attempt("sideways")], [Record(Kind.ATTEMPT, b"[]")]])
def test_what_is_whole_but_makes_no_sense_is_refused(records):
    with pytest.raises(ValueError, match=r"frames come before|no way that is known|JSON object"):
        earlier_attempts(records)
