"""What a journal says of itself is read as it was written, by this version and the next."""

from __future__ import annotations

from typing import Any

import pytest

from seawall_files.header import Header

HEADER = Header("abc", "report.md", "claude-opus-5-5", 1_700_000_000.5, "0.1.0", {"model": "m"}, {"a": 1})


def test_a_header_comes_back_from_its_object() -> None:
    assert Header.of(HEADER.object()) == HEADER


def test_keys_that_a_later_version_adds_are_left_out() -> None:
    assert Header.of({**HEADER.object(), "color": "red"}) == HEADER


def test_keys_that_an_earlier_version_did_not_write_have_their_defaults() -> None:
    assert Header.of({"fingerprint": "abc", "target": "f"}) == Header("abc", "f")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"created": "now"}, "its created is a str"),
        ({"created": True}, "its created is a bool"),
        ({"target": 1}, "its target is a int"),
        ({"request": []}, "its request is a list"),
        ({"fingerprint": ""}, "it names no request or no target"),
        ({"target": ""}, "it names no request or no target"),
        ({"target": "report\0.md"}, "its target is no path"),
    ],
)
def test_a_header_that_cannot_be_meant_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Header.of({**HEADER.object(), **change})
