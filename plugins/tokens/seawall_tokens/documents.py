"""How many pages a PDF has, by its raw bytes.

A page costs the tokens of its image and 1,500 to 3,000 for its text (documentation, "PDF support").
"""

import base64
import binascii
import re
from typing import Final

PAGE_TEXT: Final = 1500
"""Tokens of the text of a page, and twice that at most."""
PAGE_IMAGE: Final = 1568
"""Tokens of the image of a page; of the recorded models, those that see larger images draw none larger."""
_BYTES_A_TOKEN: Final = 12
"""Of a file with little on its pages; fonts take most of it."""
_PART: Final = 400_000
"""Characters of base64 looked at from each end of a file; a multiple of 4."""
_BYTES_A_PAGE: Final = 50_000
"""Of a file that hides its pages in compressed streams."""
_COUNT: Final = re.compile(rb"/Count\s+(\d{1,5})\b")
_LINEARIZED: Final = re.compile(rb"/Linearized.{0,200}?/N\s+(\d{1,5})\b", re.DOTALL)
_PAGE: Final = re.compile(rb"/Type\s*/Page\b")


def pages(data: str) -> tuple[int, bool]:
    """Return the pages of a PDF in base64, 1 or more, and whether the file told."""
    found = _found(_bytes_of(data))
    return (found, True) if found else (max(1, len(data) * 3 // 4 // _BYTES_A_PAGE), False)


def page_text(data: str, number: int) -> int:
    """Return the tokens that the text of one of `number` pages of a PDF in base64 may have."""
    return min(PAGE_TEXT, len(data) * 3 // 4 // _BYTES_A_TOKEN // number) if data else PAGE_TEXT


def _found(raw: bytes) -> int:
    if linearized := _LINEARIZED.search(raw, 0, 2048):
        return int(linearized[1])
    counts = (int(count) for count in _COUNT.findall(raw))
    return max(max(counts, default=0), len(_PAGE.findall(raw)))


def _bytes_of(data: str) -> bytes:
    parts = [data] if len(data) <= 2 * _PART else [data[:_PART], data[len(data) // 4 * 4 - _PART :]]
    try:
        return b"".join(map(base64.b64decode, parts))
    except (binascii.Error, ValueError):
        return b""
