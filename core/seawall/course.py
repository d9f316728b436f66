"""The course of a message over the attempts of its call: what there is of it, which way is next. Sans-I/O."""

from collections.abc import Mapping
from typing import Any

from seawall.assembly import Assembly
from seawall.call import Call
from seawall.continuation import assistant_turn, continued, ways, without_unfinished_thinking
from seawall.decisions import Resume, Way
from seawall.wire_errors import ContinuationMismatchError


class Course:
    """Keeps the message so far, and chooses how the next attempt goes about it.

    Args:
        learned: Ways that the model is known to refuse; grows by what is learned here.
    """

    def __init__(self, call: Call, learned: set[Way]) -> None:
        self._call = call
        self._learned = learned
        self._refused = set(learned)
        self.so_far = Assembly()
        """What the caller has; for a caller that waits, what was received."""
        self.way: Way = "send"
        self.resume = Resume()
        self.can_drop = not call.stream
        """No caller was shown any of it, so that it can be generated again."""

    @property
    def is_shown(self) -> bool:
        """Whether the caller has a part of it, if only its head."""
        return not self.can_drop and self.so_far.head is not None

    @property
    def kept(self) -> int:
        """Output tokens, about, of the message so far that the next request goes on with."""
        return 0 if self.way in ("send", "restart") else self._call.estimate(self.so_far.spoken())

    def body(self, amended: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of the next request; `amended` is what plugins changed in the caller's."""
        params = {**self._call.params, **amended}
        if isinstance(params.get("messages"), list):
            params["messages"] = without_unfinished_thinking(params["messages"])
        if self.way in ("send", "restart"):
            return params
        return continued(params, self.so_far, self.way, self.resume, tokens=self._call.attempts[-1].kept)

    def begin(self) -> None:
        """An answer begins to arrive: of a restart, a caller that waits gets nothing that came before."""
        if self.way in ("send", "restart") and self.can_drop:
            self.so_far = Assembly()

    def anew(self, resume: Resume) -> "Course":
        """Return a course that begins again; nothing of it has been shown."""
        course = Course(self._call, self._learned)
        course.resume, course.can_drop = resume, True
        return course

    def repeat(self, way: Way) -> None:
        """An attempt that went `way` arrives once more.

        Raises:
            ValueError: It went on with a message of which there is nothing.
        """
        self.way = way
        if way in ("send", "restart"):
            self.so_far = Assembly()
            return
        turn, end = assistant_turn(self.so_far)
        if not turn:
            raise ValueError(f"an earlier attempt ({way}) goes on with text that is not there")
        self.so_far.cut_back(end)

    def redirect(self) -> None:
        """Another model is asked, of which nothing was learned, and which counts tokens in its own way."""
        self._learned, self._refused = set(), set()
        self._call.attempts[-1].kept = self.kept

    def refuse(self) -> None:
        """The model refused the current way."""
        self._refused.add(self.way)

    def learn(self) -> None:
        """The current way served: remember those that were refused before it."""
        if self.way not in ("send", "restart"):
            self._learned |= self._refused

    def turn(self, failure: Exception, held_from: int | None) -> bool:
        """Choose the next way after a failure; `False` when there is none.

        Args:
            failure: Why the attempt failed.
            held_from: The first block that was held back from a caller that streams, if one was.
        """
        so_far, stream = self.so_far, not self.can_drop
        if not stream and isinstance(failure, ContinuationMismatchError):
            self.way = "restart"
            return True
        if stream and held_from is not None:
            so_far.cut_back(held_from)
        tokens = self._call.estimate(so_far.spoken())
        found = ways(self._call.params, so_far, self.resume, stream=stream, tokens=tokens)
        left = [way for way in found if way not in self._refused]
        if not left:
            return False
        self.way = left[0]
        if not stream and self.way != "restart":
            so_far.cut_back(assistant_turn(so_far)[1])
        return True
