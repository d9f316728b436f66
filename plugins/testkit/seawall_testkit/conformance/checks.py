"""The promises of a plugin, one function each: it yields how the promise is broken."""

from __future__ import annotations

import gc
import inspect
import random
import sys
import threading
import time
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

import seawall
from seawall import Chunk, Cut, Reject, Stop, Wait
from seawall_testkit.conformance.stage import Ending
from seawall_testkit.conformance.watch import WatchedStore
from seawall_testkit.frames import frame_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from seawall import Call
    from seawall_testkit.conformance.stage import Scene, Stage
    from seawall_testkit.conformance.witness import Said, Witness

if sys.version_info >= (3, 14):
    from annotationlib import Format

    # it would evaluate annotations, whose names may be there for type checkers only
    _UNEVALUATED: Final[Mapping[str, Any]] = {"annotation_format": Format.FORWARDREF}
else:
    _UNEVALUATED: Final[Mapping[str, Any]] = {}

_CALLS: Final = 3
"""Of each ending: enough for a reservation to be in the way, and too few for a circuit to open."""
_THREADS: Final = 16
_SWITCHES: Final = 0.5
"""The share of lines between which threads are switched."""
_REFUSALS: Final = (Reject, Wait)
_SECONDS: Final = 30.0
"""That a call may take where 16 run at once."""
_ODD: Final[tuple[dict[str, Any], ...]] = (
    {"type": "surprise"},
    {"type": "surprise", "delta": "text", "usage": None},
    {"type": "content_block_start", "index": 98, "content_block": {"type": "surprise"}},
    {"type": "content_block_delta", "index": 98, "delta": {"type": "surprise_delta", "surprise": [1]}},
    {"type": "content_block_delta", "index": 98, "delta": "text"},
    {"type": "message_delta", "delta": {}, "usage": {"surprise": 1}},
    {},
)
"""Events as a later API may send them."""


def settles(stage: Stage) -> Iterator[str]:
    """However a call ends, nothing of it stays reserved."""
    scenes = {}
    for ending in Ending:
        witness, store = stage.new_witness(), WatchedStore()
        scenes[ending] = scene = stage.scene(ending, witness, store)
        yield from _settled(scene, f"a call that {ending.value}", witness, store)
        witness.said.clear()  # an error holds the frames that it went through, and they the call
    gc.collect()
    for ending, scene in scenes.items():
        if scene.kept:
            yield f"a call that {ending.value} is kept in memory; keep what is of a call in call.state[self]"


def is_idempotent(stage: Stage) -> Iterator[str]:
    """Asked again within an attempt, it answers the same and reserves nothing more."""
    witness, store = stage.new_witness(), WatchedStore()
    scene = stage.scene(Ending.COMPLETED, witness, store, asks_again=True)
    yield from _settled(scene, "pre_request is not idempotent: a call that was asked twice", witness, store)
    first = stage.new_witness()
    stage.scene(Ending.RETRIED, first, WatchedStore(), asks_again=True).run()
    for attempt in (1, 2):
        answers = [said for said in first.answers("pre_request") if said.attempt == attempt]
        if len(answers) > 1 and answers[0].exact != answers[1].exact:
            one, two = map(_shown, answers[:2])
            yield f"pre_request is not idempotent: asked twice within an attempt, it says {one}, then {two}"


def tolerates_unknown_events(stage: Stage) -> Iterator[str]:
    """Events it does not know leave it alone."""
    witness = stage.new_witness()
    hook: Any = getattr(witness, "on_chunk", None)
    if hook is None:
        return
    names = inspect.signature(hook, **_UNEVALUATED).parameters
    ended: list[Stop | Cut] = []

    def tell(call: Call, chunk: Chunk) -> None:
        # what ends the stream for what came before may say so again
        if chunk.type != "content_block_delta" or witness.answers("on_chunk", (Stop, Cut)):
            return
        for event in _ODD:
            frame = frame_of(event).data if event else b": nothing\n\n"
            odd = Chunk(str(event.get("type", "")), event, frame)
            given = {"call": call, "chunk": odd}
            answer = hook(**{name: given[name] for name in names})
            ended.extend([answer] if isinstance(answer, Stop | Cut) else [])

    stage.scene(Ending.COMPLETED, witness, WatchedStore(), listener=tell).run()
    unknown = "events of types it does not know"
    for fault in witness.faults:
        yield f"{unknown}: {fault}; look only at what you know, and let it be missing"
    if ended:
        yield f"{unknown}: on_chunk answers {ended[0]!r}; let them pass"


def never_blocks(stage: Stage) -> Iterator[str]:
    """What may block is in an `Offload`."""
    for ending in Ending:
        witness = stage.new_witness()
        scene = stage.scene(ending, witness, WatchedStore(blocks=True))
        scene.run()  # modules are imported, files opened, once
        witness.is_watched = True
        scene.run()
        for wait in witness.waits:
            yield f"a hook blocks: {wait}; answer Offload(work), or seawall.state.reach(call.store, work)"


def is_alike_in_both_drivers(stage: Stage) -> Iterator[str]:
    """Sync and async clients hear the same."""
    for ending in (Ending.COMPLETED, Ending.WHOLE, Ending.RETRIED, Ending.REFUSED):
        question = stage.question()
        sync, asynchronous = stage.new_witness(), stage.new_witness()
        stage.scene(ending, sync, WatchedStore(blocks=True)).run(question)
        stage.scene(ending, asynchronous, WatchedStore(blocks=True)).run_async(question)
        pairs = zip_longest(_decisions(sync), _decisions(asynchronous))
        if different := next((pair for pair in pairs if pair[0] != pair[1]), None):
            one, two = (_shown(said) for said in different)
            yield f"in a call that {ending.value} it says {one} to a sync client and {two} to an async one"


def is_safe_in_threads(stage: Stage) -> Iterator[str]:
    """16 threads may use it at once."""
    witness, store = stage.new_witness(), WatchedStore()
    scene = stage.scene(Ending.COMPLETED, witness, store, is_patient=True)
    together = threading.Barrier(_THREADS)
    home = type(witness.plugin).__module__.partition(".")[0]
    unforeseen: set[str] = set()
    one_at_a_time = threading.Lock()

    def trace(switching: Any) -> None:
        # Python 3.11 raises where two threads do it at once
        with one_at_a_time:
            sys.settrace(switching)

    def work(number: int) -> None:
        together.wait()
        trace(_switching(home, random.Random(number)))  # noqa: S311 - repeatable
        try:
            with seawall.deadline(_SECONDS):
                scene.run()
        except BaseException as error:  # noqa: BLE001 - a thread would keep it to itself, or print it
            unforeseen.add(f"{type(error).__name__}: {error}")
        finally:
            trace(None)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    advice = "guard what calls share by a threading.Lock"
    for fault in witness.faults:
        yield f"{_THREADS} threads at once: {fault}; {advice}"
    for error in sorted(unforeseen):
        yield f"{_THREADS} threads at once: a call ends in {error}; {advice}"
    fresh = stage.new_witness()
    stage.scene(Ending.COMPLETED, fresh, WatchedStore()).run()
    before = len(witness.said)
    stage.scene(Ending.COMPLETED, witness, store).run()
    if (refusal := _refusal(witness.said[before:])) and not _refusal(fresh.said):
        yield f"{_THREADS} threads at once: after them the next call gets {_shown(refusal)}; {advice}"
    if held := store.held():
        yield f"{_THREADS} threads at once: after them something is held in {held[0]!r}; {advice}"


def _settled(scene: Scene, ended: str, witness: Witness, store: WatchedStore) -> Iterator[str]:
    """Make calls; yield what stays of them."""
    advice = "settle in post_response, which is asked however a call ends"
    for number in range(_CALLS):
        before = len(witness.said)
        scene.run()
        refusal = _refusal(witness.said[before:])
        if refusal and number == 0:
            break  # it lets none through as it is
        if refusal:
            yield f"{ended} stays reserved: the next one gets {_shown(refusal)}; {advice}"
            return
    for fault in witness.faults:
        yield f"in {ended}, {fault}"
    if held := store.held():
        yield f"{ended} stays reserved: a lease is left in {held[0]!r} of the store; {advice}"


def _refusal(answers: list[Said]) -> Said | None:
    """Return the answer that keeps a call from being sent."""
    refusals = (
        said for said in answers if said.hook == "pre_request" and isinstance(said.decision, _REFUSALS)
    )
    return next(refusals, None)


def _decisions(witness: Witness) -> list[Said]:
    """What it decided in a call; most chunks are let pass."""
    return [said for said in witness.said if said.hook != "estimate_tokens" and said.told is not None]


def _shown(said: Said | None) -> str:
    return "nothing" if said is None else f"{said.decision!r} in {said.hook}"


def _switching(home: str, rng: random.Random) -> Callable[..., Any]:
    """A trace function that gives the interpreter to another thread between lines of the package `home`."""

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        del frame, event, argument
        if rng.random() < _SWITCHES:
            time.sleep(1e-6)  # noqa: TID251 - the shortest way to give the interpreter away
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        del event, argument
        return line if str(frame.f_globals.get("__name__")).partition(".")[0] == home else None

    return call


CHECKS: Final[tuple[Callable[[Stage], Iterator[str]], ...]] = (
    settles,
    is_idempotent,
    tolerates_unknown_events,
    never_blocks,
    is_alike_in_both_drivers,
    is_safe_in_threads,
)
