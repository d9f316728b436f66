"""How many tokens an image is, by its size as the head of its file tells it; no image is decoded.

One token for each patch of 28 x 28 pixels, after an image too large for the model was made smaller: to 1568
pixels on the long edge and 1568 tokens, or 2576 and 4784 since Claude 4.7 (documentation, "Vision").
"""

import base64
import binascii
import math
import re
import struct
from dataclasses import dataclass
from typing import Final

from seawall_tokens.families import Family

_PATCH: Final = 28
_HEAD: Final = 64 * 1024
"""Characters of base64 that are looked at: a JPEG may hold a thumbnail before its size."""
_WEBP_HEAD: Final = 30
"""Bytes of a WebP up to the end of its size, in the longest of its three forms."""
_JPEG_SIZE: Final = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]")


@dataclass(frozen=True, slots=True)
class ImageLimit:
    """The largest image that a model looks at."""

    edge: int
    """Pixels."""
    tokens: int


_STANDARD: Final = ImageLimit(1568, 1568)
_HIGH: Final = ImageLimit(2576, 4784)


def image_limit(of: Family) -> ImageLimit:
    """Return the largest image the models of a family look at."""
    return _HIGH if of == "claude-4.7" else _STANDARD


def image_tokens(width: int, height: int, limit: ImageLimit) -> int:
    """Return the tokens of an image of `width` x `height` pixels."""
    scale = min(1.0, limit.edge / max(width, height, 1))
    across, down = (math.ceil(max(side * scale, 1) / _PATCH) for side in (width, height))
    return min(across * down, limit.tokens)


def image_size(data: str) -> tuple[int, int] | None:
    """Return width and height of a PNG, JPEG, GIF or WebP in base64; `None` when its head does not tell."""
    try:
        head = base64.b64decode(data[:_HEAD])
    except (binascii.Error, ValueError):
        return None
    try:
        return _size(head)
    except (struct.error, IndexError):
        return None


def _size(head: bytes) -> tuple[int, int] | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _pair(">II", head, 16)
    if head.startswith((b"GIF87a", b"GIF89a")):
        return _pair("<HH", head, 6)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp(head)
    if head.startswith(b"\xff\xd8"):
        return _jpeg(head)
    return None


def _pair(layout: str, head: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(layout, head, at)
    return first, second


def _webp(head: bytes) -> tuple[int, int] | None:
    if len(head) < _WEBP_HEAD:
        return None
    match head[12:16]:
        case b"VP8X":
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
        case b"VP8 ":
            width, height = _pair("<HH", head, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:  # noqa: PLR2004 - the byte a marker begins with
        if _JPEG_SIZE.match(head, at):
            height, width = _pair(">HH", head, at + 5)
            return width, height
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None
