"""A file as a content block of a request: text, image or PDF, within what the API takes."""

import base64
import io
import json
from typing import Any, BinaryIO, Final, NamedTuple

from seawall import estimate_tokens
from seawall_files import pictures
from seawall_files.decoding import decoded
from seawall_files.errors import UnsuitableFileError
from seawall_files.sources import DEFAULT_MODEL, Source, opened

_MOST: Final = 32 * 2**20
"""Bytes of a request (documentation, "Errors")."""


class Content(NamedTuple):
    """A content block and what it costs."""

    block: dict[str, Any]
    """As `messages.create` takes it in the content of a user message."""
    tokens: int
    """Input tokens, estimated."""


def content_block(source: Source, *, model: str = DEFAULT_MODEL, encoding: str | None = None) -> Content:
    """Return a file as a content block; whether it is an image, a PDF or text is told by its bytes.

    Args:
        source: A path, or a file open for reading bytes.
        model: That the block is for.
        encoding: Of a text; by default told by its bytes.

    Raises:
        UnsuitableFileError: It is something else, or more than the API takes.
        OSError: It cannot be read.
    """
    with opened(source) as (file, name):
        data = _read(file, _MOST + 1)
    if len(data) > _MOST:
        raise _too_large(name, f"more than {_MOST:,} bytes")
    if encoding is None and (media_type := pictures.media_type(data)):
        tokens = pictures.tokens(data, name, model)
        return Content(_block("image", data, media_type, name), tokens)
    if encoding is None and data.startswith(b"%PDF-"):
        from seawall_files import pdf  # noqa: PLC0415 - a third of a second

        tokens = pdf.tokens(data, name, model)
        return Content(_block("document", data, "application/pdf", name), tokens)
    text = "".join(decoded(io.BytesIO(data), name, encoding))
    if not text.strip():
        raise UnsuitableFileError(name, "is empty; the API takes no empty block")
    _check(len(json.dumps(text, ensure_ascii=False).encode(errors="surrogatepass")), name)
    return Content({"type": "text", "text": text}, estimate_tokens(text, model))


def _read(file: BinaryIO, size: int) -> bytes:
    """Return the first `size` bytes, less only of a file that has less: a pipe may give what is there."""
    pieces = []
    while size and (piece := file.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _block(kind: str, data: bytes, media_type: str, name: str) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    _check(len(encoded), name)
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": encoded}}


def _check(size: int, name: str) -> None:
    if size > _MOST:
        raise _too_large(name, f"{size:,} bytes")


def _too_large(name: str, size: str) -> UnsuitableFileError:
    return UnsuitableFileError(
        name, f"makes {size} of a request, which may have {_MOST:,}; split it, or upload it by the Files API"
    )
