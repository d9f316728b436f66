"""What is exchanged for a link in the middle of an operation leads nowhere."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from files.races import RACES, escapes
from files.traps import HELD

if TYPE_CHECKING:
    from pathlib import Path

    from seawall_files.descent import Descent

ROUNDS = 40


@pytest.mark.skipif(os.name != "posix", reason="links that anybody may make")
@pytest.mark.parametrize("descend", HELD)
@pytest.mark.parametrize("race", RACES)
def test_no_operation_gets_out(race: str, descend: Descent, tmp_path: Path) -> None:
    rounds = itertools.count()
    done, succeeded, got_out = escapes(race, descend, tmp_path, lambda: next(rounds) < ROUNDS)
    assert done > succeeded > 0
    assert got_out == 0
