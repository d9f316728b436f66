"""Calls that end in every way, with the plugin in them that is checked."""

from __future__ import annotations

import asyncio
import tempfile
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Self

import anthropic

import seawall
from seawall_testkit.conformance.witness import Witness
from seawall_testkit.faults import Fault
from seawall_testkit.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from seawall import Answer, Call, Chunk, GiveUp, Reject, Retry, Stop, Wait
    from seawall_testkit.conformance.watch import WatchedStore

AGAIN: Final = "the conformance suite asks again"
_ANSWER: Final = {
    "id": "msg_conformance",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [{"type": "text", "text": "Known already."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


class Ending(Enum):
    """How a call ends."""

    COMPLETED = "completed"
    WHOLE = "completed without a stream"
    RETRIED = "completed at the second attempt"
    REFUSED = "failed with HTTP 400"
    CUT = "failed in its stream"
    REJECTED = "was rejected by another plugin"
    ANSWERED = "was answered by another plugin"
    STOPPED = "was stopped by another plugin"
    LEFT = "was left by its caller in its stream"
    INTERRUPTED = "was interrupted before it was sent"


_FAULTS: Final = {
    Ending.RETRIED: Fault("reset", event=6),
    Ending.CUT: Fault("reset", event=6),
    Ending.REFUSED: Fault("status", status=400),
}


class _Interrupt(KeyboardInterrupt):
    """Ends a call as Ctrl-C does."""


class Companion:
    """The other plugin of a call: it leads the call to its ending.

    Args:
        ending: That of the calls.
        witness: The plugin that is checked.
        store: That of the calls.
        asks_again: Whether all are asked twice before each attempt.
        is_patient: Whether a call may wait if the plugin says so.
        listener: Sees each call and each chunk.
    """

    name = "the conformance suite"

    def __init__(
        self,
        ending: Ending,
        witness: Witness,
        store: WatchedStore,
        *,
        asks_again: bool = False,
        is_patient: bool = False,
        listener: Callable[[Call, Chunk], None] | None = None,
    ) -> None:
        self._ending = ending
        self._witness = witness
        self._store = store
        self._is_patient = is_patient
        self._listener = listener
        self._asks_again = asks_again
        self.calls: list[weakref.ref[Call]] = []

    @seawall.hookimpl(specname="pre_request", tryfirst=True)
    def begin(self, call: Call) -> None:
        """Give the call the store that is watched."""
        if self not in call.state:
            call.state[self], call.store = 0, self._store
            self.calls.append(weakref.ref(call))

    @seawall.hookimpl(trylast=True)
    def pre_request(self, call: Call) -> Answer | Reject | Wait | None:
        if self._asks_again and call.state[self] != call.attempt:
            call.state[self] = call.attempt
            return seawall.Wait(0.0, AGAIN)
        match self._ending:
            case Ending.REJECTED:
                return seawall.Reject(seawall.RequestRejectedError("the conformance suite rejects"))
            case Ending.ANSWERED:
                return seawall.Answer(_ANSWER)
            case Ending.INTERRUPTED:
                raise _Interrupt
        return None

    @seawall.hookimpl
    def on_wait(self, wait: Wait) -> None:
        is_told = bool(self._witness.answers("pre_request", seawall.Wait))
        if is_told and wait.reason != AGAIN and not self._is_patient:
            raise _Interrupt

    @seawall.hookimpl
    def on_chunk(self, call: Call, chunk: Chunk) -> Stop | None:
        if self._listener is not None:
            self._listener(call, chunk)
        is_over = self._ending is Ending.STOPPED and chunk.type == "content_block_delta"
        return seawall.Stop("the conformance suite stops") if is_over else None

    @seawall.hookimpl
    def on_error(self, call: Call) -> Retry | GiveUp:
        if self._ending is Ending.RETRIED and call.attempt == 1:
            return seawall.Retry(0.0)
        return seawall.GiveUp("the conformance suite gives up")


class Stage:
    """Makes calls against simulators, one for each thing that goes wrong; a context manager."""

    def __init__(self, make: Callable[[], object]) -> None:
        self.make = make
        self._open = ExitStack()
        self._simulators: dict[tuple[Fault | None, bool], Simulator] = {}
        self._clients: dict[Fault | None, anthropic.Anthropic] = {}
        self._settings: dict[str, Any] = {}
        self._number = 0

    def __enter__(self) -> Self:
        folder = self._open.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        self._settings = {"state": "memory", "state_dir": folder}
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def new_witness(self) -> Witness:
        """Return a new plugin with its witness."""
        return Witness(self.make())

    def question(self) -> str:
        """Return what no call has asked yet."""
        self._number += 1
        return f"Question {self._number}: what is a lighthouse?"

    def scene(self, ending: Ending, witness: Witness, store: WatchedStore, **options: Any) -> Scene:
        """Return what makes calls that end like this; the plugin may end them in another way.

        Args:
            ending: How they shall end.
            witness: The plugin in them.
            store: Theirs.
            options: Of the `Companion`.
        """
        return Scene(self, ending, witness, Companion(ending, witness, store, **options))

    def protected(self, ending: Ending, plugins: list[object]) -> anthropic.Anthropic:
        """Return a client whose calls go where this ending is."""
        fault = _FAULTS.get(ending)
        if fault not in self._clients:
            http_client = anthropic.DefaultHttpxClient(verify=False)
            bare = anthropic.Anthropic(**self._connection(fault, is_async=False), http_client=http_client)
            self._clients[fault] = self._open.enter_context(bare)
        client = self._clients[fault]
        return seawall.protect(client, plugins=plugins, settings=self._settings)

    @asynccontextmanager
    async def aprotected(
        self, ending: Ending, plugins: list[object]
    ) -> AsyncIterator[anthropic.AsyncAnthropic]:
        """As `protected`, an async client that is closed at the end."""
        connection = self._connection(_FAULTS.get(ending), is_async=True)
        http_client = anthropic.DefaultAsyncHttpxClient(verify=False)
        async with anthropic.AsyncAnthropic(**connection, http_client=http_client) as bare:
            yield seawall.protect(bare, plugins=plugins, settings=self._settings)

    def _connection(self, fault: Fault | None, *, is_async: bool) -> dict[str, Any]:
        # one for sync and one for async clients, or a question would be known to the second
        simulator = self._simulators.get((fault, is_async))
        if simulator is None:
            faults = [fault] if fault else []
            simulator = Simulator(faults=faults, answer_tokens=40, unknown_events=True)
            self._simulators[fault, is_async] = self._open.enter_context(simulator)
        return {"base_url": simulator.base_url, "api_key": "test", "timeout": 20.0, "max_retries": 0}


class Scene:
    """Calls of one plugin that all end alike."""

    def __init__(self, stage: Stage, ending: Ending, witness: Witness, companion: Companion) -> None:
        self._stage = stage
        self._ending = ending
        self._companion = companion
        self._plugins: list[object] = [witness, companion]
        self._client = stage.protected(ending, self._plugins)

    @property
    def kept(self) -> bool:
        """Whether something holds a call that has ended, once what was dropped is collected."""
        return any(call() is not None for call in self._companion.calls)

    def run(self, question: str = "") -> None:
        """Make one call, by default with a question that was not asked yet."""
        parameters = self._parameters(question or self._stage.question())
        try:
            answer = self._client.messages.create(**parameters)
            if parameters["stream"]:
                with answer as stream:
                    for _ in stream:
                        if self._ending is Ending.LEFT:
                            break
        except (anthropic.APIError, seawall.SeawallError, _Interrupt):
            pass  # the witness knows what the plugin had to do with it

    def run_async(self, question: str) -> None:
        """Make one call by an async client, on an event loop of its own."""

        async def run() -> None:
            async with self._stage.aprotected(self._ending, self._plugins) as client:
                parameters = self._parameters(question)
                try:
                    answer = await client.messages.create(**parameters)
                    if parameters["stream"]:
                        async with answer as stream:
                            async for _ in stream:
                                pass
                except (anthropic.APIError, seawall.SeawallError):
                    pass

        with ThreadPoolExecutor(1) as own_thread:
            own_thread.submit(asyncio.run, run()).result()

    def _parameters(self, question: str) -> dict[str, Any]:
        return {
            "model": "claude-opus-5-5",
            "max_tokens": 1000,
            "messages": [{"role": "user", "content": question}],
            "stream": self._ending is not Ending.WHOLE,
        }
