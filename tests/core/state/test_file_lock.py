"""One holder at a time, and none when its holder is gone."""

import threading
import time
from pathlib import Path

import pytest

from seawall.state.file_lock import FileLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_a_lock_is_given_back_when_its_file_is_closed(path):
    first, second = FileLock(path, 0o600), FileLock(path, 0o600)
    assert first.acquire(0)
    assert not second.acquire(0)
    waiting = threading.Thread(target=second.acquire, args=(time.monotonic() + 60,))
    waiting.start()
    first.close()
    waiting.join()
    third = FileLock(path, 0o600)
    assert not third.acquire(0)
    second.close()
    third.close()


def test_a_lock_that_is_released_can_be_taken(path):
    first, second = FileLock(path, 0o600), FileLock(path, 0o600)
    for _ in range(2):
        assert first.acquire(0)
        first.release()
        assert second.acquire(0)
        second.release()
    first.close()
    second.close()


def test_waits_end_at_the_deadline(path):
    first, second = FileLock(path, 0o600), FileLock(path, 0o600)
    assert first.acquire(0)
    assert not second.acquire(time.monotonic() + 0.002)
    first.close()
    second.close()
