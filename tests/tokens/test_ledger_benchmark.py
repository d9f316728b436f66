"""What `benchmarks/ledger.py` takes for an attempt that nothing was told of."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from seawall_testkit import Received

LOST = {"is_estimated": True, "output_tokens": 0, "ended": "error"}


@pytest.fixture(scope="module")
def kind_of():
    folder = Path(__file__).parents[2] / "benchmarks"
    with pytest.MonkeyPatch.context() as patch:
        # what is run as a program finds what lies beside it
        patch.syspath_prepend(folder)
        return runpy.run_path(str(folder / "ledger.py"))["kind_of"]


@pytest.mark.parametrize(
    ("stream", "events", "ended", "kind"),
    [
        (True, 0, "fault:eof", "untold"),
        (False, 0, "fault:eof", "untold"),
        (True, 1, "fault:error_event", "untold"),
        (True, 9, "fault:reset", "untold"),
        (True, 9, "fault:eof", "cut"),
        (True, 9, "fault:error_event", "cut"),
        (True, 9, "complete", "left"),
    ],
)
def test_a_row_that_lost_what_a_stream_told_is_compared_with_it(kind_of, stream, events, ended, kind):
    sent = Received(
        "POST", "/v1/messages", {}, {}, stream=stream, events_sent=events, ended=ended, input_tokens=9
    )
    assert kind_of(sent, LOST) == kind
