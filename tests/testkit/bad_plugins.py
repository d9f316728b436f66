"""Plugins that break one promise each, as it happens; the conformance suite must find them."""

import socket
import sqlite3
import threading
import time
import uuid
import weakref
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


class ChangesTheRequest:
    """Writes into what it should amend; of the request of a caller that streams as well."""

    @hookimpl
    def pre_request(self, call):
        return reach(call.store, lambda: call.params["messages"][0].update(content="Something else."))


class NamesTheCall:
    """Says of which call it speaks; rightly."""

    @hookimpl
    def pre_request(self, call):
        if call.attempt > 1:
            return Reject(RequestRejectedError(f"call {call.id} failed before"))
        return seawall.Redirect("claude-haiku-4-5", f"call {call.id} is short")


class StopsWhatIsLong:
    """Ends an answer that gets too long, and says so at each event from then on; rightly."""

    @hookimpl
    def on_chunk(self, call, chunk):
        call.state[self] = call.state.get(self, 0) + len(chunk.text)
        return seawall.Stop("too long") if call.state[self] > 20 else None


class ReadsAFile:
    """Looks into a file for each call."""

    @hookimpl
    def pre_request(self, call):
        Path(__file__).read_text(encoding="utf-8")


def pair(owner):
    """Two sockets that are connected, closed with their owner."""
    both = socket.socketpair()
    for one in both:
        weakref.finalize(owner, one.close)
    return both


class Sleeps:
    """Slows a stream down by itself."""

    @hookimpl
    def on_chunk(self, chunk):
        time.sleep(1e-6)  # noqa: TID251 - that is its mistake


class AsksOverAnOpenConnection:
    """Asks a service that it has connected to at its start."""

    def __init__(self):
        self.here, self.there = pair(self)

    @hookimpl
    def pre_request(self, call):
        self.there.sendall(b"yes")
        return None if self.here.recv(3) else Reject(RequestRejectedError("no"))


class AsksAnOpenDatabase:
    """Counts calls in a database that it has opened at its start."""

    def __init__(self):
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self.database.close)

    @hookimpl
    def post_response(self, call):
        self.database.execute("SELECT 1")


class WakesALoop:
    """Tells an event loop, as `call_soon_threadsafe` does; rightly."""

    def __init__(self):
        self.here, self.there = pair(self)
        self.there.setblocking(False)

    @hookimpl
    def pre_request(self, call):
        self.there.send(b"!")


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


class EndsItsThread:
    """Ends what it takes for the program when two calls are made at once."""

    def __init__(self):
        self.running = 0

    @hookimpl
    def pre_request(self, call):
        self.running += 1
        if self.running > 1:
            raise SystemExit("one at a time")

    @hookimpl
    def post_response(self, call):
        self.running -= 1
