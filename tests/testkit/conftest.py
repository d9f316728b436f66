"""Clients of a simulator that fail at once instead of retrying, and are closed after the test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from anthropic import Anthropic, DefaultHttpxClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seawall_testkit import Simulator

    Connect = Callable[..., Anthropic]


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as clients:

        def of(sim: Simulator, *, max_retries: int = 0, timeout: float = 5.0) -> Anthropic:
            client = Anthropic(
                base_url=sim.base_url,
                api_key="test",
                max_retries=max_retries,
                timeout=timeout,
                http_client=DefaultHttpxClient(verify=False),  # plain HTTP; certificates take long to load
            )
            return clients.enter_context(client)

        yield of
