"""Recorded exchanges with the real Messages API.

They are in `../shared/data` (see its README), or where `SEAWALL_RECORDINGS` says: a file, or a folder.
"""

import gzip
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_PLACE = Path(os.environ.get("SEAWALL_RECORDINGS") or Path(__file__).parents[2] / "shared" / "data")
_FILES = sorted(_PLACE.glob("exchanges*.jsonl.gz")) if _PLACE.is_dir() else [_PLACE]

needs_recordings = pytest.mark.skipif(
    not (_FILES and all(path.is_file() for path in _FILES)),
    reason=f"no recorded exchanges at {_PLACE}: set SEAWALL_RECORDINGS to the file or its folder",
)


@cache
def recordings() -> tuple[dict[str, Any], ...]:
    """All of them, one a row."""
    lines = (line for path in _FILES for line in gzip.decompress(path.read_bytes()).splitlines())
    return tuple(map(json.loads, lines))
