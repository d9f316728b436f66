"""Fixtures for pytest: a simulator, and protected clients of it.

Every test run of an environment with seawall-testkit imports this module, so it imports nothing but pytest;
the rest comes with the first test that asks for a fixture.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anthropic import Anthropic, AsyncAnthropic

    from seawall_testkit import Simulator


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "simulator(**options): of the `Simulator` of this fixture")


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """A running `seawall_testkit.Simulator`, with the options of `@pytest.mark.simulator(...)`."""
    from seawall_testkit import Simulator  # noqa: PLC0415 - not for test runs that do not ask for it

    marker = request.node.get_closest_marker("simulator")
    given = marker or pytest.mark.simulator.mark
    # it takes no arguments without a name, and says so
    with Simulator(*given.args, **given.kwargs) as running:
        yield running


@pytest.fixture
def protected(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Anthropic]]:
    """Makes protected clients of the simulator, closed after the test.

    `protected(Guard(), "backoff", backoff={"base": 0.01})` is a client with these plugins and these settings;
    without a plugin, with those that are configured. State is in memory, and each test has its own.
    """
    from anthropic import Anthropic, DefaultHttpxClient  # noqa: PLC0415 - as above

    settings = _settings(tmp_path_factory)
    with ExitStack() as clients:

        def protect(*plugins: object, **tables: Any) -> Anthropic:
            # plain HTTP needs no certificates, which take long to load
            bare = Anthropic(**_connection(simulator), http_client=DefaultHttpxClient(verify=False))
            client: Anthropic = _protected(clients.enter_context(bare), plugins, {**settings, **tables})
            return client

        yield protect


@pytest.fixture
def aprotected(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AsyncAnthropic]:
    """Makes async clients as `protected` makes sync ones; `async with` closes them."""
    from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient  # noqa: PLC0415 - as above

    settings = _settings(tmp_path_factory)

    def protect(*plugins: object, **tables: Any) -> AsyncAnthropic:
        bare = AsyncAnthropic(**_connection(simulator), http_client=DefaultAsyncHttpxClient(verify=False))
        client: AsyncAnthropic = _protected(bare, plugins, {**settings, **tables})
        return client

    return protect


def _settings(folders: pytest.TempPathFactory) -> dict[str, Any]:
    return {"state": "memory", "state_dir": str(folders.mktemp("seawall-state"))}


def _connection(simulator: Simulator) -> dict[str, Any]:
    return {"base_url": simulator.base_url, "api_key": "test"}


def _protected(bare: Any, plugins: tuple[object, ...], settings: dict[str, Any]) -> Any:
    import seawall  # noqa: PLC0415 - as above

    return seawall.protect(bare, plugins=list(plugins) or None, settings=settings)
