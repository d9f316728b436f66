"""Streams of platforms that send no server-sent events, such as Bedrock's: their events become frames."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx2
from anthropic._streaming import ServerSentEvent, SSEDecoder

_NO_LINE_ENDS: Final = str.maketrans("\r\n", "  ")


class ForeignDecoder:
    """The decoder of a platform; what it cannot read breaks the stream.

    Raises:
        httpx2.DecodingError: The body is none of the platform's streams.
    """

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    def frames(self, body: Iterator[bytes]) -> Iterator[bytes]:
        """Return the frames of a body."""
        with _decoding():
            for event in self._decoder.iter_bytes(body):
                yield _frame_of(event)

    async def aframes(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Return the frames of a body."""
        with _decoding():
            async for event in self._decoder.aiter_bytes(body):
                yield _frame_of(event)


def decoder_of(client: Any) -> ForeignDecoder | None:
    """Return the decoder of a client's platform; `None` where it sends frames, or nobody knows."""
    decoder = client._make_sse_decoder() if client is not None else None  # noqa: SLF001
    return None if decoder is None or isinstance(decoder, SSEDecoder) else ForeignDecoder(decoder)


def reading_frames(client: Any) -> Any:
    """Return a client that reads frames: `client`, unless its platform sends none."""
    return client if decoder_of(client) is None else _FramesClient(client)


class _FramesClient:
    """A client whose streams are server-sent events though its platform's are not."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _make_sse_decoder(self) -> SSEDecoder:
        return SSEDecoder()


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except (httpx2.RequestError, httpx2.StreamError):  # of the connection
        raise
    except Exception as error:
        # botocore's errors have no class in common, and botocore may not be there
        raise httpx2.DecodingError(f"{type(error).__name__} in the platform's event stream") from error


def _frame_of(event: ServerSentEvent) -> bytes:
    """The frame of an event; what is no JSON object platforms take for an old text completion."""
    if event.event == "completion":
        raise ValueError("not an event of the Messages API")
    # a line end in JSON is white space, in a frame it would end the data
    return f"event: {event.event}\ndata: {event.data.translate(_NO_LINE_ENDS)}\n\n".encode()
