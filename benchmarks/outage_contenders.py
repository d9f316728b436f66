"""What others do with failures, by their rules; tenacity draws its waits itself."""

import math
from collections.abc import Callable

import tenacity
from outage_world import HOSTS, SERVICE, OnHost, Process, World


def sdk(world: World) -> OnHost:
    """The SDK's own retries."""

    def perform() -> Process:
        for retry in range(3):
            if world.ask():
                yield SERVICE
                return True
            if retry < 2:
                yield 0.5 * 2**retry * (1 - 0.25 * world.rng.random())
        return False

    return lambda _: perform


class Budget:
    """The retry budget of the AWS SDKs."""

    def __init__(self) -> None:
        self.level = 500

    def takes(self) -> bool:
        """Whether a retry may be made."""
        if self.level < 5:
            return False
        self.level -= 5
        return True

    def succeed(self) -> None:
        """A success puts one back."""
        self.level = min(500, self.level + 1)


class FailFast:
    """A breaker that fails calls while it is open."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.failures = 0
        self.until = -math.inf

    def lets(self) -> bool:
        """Whether an attempt may be sent; when the time is over, one."""
        if self.failures < 5:
            return True
        if self.clock() < self.until:
            return False
        self.until = self.clock() + 15
        return True

    def note(self, *, is_done: bool) -> None:
        """An attempt ended."""
        self.failures = 0 if is_done else self.failures + 1
        if self.failures == 5:
            self.until = self.clock() + 15


def tenacious(world: World, *, has_budget: bool = False, has_breaker: bool = False) -> OnHost:
    """Full jitter, ten attempts."""
    wait = tenacity.wait_random_exponential(multiplier=0.5, max=60)
    budgets = [Budget() for _ in range(HOSTS)]
    breakers = [FailFast(world.clock) for _ in range(HOSTS)]

    def on(host: int) -> Callable[[], Process]:
        budget, breaker = budgets[host], breakers[host]

        def perform() -> Process:
            state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
            for attempt in range(1, 11):
                if has_breaker and not breaker.lets():
                    return False
                is_done = world.ask()
                breaker.note(is_done=is_done)
                if is_done:
                    budget.succeed()
                    yield SERVICE
                    return True
                if attempt == 10 or (has_budget and not budget.takes()):
                    return False
                state.attempt_number = attempt
                yield wait(state)
            return False

        return perform

    return on
