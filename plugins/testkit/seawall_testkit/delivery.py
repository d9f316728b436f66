"""Sends the body of a 200: paced, with pings, and with the fault that is meant for it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from seawall_testkit.errors import error_body, message_for
from seawall_testkit.frames import PING, Frame, error_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seawall_testkit.faults import Fault
    from seawall_testkit.journal import Entry
    from seawall_testkit.pace import Pace
    from seawall_testkit.wire import Wire

COMPLETE = "complete"
OUTPUT_OVERRUN = "fault:output_overrun"
"""How a stream ended that the output limit cut (`Switches.overrun_cuts_stream`)."""

_BREAKS_A_DELTA = frozenset({"malformed_json", "invalid_utf8"})
_AT_FRAME_ENDS = _BREAKS_A_DELTA | {"error_event", "stall_with_pings"}
"""Kinds that put whole frames in: given a byte within a frame, they strike after that frame."""
_PING_PERIOD = 0.05
"""Seconds between the pings of `stall_with_pings`, unless the fault says otherwise."""
_DRIP_SIZE = 7
"""Bytes a `drip` sends at a time: small and odd, so that it cuts frames and characters everywhere."""
_DRIP_PAUSE = 0.0005


class Delivery:
    """One body on its way.

    Args:
        wire: where the body goes; the head has been sent.
        entry: is told of every event.
        fault: the fault that may strike the body, or None.
        charge: called with the tokens of a frame before it is sent; True when the stream must be cut.
        before_end: called, perhaps more than once, before the client can know that the body ends.
        request_id: for `error` events.
    """

    def __init__(
        self,
        wire: Wire,
        entry: Entry,
        fault: Fault | None,
        *,
        charge: Callable[[int], bool],
        before_end: Callable[[], None],
        request_id: str,
    ) -> None:
        self._wire = wire
        self._entry = entry
        self._fault = fault
        self._charge = charge
        self._before_end = before_end
        self._request_id = request_id
        self._events = 0
        self._tokens = 0
        self._bytes = 0
        self._breaks: Fault | None = None
        self._drips = False

    async def stream(self, frames: Iterable[Frame], pace: Pace) -> str:
        """Sends a stream and answers how it ended: `complete` or `fault:<kind>`."""
        for frame in frames:
            while await pace.wants_ping(frame.tokens):
                await self._frame(PING)
            if self._charge(frame.tokens):
                await self._error_event("rate_limit_error", None)
                return OUTPUT_OVERRUN
            offset = self._offset(len(frame.data))
            if offset is not None:
                if self._fault is not None and self._fault.kind == "cut_frame":
                    offset = offset or len(frame.data) // 2
                await self._send(frame.data[:offset])
                if ended := await self._strike():
                    return ended
            await self._frame(frame, skip=offset or 0)
        if self._offset(1) is not None and (ended := await self._strike()):
            return ended
        await self._end()
        return COMPLETE

    async def document(self, data: bytes) -> str:
        """Sends a body that is no stream and answers how it ended."""
        offset = place_in_document(data, self._fault)
        if (
            offset is not None
            and self._fault is not None
            and self._fault.kind not in _BREAKS_A_DELTA | {"error_event"}
        ):
            await self._send(data[:offset])
            if ended := await self._strike(ping=b" "):
                return ended
            data = data[offset:]
        self._before_end()
        await self._send(data)
        await self._end()
        return COMPLETE

    def _offset(self, length: int) -> int | None:
        """At which of the next `length` bytes the fault strikes; None: not among these."""
        fault = self._fault
        if fault is None:
            return None
        if fault.byte is None:
            return 0 if self._events == (fault.event or 0) else None
        offset = fault.byte - self._bytes
        if fault.kind in _AT_FRAME_ENDS:
            return 0 if offset <= 0 else None
        return offset if 0 <= offset < length else None

    async def _strike(self, ping: bytes = PING.data) -> str | None:
        """Lets the fault happen; how the body ended, or None when it goes on."""
        fault, self._fault = self._fault, None
        if fault is None:
            return None
        match fault.kind:
            case "stall" if fault.seconds is not None:
                await asyncio.sleep(fault.seconds)
                return None
            case "drip":
                self._drips = True
                return None
            case "malformed_json" | "invalid_utf8":
                self._breaks = fault
                return None
            case "stall" | "stall_with_pings":
                await self._hang(fault, ping)
            case "error_event":
                await self._error_event(fault.error_type or "overloaded_error", fault.message)
            case "eof" | "cut_frame":
                await self._end()
            case _:
                await self._break_off(fault)
        return f"fault:{fault.kind}"

    async def _hang(self, fault: Fault, ping: bytes) -> None:
        """Until the client goes, which cancels this."""
        if fault.kind == "stall":
            await asyncio.get_running_loop().create_future()
        while True:
            await asyncio.sleep(_PING_PERIOD if fault.seconds is None else fault.seconds)
            await self._frame(Frame(ping))

    async def _error_event(self, error_type: str, message: str | None) -> None:
        self._before_end()
        await self._frame(error_frame(error_type, message or message_for(error_type), self._request_id))
        await self._end()

    async def _break_off(self, fault: Fault) -> None:
        """Ends the connection within the body: by a reset, or by a close before the last chunk."""
        self._before_end()
        self._wire.close_after = True
        self._entry.end(f"fault:{fault.kind}")
        if fault.kind == "reset":
            await self._wire.reset()
        else:
            self._wire.close()

    async def _frame(self, frame: Frame, skip: int = 0) -> None:
        data = frame.data
        if frame.kind == "message_stop":
            self._before_end()
        tokens = frame.tokens
        if self._breaks is not None and frame.kind == "content_block_delta":
            data, self._breaks, tokens = _broken(data, self._breaks), None, 0
        await self._send(data[skip:])
        self._events += 1
        self._tokens += tokens
        self._entry.update(events_sent=self._events, tokens_sent=self._tokens)

    async def _send(self, data: bytes) -> None:
        size = _DRIP_SIZE if self._drips else max(1, len(data))
        for start in range(0, len(data), size):
            await self._wire.body(data[start : start + size])
            if self._drips:
                await asyncio.sleep(_DRIP_PAUSE)
        self._bytes += len(data)
        self._entry.update(bytes_sent=self._bytes)

    async def _end(self) -> None:
        self._before_end()
        await self._wire.end()


def place_in_document(data: bytes, fault: Fault | None) -> int | None:
    """Where a fault strikes a body that is no stream: at its byte, else in the middle; None: not at all."""
    if fault is None or fault.place != "body":
        return None
    if fault.byte is None:
        return 0 if fault.kind == "drip" else len(data) // 2
    return fault.byte if fault.byte <= len(data) else None


def spoiled(data: bytes, fault: Fault | None, request_id: str) -> bytes:
    """The JSON body as a fault changes it that changes what is sent, not how."""
    offset = place_in_document(data, fault)
    if fault is None or offset is None:
        return data
    if fault.kind == "error_event":
        error_type = fault.error_type or "overloaded_error"
        message = fault.message or message_for(error_type)
        return json.dumps(error_body(error_type, message, request_id=request_id)).encode()
    if fault.kind in _BREAKS_A_DELTA:
        wrong = (
            b"\x00" if fault.kind == "malformed_json" else b"\xff"
        )  # neither may stand in JSON, in or outside a string
        return data[:offset] + wrong + data[offset + 1 :]
    return data


def _broken(data: bytes, fault: Fault) -> bytes:
    """A delta frame whose JSON has no end, or holds bytes that are no UTF-8."""
    if fault.kind == "malformed_json":
        return data[: data.rindex(b"}")].rstrip() + b"\n\n"
    end = data.rindex(b'"')
    return data[:end] + b"\xff\xfe\xc3" + data[end:]
