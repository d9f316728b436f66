import pytest

from calls import Witness


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def witness() -> Witness:
    return Witness()
