"""Plugins that break one promise each, as it happens; the conformance suite must find them."""

import threading
import uuid
from pathlib import Path

import seawall
from seawall import Amend, Reject, RequestRejectedError, hookimpl
from seawall.state import Step, leases, reach


def _grant(document, arguments):
    return leases.grant(document, arguments["owner"], {"calls": 1}, 1e12), None


GRANT = Step("grant", _grant)


class Slots:
    """Lets one call through at a time; rightly, but for what the subclasses change."""

    def __init__(self):
        self.lock = threading.Lock()
        self.free = 1

    @hookimpl
    def pre_request(self, call):
        with self.lock:
            if self in call.state:
                return None
            if not self.free:
                return Reject(RequestRejectedError("all slots are taken"))
            self.free -= 1
            call.state[self] = True
            return None

    @hookimpl
    def post_response(self, call, outcome):
        with self.lock:
            self.free += call.state.pop(self, False)


class SettlesOnlySuccess(Slots):
    """Forgets that calls fail."""

    @hookimpl
    def post_response(self, call, outcome):
        if outcome.status == "completed":
            super().post_response(call, outcome)


class MakesWait(SettlesOnlySuccess):
    """The same; and who finds no slot waits for one."""

    @hookimpl
    def pre_request(self, call):
        refused = super().pre_request(call)
        return seawall.Wait(0.01, "a slot") if refused else None


class SettlesInChunks(Slots):
    """Forgets that not every call is a stream, and that streams break."""

    @hookimpl
    def on_chunk(self, call, chunk):
        if chunk.type == "message_stop":
            super().post_response(call, None)

    @hookimpl
    def post_response(self, call, outcome):
        pass


class LeavesALease:
    """Takes a lease and leaves it to expire."""

    @hookimpl
    def pre_request(self, call):
        return reach(call.store, lambda: call.store.step(GRANT, key="slots", owner=call.id))


class KeepsCalls:
    """Remembers calls beyond their end."""

    def __init__(self):
        self.calls = []

    @hookimpl
    def post_response(self, call, outcome):
        self.calls.append(call)


class ReservesAtEachAsk(Slots):
    """Takes another slot each time it is asked."""

    def __init__(self):
        super().__init__()
        self.free = 3

    @hookimpl
    def pre_request(self, call):
        with self.lock:
            if not self.free:
                return Reject(RequestRejectedError("all slots are taken"))
            self.free -= 1
            call.state[self] = True
            return None


class AnswersAnew:
    """Gives an attempt another name each time it is asked."""

    @hookimpl
    def pre_request(self, call):
        return Amend(headers={"x-attempt": uuid.uuid4().hex})


class KnowsAllEvents:
    """Expects of events what today's have."""

    @hookimpl
    def on_chunk(self, call, chunk):
        if chunk.type == "content_block_delta" and chunk.event["delta"]["type"] == "text_delta":
            call.state[self] = call.state.get(self, 0) + 1


class StopsAtTheUnknown:
    """Takes what it does not know for a mistake."""

    @hookimpl
    def on_chunk(self, chunk):
        return seawall.Stop("what is that?") if chunk.type == "surprise" else None


class ReadsAFile:
    """Looks into a file for each call."""

    @hookimpl
    def pre_request(self, call):
        Path(__file__).read_text(encoding="utf-8")


class ReachesTheStore:
    """Uses a store that may be a Redis which hangs."""

    @hookimpl
    def on_error(self, call):
        call.store.step(Step("count", lambda document, _: ({"n": document.get("n", 0) + 1}, None)), key="n")


class RemembersByThread:
    """Takes the thread for the call: in async clients, work runs in another one."""

    def __init__(self):
        self.here = threading.local()

    @hookimpl
    def pre_request(self, call):
        self.here.call = call.id
        return seawall.Offload(self.decide)

    def decide(self):
        known = getattr(self.here, "call", None)
        return Amend(headers={"x-call": known}) if known else None


class RacesForSlots:
    """Looks first and takes then, without a lock."""

    def __init__(self):
        self.running = {}

    @hookimpl
    def pre_request(self, call):
        for _ in self.running:
            call.state[self] = len(self.running)
        self.running[call.id] = True

    @hookimpl
    def post_response(self, call):
        self.running.pop(call.id, None)
