"""The simulator as tests use it: a server in a background thread, or in the foreground."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from seawall_testkit.answers import Answer, Composer
from seawall_testkit.continuation import Misbehaviour
from seawall_testkit.conversation import Conversation
from seawall_testkit.journal import Billed, Journal, Received
from seawall_testkit.options import (
    AnswerFunction,
    Options,
    OtpmMode,
    Script,
    Switches,
    misbehaviours_named,
    several,
)
from seawall_testkit.responder import Outage
from seawall_testkit.server import HOST, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from types import TracebackType

    from seawall_testkit.faults import Fault
    from seawall_testkit.limits import Limits

_LARGEST_PORT = 65_535
_PATIENCE = 10.0
"""Seconds that starting, stopping and changing the listener may take."""


class Simulator:
    """A Messages API on 127.0.0.1 that answers deterministically and fails as it is told.

    Use it as a context manager; it is over when the block ends, with everything closed. Its attributes and
    methods may be used from any thread. A simulator serves once.

    Args:
        faults: what goes wrong; for each attempt the first that strikes it, and one `refuse` besides.
        seed: of texts, ids and padding.
        answer_tokens: length of a text answer in simulator tokens (`prose.PIECE`), before `max_tokens`.
        tokens_per_event: simulator tokens in one delta.
        tokens_per_second: how fast an answer is written; None is as fast as possible.
        ping_interval: seconds from ping to ping; None sends only the one after the first block's start.
        misbehaviour: how an answer begins that continues a broken one; of several, each continuation of a
            conversation takes the next one in turn.
        repeat_words: how many words `repeat`, `preamble` and `whitespace` repeat.
        more_models: names of models that it knows besides the API's own.
        api_key: the only one that is accepted, as `x-api-key` or bearer token; None accepts any.
        limits: rate limits; None limits nothing and sends no rate-limit headers.
        otpm_mode: how output tokens are charged to the limit.
        port: 0 takes a free one.
        answer: content blocks of the whole answer, by a function of the request's body (without a
            continuation at its end), or the same ones for everything (`seawall_testkit.blocks`); or
            `"tool_use"` to call the first tool wherever there are tools; or any other text, as the answer to
            everything.
        unknown_events: sends an event type and an event field that no client knows.
        padding: pads the JSON of events with spaces as the API does.
        switches: what the API's documentation leaves open.
        clock: seconds, for the rate limits and the prompt cache.
        observer: called with every request when it is answered, in the server's thread.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        *,
        faults: Sequence[Fault] = (),
        seed: int = 0,
        answer_tokens: int = 400,
        tokens_per_event: int = 4,
        tokens_per_second: float | None = None,
        ping_interval: float | None = None,
        misbehaviour: Misbehaviour | str | Sequence[Misbehaviour | str] = Misbehaviour.EXACT,
        repeat_words: int = 6,
        more_models: Sequence[str] = (),
        api_key: str | None = None,
        limits: Limits | None = None,
        otpm_mode: OtpmMode = "actual",
        port: int = 0,
        answer: AnswerFunction | Script | str | None = None,
        unknown_events: bool = False,
        padding: bool = True,
        switches: Switches | None = None,
        clock: Callable[[], float] = time.monotonic,
        observer: Callable[[Received], None] | None = None,
    ) -> None:
        self._options = Options(
            faults=several("faults", faults),
            seed=seed,
            answer_tokens=answer_tokens,
            tokens_per_event=tokens_per_event,
            tokens_per_second=tokens_per_second,
            ping_interval=ping_interval,
            misbehaviour=misbehaviours_named(misbehaviour),
            repeat_words=repeat_words,
            more_models=several("more_models", more_models),
            api_key=api_key,
            limits=limits,
            otpm_mode=otpm_mode,
            answer=answer,
            unknown_events=unknown_events,
            padding=padding,
            switches=switches or Switches(),
            clock=clock,
        )
        if not 0 <= port <= _LARGEST_PORT:
            raise ValueError(f"port must be 0 to {_LARGEST_PORT}, not {port!r}")
        self._wanted_port = port
        self._journal = Journal(observer)
        self._server = Server(self._options, self._journal)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._start_error: OSError | None = None

    @property
    def port(self) -> int:
        """The port, 0 before the start."""
        return self._server.port

    @property
    def base_url(self) -> str:
        """For a client's `base_url`."""
        return f"http://{HOST}:{self.port}"

    @property
    def requests(self) -> list[Received]:
        """Every request so far in the order in which they came; the entries are as of now."""
        return self._journal.requests

    @property
    def billed(self) -> Billed:
        """Tokens billed so far."""
        return self._journal.billed

    @property
    def open_connections(self) -> int:
        """TCP connections that are open now."""
        return self._journal.connections

    @property
    def active_responses(self) -> int:
        """Requests that are being answered now."""
        return self._journal.responses

    def wait_until(self, predicate: Callable[[], object], timeout: float = 5.0) -> bool:
        """Waits until `predicate()` is true, without polling; answers True.

        Raises:
            TimeoutError: it was not within `timeout` seconds.
        """
        return self._journal.wait_until(predicate, timeout)

    def text_for(
        self,
        messages: Iterable[Mapping[str, Any]],
        *,
        system: object = None,
        max_tokens: int | None = None,
        **parameters: Any,
    ) -> str:
        """The whole text that an undisturbed request gets, and with which a protected client must end.

        Args:
            messages: of the request; a continuation at their end makes no difference.
            system: of the request.
            max_tokens: of the request; None is no limit.
            parameters: what else of the request decides about its answer: `tools`, `tool_choice`, `thinking`,
                `output_config`, `stop_sequences`.
        """
        return self.answer_for(messages, system=system, max_tokens=max_tokens, **parameters).text

    def answer_for(
        self,
        messages: Iterable[Mapping[str, Any]],
        *,
        system: object = None,
        max_tokens: int | None = None,
        **parameters: Any,
    ) -> Answer:
        """As `text_for`, the whole answer: content blocks, stop reason, output tokens."""
        body = {"system": system, "max_tokens": max_tokens, **parameters}
        return Composer(self._options).undisturbed(Conversation.of(messages, system), body)

    def start(self) -> Self:
        """Serves in a background thread; returns when the port is bound.

        Raises:
            OSError: the port is in use.
            RuntimeError: it was started before.
        """
        if self._thread is not None:
            raise RuntimeError("a Simulator serves once; make another")
        self._thread = threading.Thread(target=self._run, name="seawall-simulator", daemon=True)
        self._thread.start()
        self._started.wait(_PATIENCE)
        if self._start_error is not None:
            self._thread.join(_PATIENCE)
            raise self._start_error
        return self

    def stop(self) -> None:
        """Closes everything and ends the thread.

        Raises:
            RuntimeError: the simulator itself, or an `answer` function, raised; that is the cause.
        """
        if self._thread is not None and self._thread.is_alive() and self._loop and self._stopping:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_PATIENCE)
        if self._server.failures:
            message = "the simulator failed while it answered a request"
            raise RuntimeError(message) from self._server.failures[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def serve_forever(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serves in this thread until it is interrupted; calls `ready` once the port is bound.

        Raises:
            OSError: the port is in use.
            KeyboardInterrupt: Ctrl-C was pressed; everything is closed.
        """
        asyncio.run(self._serve(ready))

    def stop_listening(self) -> None:
        """Refuses connections, and closes those there are: idle ones at once, others after their response."""

        async def stop() -> None:
            self._server.stop_listening()

        self._in_loop(stop())

    def start_listening(self) -> None:
        """Accepts connections again, on the same port."""
        self._in_loop(self._server.listen())

    def begin_outage(self, status: int = 529, *, seconds: float = 0.0, model: str | None = None) -> None:
        """Answers message requests with an error, after some seconds, until `end_outage`.

        Args:
            status: Of the error.
            seconds: Until it is answered.
            model: Whose requests fail; by default all do.
        """
        self._in_loop(self._set_outage(Outage(status, seconds, model)))

    def end_outage(self) -> None:
        """Answers as usual again."""
        self._in_loop(self._set_outage(None))

    async def _set_outage(self, outage: Outage | None) -> None:
        self._server.set_outage(outage)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve(self._started.set))
        except OSError as error:
            self._start_error = error
        finally:
            self._started.set()

    async def _serve(self, ready: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        await self._server.start(self._wanted_port)
        try:
            ready()
            await self._stopping.wait()
        finally:
            await self._server.close()

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        if self._loop is None or self._loop.is_closed():
            work.close()
            raise RuntimeError("the simulator is not running")
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)
