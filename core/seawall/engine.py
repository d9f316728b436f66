"""One call, from its first `pre_request` to its `post_response`: a state machine without I/O.

`Engine.run` is a generator of steps (`steps.py`) which a driver performs, sync or async, sending back what
came of them. Here are the rules about attempts, waits and retries; frames come in at `reception`, how a
broken message goes on is decided in `course`, how a call ends in `ending`.
"""

import logging
import math
from collections.abc import Generator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, NoReturn

from seawall import wire_errors
from seawall.body import take_body
from seawall.call import Attempt, Call
from seawall.course import Course
from seawall.decisions import Amend, Answer, GiveUp, Offload, Redirect, Replay, Retry, Wait, Way
from seawall.description import describe
from seawall.ending import INTERRUPTS, Ending
from seawall.errors import (
    ConfigError,
    DeadlineExceededError,
    PluginError,
    StreamStoppedError,
)
from seawall.frames import events_of, frame_of
from seawall.hooks import CallHooks, Hooks, Plan, combine_errors, combine_requests
from seawall.reception import Reception
from seawall.replay import replayed, shown
from seawall.steps import CLOSE, OPENED, Abandoned, Accepted, Send, Sleep, Step

_log = logging.getLogger("seawall.engine")


class Engine:
    """Runs one call; made for it and used once.

    Args:
        learned: Ways that the model is known to refuse; grows by what is learned here.
    """

    def __init__(self, call: Call, hooks: Hooks, learned: set[Way] | None = None) -> None:
        self.call = call
        self._hooks = CallHooks(hooks)
        self._ending = Ending(call, self._hooks)
        self._course = Course(call, set() if learned is None else learned)
        self._reception: Reception | None = None
        """That of the current attempt."""
        self._is_open = False
        self._is_streamed = False
        """The current attempt is a stream on the wire."""
        self._told: tuple[int, str] | None = None
        """The attempt and the reason of the last wait that was told."""
        call.estimate = partial(self._hooks.estimate, model=call.model)
        call.describe = partial(describe, hooks, call.store, call.state_dir)

    def run(self) -> Generator[Step, Any, dict[str, Any] | None]:
        """Yield steps until the call has ended.

        Returns the message for a caller that waits; `None` when its answer is the current response as it
        came.

        Raises:
            anthropic.APIError: The last attempt failed and was not retried.
            SeawallError: A plugin refused, stopped or broke the call.
        """
        message = None
        try:
            message = yield from self._conduct()
            self._ending.status = "completed"
        except Abandoned as abandoned:
            self._leave(abandoned.cause)
        except INTERRUPTS as interrupt:
            # it may strike in here as well as in the driver
            self._leave(interrupt)
            raise
        except (PluginError, ConfigError) as error:
            self._fail(error, "a plugin failed")
        finally:
            yield from self._ending.run(self._course.so_far)
        return message

    def _conduct(self) -> Generator[Step, Any, dict[str, Any] | None]:
        while True:
            course = self._course
            self.call.attempts.append(Attempt(self.call.attempt + 1, course.way, kept=course.kept))
            self._reception = None
            plan = yield from self._plan()
            if plan.answer is not None:
                return (yield from self._answer(plan.answer.message))
            # not in a variable: it holds the text so far once more
            accepted = yield self._request(plan.amend)
            failure = accepted if isinstance(accepted, Exception) else (yield from self._accept(accepted))
            if failure is None:
                self._doubt()
                self._course.learn()
                return self._course.so_far.message() if self._is_streamed and not self.call.stream else None
            yield CLOSE
            yield from self._recover(failure)

    # -- before an attempt

    def _plan(self) -> Generator[Step, Any, Plan]:
        meant = {self.call.model}

        def is_void(decision: object) -> bool:
            """Whether it sends the call to a model that was asked for since the last wait."""
            return isinstance(decision, Redirect) and decision.model in meant

        while True:
            said = yield from self._hooks.answers(
                "pre_request", self.call, until=(Redirect, Replay, Wait), is_void=is_void
            )
            plan = combine_requests(self._in_time(said))
            if plan.reject is not None:
                self._fail(plan.reject, "rejected before it was sent")
            if plan.answer is not None:
                return plan
            if plan.again is None:
                if self._hooks.are_sendable(said):
                    return plan
                continue  # without the plugin that is left out
            if isinstance(plan.again, Replay):
                yield from self._replay(plan.again, said[-1][0], plan.amend)
                if (whole := self._course.so_far).complete:
                    return Plan(answer=Answer(whole.message() or {}))
                continue
            if isinstance(plan.again, Redirect):
                wait = self._redirect(plan.again)
                meant.add(self.call.model)
            else:
                wait, meant = plan.again, {self.call.model}
            self._check_deadline(wait.seconds, f"the wait ({wait.reason})")
            yield from self._wait(wait)

    def _in_time(self, said: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        """The decisions less any `Answer` that could only follow a part of another, which the caller has."""
        late = [plugin for plugin, decision in said if isinstance(decision, Answer) and self._course.is_shown]
        if late:
            _log.warning(
                "call %s: the answer of plugin %r is not taken: the caller has a part of the model's already",
                *(self.call.id, late[0]),
            )
        return [(plugin, decision) for plugin, decision in said if plugin not in late]

    def _replay(self, replay: Replay, plugin: str, amend: Amend) -> Generator[Step, Any, None]:
        """Go on from what an earlier process received; a caller that streams gets it now."""
        call, course = self.call, self._course.anew(amend.resume or self._course.resume)
        course = yield Offload(partial(replayed, call, course, replay.attempts))
        if isinstance(course, Exception):
            call.earlier.clear()
            hook = next(h for h in self._hooks.implementations("pre_request") if h.plugin == plugin)
            self._hooks.isolate(hook, "pre_request", course)
            return
        self._course, call.attempts[-1].way, call.attempts[-1].kept = course, course.way, course.kept
        course.can_drop = not call.stream
        _log.info("call %s: %d attempts of an earlier process replayed", call.id, len(call.earlier))
        if call.stream and not course.so_far.complete and (frames := shown(course.so_far)):
            yield from self._open()
            yield frames

    def _redirect(self, redirect: Redirect) -> Wait:
        """Ask another model from now on; returns how it is told."""
        call, before = self.call, self.call.model
        call.params = {**call.params, "model": redirect.model}
        call.estimate = partial(self._hooks.estimate, model=call.model)
        self._course.redirect()
        return Wait(0.0, f"{call.model} is asked instead of {before}: {redirect.reason}")

    def _wait(self, wait: Wait) -> Generator[Step, Any, None]:
        """Wait; told once for each reason of an attempt, however often the hooks ask for more of it."""
        told = (self.call.attempt, wait.reason)
        if told != self._told:
            self._told = told
            _log.info("call %s: waiting %.1f s: %s", self.call.id, wait.seconds, wait.reason)
            yield from self._hooks.answers("on_wait", self.call, wait)
        yield Sleep(wait.seconds)

    def _request(self, amend: Amend) -> Send:
        call = self.call
        # a body that trickles in without being a stream could not be left at a deadline, and one that goes on
        # with a message could not be joined to it
        must_stream = call.remaining() < math.inf or call.attempts[-1].continues
        stream = call.stream or bool(amend.stream) or must_stream
        if stream and not call.stream and call.attempt == 1:
            _log.info("call %s: streamed on the wire (max_tokens %d)", call.id, call.max_tokens)
        self._course.resume = amend.resume or self._course.resume
        params = self._course.body(amend.params)
        call.attempts[-1].asked = str(params.get("model", ""))
        if stream:
            params["stream"] = True
        self._check_deadline(0.0, "sending")
        timeout = amend.timeout
        if (left := call.remaining()) < min(timeout or math.inf, call.timeout or math.inf):
            timeout = left
        self._is_streamed = stream
        return Send(params, stream, call.attempt - 1, timeout, amend.headers)

    def _check_deadline(self, seconds: float, what: str, failure: Exception | None = None) -> None:
        """Fail if the deadline passes before what takes `seconds` is done."""
        left = self.call.remaining()
        if left > seconds:
            return
        said = f"{max(left, 0.0):.1f} s of the deadline are left; {what} takes {seconds:.1f} s"
        error = DeadlineExceededError("the deadline passed" if left <= 0 else said)
        error.__cause__ = failure
        self._fail(error, "the deadline")

    def _answer(self, message: Mapping[str, Any]) -> Generator[Step, Any, dict[str, Any] | None]:
        """Give the caller a message that a plugin had."""
        self._course.so_far.adopt(message)
        if not self.call.stream:
            return dict(message)
        yield from self._open()
        yield b"".join(frame_of(event) for event in events_of(message))
        return None

    # -- during an attempt

    def _open(self) -> Generator[Step, Any, None]:
        if self.call.stream and not self._is_open:
            self._is_open = True
            yield OPENED

    def _accept(self, accepted: Accepted) -> Generator[Step, Any, Exception | None]:
        """Take in an answer; returns why it failed."""
        attempt = self.call.attempts[-1]
        attempt.status, attempt.headers = accepted.status, accepted.headers
        attempt.request_id = accepted.headers.get("request-id")
        yield from self._hooks.answers("on_accept", self.call)
        if accepted.body is None:
            return (yield from self._receive(accepted))
        return take_body(accepted, accepted.body, attempt, self._course.so_far)

    def _receive(self, accepted: Accepted) -> Generator[Step, Any, Exception | None]:
        """Take in a stream; returns why it failed."""
        yield from self._open()
        self._course.begin()
        so_far, resume = self._course.so_far, self._course.resume
        self._reception = reception = Reception(self.call, self._hooks, so_far, accepted.response, resume)
        if delivered := reception.end((yield reception)):
            yield delivered
        return reception.failure

    def _doubt(self) -> None:
        """Say so when a continuation added nothing: was the message whole, or did the model give it up?"""
        attempt, reception = self.call.attempts[-1], self._reception
        if attempt.continues and reception is not None and reception.added_nothing:
            _log.warning("call %s: asked to go on, the model added nothing; it may be short", self.call.id)

    # -- after an attempt failed

    def _recover(self, failure: Exception) -> Generator[Step, Any, None]:
        """Decide what follows a failed attempt: wait and return for another one, or raise."""
        self._estimate_output()
        if isinstance(failure, StreamStoppedError):
            self._ending.status = "stopped"
            self._fail(failure, "stopped")
        if isinstance(failure, PluginError | ConfigError):
            raise failure
        attempt = self.call.attempts[-1]
        wire_errors.note(attempt, failure)
        decision = combine_errors((yield from self._hooks.answers("on_error", self.call, failure)))
        self._check_deadline(0.0, "another attempt", failure)
        if isinstance(decision, GiveUp):
            self._fail(failure, decision.reason)
        if attempt.continues and attempt.status == HTTPStatus.BAD_REQUEST:
            self._course.refuse()
        elif decision is None:
            self._fail(failure, "it is not retried")
        held_from = None if self._reception is None else self._reception.held_from
        if not self._course.turn(failure, held_from):
            self._fail(failure, "what was delivered can neither be continued nor taken back")
        delay = decision.delay if isinstance(decision, Retry) else 0.0
        self._check_deadline(delay, "the wait before another attempt", failure)
        failed = f"attempt {attempt.number} failed ({type(failure).__name__})"
        reason = decision.reason if isinstance(decision, Retry) and decision.reason else failed
        why = "" if reason == failed else f": {reason}"
        _log.info(
            "call %s: %s; the next one (%s) in %.1f s%s",
            *(self.call.id, failed, self._course.way, delay, why),
        )
        wire_errors.let_go(failure)
        yield from self._hooks.answers("on_wait", self.call, Wait(delay, reason))
        yield Sleep(delay)

    def _estimate_output(self) -> None:
        if self._reception is not None:
            self._reception.estimate_output()

    # -- the end

    def _fail(self, error: Exception, why: str) -> NoReturn:
        self._ending.fail(error, why, self._course.so_far)

    def _leave(self, cause: BaseException) -> None:
        self._estimate_output()
        self._ending.leave(cause, self._course.so_far)
