"""The stores, and what a Python of its own loads."""

import subprocess
import sys

import pytest

from stores import memory, own_redis_server, redis, redis_server, sqlite

__all__ = ["memory", "own_redis_server", "redis", "redis_server", "sqlite"]


@pytest.fixture
def modules_after():
    """Return the modules that are loaded after a script, in a Python of its own."""

    def run(script: str) -> set[str]:
        command = [sys.executable, "-c", f"{script}\nimport sys; print(*sys.modules)"]
        return set(subprocess.check_output(command, text=True).split())

    return run
