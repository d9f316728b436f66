"""Between the engine and the SDK: derives requests, keeps the current response, builds what the caller gets.

Everything here is the same for sync and async clients and waits for nothing. P1-P11 are the pitfalls of
SDK.md, section 3.
"""

import json
import weakref
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import suppress
from typing import Any

import anthropic
import httpx2
from anthropic import APIRequest, APIResponse, AsyncAPIResponse, AsyncStream, NotGiven, Stream
from anthropic.types import RawMessageStreamEvent
from anthropic.types.beta import BetaRawMessageStreamEvent

from seawall import wire_errors
from seawall.frames import events_of, frame_of
from seawall.platform_streams import decoder_of, reading_frames
from seawall.steps import Accepted, Send

_MESSAGES_PATH = "/v1/messages"
_DESCRIBES_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that no longer hold for a body that was decoded."""

_NOTHING = httpx2.ByteStream(b"")

AnyResponse = APIResponse[Any] | AsyncAPIResponse[Any]


def is_message_request(request: APIRequest) -> bool:
    """Whether the request creates a message; beta calls arrive under the same path (P10)."""
    is_post = request.method.lower() == "post" and isinstance(request.json, Mapping)
    return is_post and httpx2.URL(request.url).path == _MESSAGES_PATH


def is_beta(request: APIRequest) -> bool:
    """Whether the request came from `client.beta` (P10)."""
    return (request.options.qualifiers or {}).get("beta") == "true"


def repaired(request: APIRequest, result: Any) -> Any:
    """Return what a middleware may return for `result`: no bare response with an error status (P1)."""
    if isinstance(result, httpx2.Response) and not result.is_success:
        kind: Any = AsyncAPIResponse if isinstance(result.stream, httpx2.AsyncByteStream) else APIResponse
        # without a client: only its status and body are looked at
        asked: dict[str, Any] = {"cast_to": request.cast_to, "options": request.options}
        return kind(raw=result, client=None, stream=False, stream_cls=None, **asked)
    return result


def _is_json(response: httpx2.Response) -> bool:
    return bool(response.headers.get("content-type", "").lower().startswith("application/json"))


def _as_frames(response: httpx2.Response) -> bytes:
    """The message of a JSON answer, or its error, as frames; what is neither as it is."""
    try:
        answer = response.json()
        is_error = isinstance(answer, dict) and answer.get("type") == "error"
        return b"".join(map(frame_of, [answer] if is_error else events_of(answer)))
    except (ValueError, LookupError, TypeError, RecursionError):
        return response.content


def _forget_body(response: httpx2.Response) -> None:
    """Let go of the body that was sent for a response: it holds the prompt, and the text so far, once more.

    What never went over a connection stays as it is: a test that took the place of one may look at it.
    """
    if "network_stream" in response.extensions and isinstance(response.request.stream, httpx2.ByteStream):
        vars(response.request).pop("_content", None)
        # emptied, not replaced: the connection has a hand on it as well
        httpx2.ByteStream.__init__(response.request.stream, b"")


class _Decoded(httpx2.Response):
    """A response whose body needs no decoding: bytes pass as they come.

    On the path of every chunk: `iter_raw` would cut each into pieces of one.
    """

    stream: Any

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        return self._passed() if self._passes(chunk_size) else super().iter_bytes(chunk_size)

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        return self._apassed() if self._passes(chunk_size) else super().aiter_bytes(chunk_size)

    def _passes(self, chunk_size: int | None) -> bool:
        is_over = self.is_stream_consumed or self.is_closed
        return chunk_size is None and not is_over

    def _passed(self) -> Iterator[bytes]:
        self.is_stream_consumed, self._num_bytes_downloaded = True, 0
        try:
            for data in self.stream:
                self._num_bytes_downloaded += len(data)
                yield data
        finally:
            self.close()

    async def _apassed(self) -> AsyncGenerator[bytes, None]:
        self.is_stream_consumed, self._num_bytes_downloaded = True, 0
        try:
            async for data in self.stream:
                self._num_bytes_downloaded += len(data)
                yield data
        finally:
            await self.aclose()


class Exchange:
    """One call's dealings with the SDK: the request it made, the current response, the reply it gets."""

    def __init__(self, request: APIRequest, client: Any, *, is_async: bool) -> None:
        self._request = request
        self._client = client
        self._is_async = is_async
        self._answered_by: Any = None
        """The client that made the current response; `None` where it is another middleware's answer."""
        self._retries_taken = request.retries_taken
        self._foreign: Any = None
        """What the caller gets, if that is the current response as it came."""
        self._stand_in_ref: weakref.ref[httpx2.Response] | None = None
        """Weak: the response holds the driver that holds this."""
        self.response: httpx2.Response | None = None
        """The current response of the server."""

    def derived(self, send: Send) -> APIRequest:
        """Return the request of one attempt. Not `request.copy()`, which copies the body in depth (P7)."""
        if self.response is not None and self._stand_in_ref is None:
            _forget_body(self.response)  # no caller will see it
        options = self._request.options.model_copy()
        options.json_data = dict(send.params)
        if send.headers:
            options.headers = {**self._request.headers, **send.headers}
        if send.timeout is not None:
            options.timeout = httpx2.Timeout(send.timeout, connect=min(self._connect_timeout, send.timeout))
        stream_cls = self._request.stream_cls
        if send.stream and not self._request.stream:
            event = BetaRawMessageStreamEvent if is_beta(self._request) else RawMessageStreamEvent
            stream_cls = AsyncStream[event] if self._is_async else Stream[event]  # type: ignore[valid-type]
        return APIRequest(
            options=options,
            cast_to=self._request.cast_to,
            stream=send.stream,
            stream_cls=stream_cls,
            retries_taken=self._request.retries_taken + send.retries,
        )

    def told(self, error: anthropic.AnthropicError) -> anthropic.AnthropicError:
        """The error with which an attempt was not answered, or refused, as a caller is told of it."""
        if isinstance(error, anthropic.APIConnectionError) and self._client.is_closed():
            closed = wire_errors.ClientClosedError(error.request)
            closed.__cause__ = error
            return closed
        return wire_errors.told(error)

    def take(self, result: Any) -> httpx2.Response | None:
        """Make what the rest of the chain returned the current response; `None` when it is no response.

        It is never parsed here: the caller's `post_parser` would meet a stream (P5).
        """
        is_api = isinstance(result, APIResponse | AsyncAPIResponse)
        self._answered_by = result._client if is_api else None  # noqa: SLF001
        self._retries_taken = result.retries_taken if is_api else self._request.retries_taken
        self._foreign = result
        self.response = result.http_response if is_api else result
        if not isinstance(self.response, httpx2.Response):
            self.response = None
        elif self._stand_in_ref is not None:
            _forget_body(self.response)  # the caller has the request of an earlier one
            if (stand_in := self._stand_in_ref()) is not None:
                stand_in.extensions.update(self.response.extensions)  # and the connection of this one
        return self.response

    def accepted(self, send: Send) -> Accepted | anthropic.APIStatusError:
        """What the engine hears about the current response; an error status must have been read."""
        response = self.response
        if response is None:
            return Accepted(response=None, status=200, body=b"", is_foreign=True)
        if not response.is_success:
            return self._client._make_status_error_from_response(response)  # type: ignore[no-any-return] # noqa: SLF001
        status, headers = response.status_code, response.headers
        if send.stream:
            self._foreign = None  # it would hold the parameters, and with them the text so far, once more
            return Accepted(response, status, None, headers)
        # a caller of the raw `client.post` may expect anything at all
        return Accepted(response, status, response.content, headers, is_foreign=self._answered_by is None)

    @property
    def _connect_timeout(self) -> float:
        """Seconds in which a connection must be made: the caller's own, or the SDK's."""
        given = self._request.timeout
        chosen = self._client.timeout if isinstance(given, NotGiven) else given
        seconds = chosen.connect if isinstance(chosen, httpx2.Timeout) else None
        return 5.0 if seconds is None else seconds

    @property
    def http_request(self) -> httpx2.Request:
        """The HTTP request of the current response; before there is one, where it would go."""
        if self.response is not None:
            return self.response.request
        return httpx2.Request("POST", httpx2.URL(str(self._client.base_url)).join(_MESSAGES_PATH))

    def body(self, send: Send) -> Any:
        """The body of the current response to a request for a stream, for the iteration of the client's kind.

        A gateway that does not stream sends the message as JSON; its body must have been read.
        """
        response, is_async = self.response, self._is_async
        if response is None or not send.stream:
            return _NOTHING
        if _is_json(response):
            return httpx2.ByteStream(_as_frames(response))
        if response.is_stream_consumed or response.is_closed or "content-encoding" in response.headers:
            body: Any = response.aiter_bytes() if is_async else response.iter_bytes()
        else:
            body = response.stream  # its bytes can pass as they come
        decoder = decoder_of(self._answered_by)
        if decoder is None:
            return body
        return decoder.aframes(body) if is_async else decoder.frames(body)

    def must_read(self, send: Send) -> bool:
        """Whether the body is to be read at once: it is no stream."""
        response = self.response
        return response is not None and not (send.stream and response.is_success and not _is_json(response))

    # -- what the caller gets

    def streamed(self, body: httpx2.SyncByteStream | httpx2.AsyncByteStream) -> AnyResponse:
        """The response of a caller that streams, with `body` in the place of the server's."""
        return self._reply("text/event-stream; charset=utf-8", stream=body)

    def whole(self, message: Mapping[str, Any] | None) -> Any:
        """The response of a caller that waits; without a message the current one, as it came."""
        if message is None:
            return self._foreign
        reply = self._reply("application/json", content=json.dumps(message).encode())
        self.note_elapsed()
        return reply

    def note_elapsed(self) -> None:
        """Tell the response the caller has how long it took, as the server's knows once closed (P11)."""
        stand_in = self._stand_in_ref() if self._stand_in_ref is not None else None
        if stand_in is not None and self.response is not None:
            with suppress(RuntimeError):  # a response that came without a connection does not know
                stand_in.elapsed = self.response.elapsed

    def _reply(self, content_type: str, **body: Any) -> AnyResponse:
        """The SDK's response around one that stands in for the server's, with another body."""
        original = self.response
        if original is None or not original.is_success:
            # a plugin answers, perhaps after the server refused
            original = httpx2.Response(200, request=self.http_request)
        headers = original.headers.copy()
        for name in _DESCRIBES_THE_WIRE:
            headers.pop(name, None)
        headers["content-type"] = content_type
        stand_in = _Decoded(
            original.status_code,
            headers=headers,
            request=original.request,
            extensions=original.extensions,
            history=original.history,
            **body,
        )
        self._stand_in_ref = weakref.ref(stand_in)
        kind: type[AnyResponse] = AsyncAPIResponse if self._is_async else APIResponse
        return kind(
            raw=stand_in,
            cast_to=self._request.cast_to,
            client=reading_frames(self._client if self._answered_by is None else self._answered_by),
            stream="stream" in body,
            stream_cls=self._request.stream_cls,
            options=self._request.options,
            retries_taken=self._retries_taken,
        )
