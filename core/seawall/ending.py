"""How a call ends: what its error carries, and what the plugins hear. Sans-I/O."""

import logging
from collections.abc import Generator
from typing import Any, Final, Literal, NoReturn

from seawall import wire_errors
from seawall.assembly import Assembly
from seawall.call import Call, Outcome
from seawall.errors import SeawallError
from seawall.hooks import CallHooks
from seawall.steps import CLOSE, Abandoned, Step

# to those who read the log this is the engine too
_log = logging.getLogger("seawall.engine")

INTERRUPTS: Final = (KeyboardInterrupt, SystemExit)
"""What the handler of a signal raises, wherever the main thread is."""


class Ending:
    """The end of one call; failed, unless something else is said of it."""

    def __init__(self, call: Call, hooks: CallHooks) -> None:
        self._call = call
        self._hooks = hooks
        self.status: Literal["completed", "failed", "stopped", "abandoned"] = "failed"
        self._error: Exception | None = None

    def fail(self, error: Exception, why: str, so_far: Assembly) -> NoReturn:
        """End the call with `error`."""
        self._error = error
        self._hang_on(error, f"given up: {why}", so_far)
        raise error

    def leave(self, cause: BaseException, so_far: Assembly) -> None:
        """Note that the caller gave the call up; `cause` is what it will see."""
        self.status = "abandoned"
        if so_far.started:
            self._hang_on(cause, "abandoned", so_far)

    def run(self, so_far: Assembly) -> Generator[Step, Any, None]:
        """Close the connection and tell every plugin, whoever leaves meanwhile.

        Raises:
            SeawallError: A plugin failed, though the call was completed.
            KeyboardInterrupt, SystemExit: A signal came meanwhile.
        """
        try:
            yield CLOSE
        except Abandoned as abandoned:
            if self._error is None:
                self.leave(abandoned.cause, so_far)
        call = self._call
        outcome = Outcome(self.status, tuple(call.attempts), so_far.message(), self._error)
        failure: SeawallError | None = None
        interrupt: BaseException | None = None
        for hook in reversed(self._hooks.implementations("post_response")):
            try:
                yield from self._hooks.answer(hook, "post_response", call, outcome)
            except Abandoned:
                continue
            except SeawallError as error:
                failure = failure or error
            except INTERRUPTS as struck:
                interrupt = interrupt or struck
        # not before: a signal may strike in the log, too
        _log.info(
            "call %s: %s after %s, %d output tokens",
            *(call.id, outcome.status, _attempts(call), outcome.usage.output_tokens),
        )
        if interrupt is not None:
            self._hang_on(interrupt, "interrupted as it ended", so_far)
            raise interrupt
        if failure is not None and outcome.status == "completed":
            self._hang_on(failure, "a plugin failed after the answer had come whole", so_far)
            raise failure

    def _hang_on(self, error: BaseException, why: str, so_far: Assembly) -> None:
        """Hang on `error` what was paid for, and why the call ended."""
        partial = so_far.message() if so_far.started else None
        if partial is not None:
            usage = sum((attempt.usage for attempt in self._call.earlier), self._call.usage)
            partial["usage"] = {**(partial.get("usage") or {}), **usage.counts()}
        wire_errors.hang_partial(error, partial, self._call.usage, beta=self._call.beta)
        error.add_note(f"Seawall: {_attempts(self._call)}; {why}.")


def _attempts(call: Call) -> str:
    # the last one may have been refused, or left, before it was sent
    sent = sum(bool(attempt.asked or attempt.error) for attempt in call.attempts)
    return f"{sent} attempt{'s' * (sent != 1)}"
