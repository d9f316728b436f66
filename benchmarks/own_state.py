"""A state of its own for a benchmark: what its calls cost is in nobody's ledger."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_state() -> Iterator[None]:
    """Have Seawall keep its files in a folder that is gone afterwards; processes started meanwhile too."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["SEAWALL_STATE_DIR"] = folder
        yield
