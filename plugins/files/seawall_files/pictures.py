"""Images that the API takes, and their tokens, by the head of their files; none is decoded.

Limits and formula: documentation of November 2026, "Vision". Bedrock and Vertex take half as many bytes.
"""

import io
import math
import re
import struct
from typing import Final

import imagesize  # type: ignore[import-untyped] # it has annotations, and does not say so

from seawall_files.errors import UnsuitableFileError

_MOST: Final = 10 * 2**20
"""Characters of an image in base64."""
_LONGEST_EDGE: Final = 8000
"""Pixels; 2000 in a request with more than 20 images."""
_PATCH: Final = 28
"""Pixels; a square of so many is a token."""
_STANDARD: Final = (1568, 1568)
_HIGH: Final = (2576, 4784)
"""Pixels of an edge and tokens, to which an image is made smaller; the second since Claude 4.7."""
_IS_STANDARD: Final = re.compile(r"claude-(?:instant|2|3|(?:opus|sonnet|haiku)-4(?!-[7-9]))")
_HEADS: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
)


def media_type(data: bytes) -> str | None:
    """Return the media type of an image that the API takes; `None` for whatever else."""
    return next((kind for head, kind in _HEADS if head.match(data)), None)


def tokens(data: bytes, name: str, model: str) -> int:
    """Return the tokens that `model` reads of an image.

    Raises:
        UnsuitableFileError: It is more than the API takes, or damaged.
    """
    encoded = (len(data) + 2) // 3 * 4
    if encoded > _MOST:
        raise UnsuitableFileError(
            name, f"is an image of {encoded:,} bytes in base64; the API takes {_MOST:,}: make it smaller"
        )
    width, height = _size(data, name)
    if max(width, height) > _LONGEST_EDGE:
        raise UnsuitableFileError(
            name,
            f"is an image of {width:,} x {height:,} pixels; the API takes {_LONGEST_EDGE:,}: make it smaller",
        )
    edge, most = _STANDARD if _IS_STANDARD.search(model) else _HIGH
    scale = min(1.0, edge / max(width, height))
    across, down = (math.ceil(max(side * scale, 1) / _PATCH) for side in (width, height))
    return min(across * down, most)


def _size(data: bytes, name: str) -> tuple[int, int]:
    try:
        width, height = imagesize.get(io.BytesIO(data))
    except (ValueError, LookupError, ArithmeticError, struct.error, OSError) as error:
        raise UnsuitableFileError(name, f"is a damaged image: {error}") from error
    if width < 1 or height < 1:
        raise UnsuitableFileError(name, "is a damaged image: it does not tell its size")
    return width, height
