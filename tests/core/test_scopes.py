from contextlib import suppress
from contextvars import ContextVar, copy_context
from math import inf

import seawall
from seawall.deadline import remaining_time
from seawall.scopes import scoped

LEVEL: ContextVar[int] = ContextVar("level", default=0)


def test_the_innermost_value_holds_and_each_block_takes_its_own_back() -> None:
    with scoped(LEVEL, 1):
        with suppress(LookupError), scoped(LEVEL, 2):
            assert LEVEL.get() == 2
            raise LookupError
        assert LEVEL.get() == 1
    assert LEVEL.get() == 0


def test_a_generator_may_be_driven_in_one_context_after_the_other() -> None:
    """As frameworks do that take each piece of a body in a thread."""

    def pieces():
        with scoped(LEVEL, 1), seawall.deadline(60):
            yield LEVEL.get()
            yield LEVEL.get()

    generator = pieces()
    heard = list(iter(lambda: copy_context().run(next, generator, None), None))
    assert heard == [1, 0]  # what a context does not know it does not have
    assert (LEVEL.get(), remaining_time()()) == (0, inf)
