"""The stores that circuits are kept in, and calls in virtual time."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backoff.virtual import World
from stores import memory, own_redis_server, redis, redis_server, sqlite

__all__ = ["memory", "own_redis_server", "redis", "redis_server", "sqlite"]


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Make worlds whose calls are abandoned when the test is over."""
    worlds: list[World] = []

    def make(*args: Any, **kwargs: Any) -> World:
        worlds.append(World(*args, **kwargs))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()
