"""PDFs that the API takes, and their tokens, by the number of their pages.

Limits and formula: documentation of November 2026, "PDF support".
"""

import io
import re
from typing import Final

import pypdf
from pypdf.errors import DependencyError, PyPdfError

from seawall_files.errors import UnsuitableFileError

_MOST_PAGES: Final = 600
_MOST_PAGES_SMALL: Final = 100
_IS_SMALL: Final = re.compile(r"claude-(?:instant|2|3|(?:opus|sonnet|haiku)-4(?!-[6-9]))")
"""Models with a context window of 200,000 tokens."""
_PAGE_IMAGE: Final = 1568
_PAGE_TEXT: Final = 1500
"""Tokens of the image of a page, and of its text; small print makes up to twice as much text."""
_BYTES_A_TOKEN: Final = 12
"""Of a PDF with little on its pages; fonts take most of it."""
_FOREIGN: Final = (
    PyPdfError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What the parser raises for files that are none."""


def tokens(data: bytes, name: str, model: str) -> int:
    """Return about how many tokens `model` reads of a PDF.

    Raises:
        UnsuitableFileError: It is more than the API takes, encrypted, or damaged.
    """
    pages = _pages(data, name)
    most = _MOST_PAGES_SMALL if _IS_SMALL.search(model) else _MOST_PAGES
    if pages > most:
        raise UnsuitableFileError(
            name, f"has {pages:,} pages; the API takes {most:,} in a request to {model!r}: split it"
        )
    return pages * (_PAGE_IMAGE + min(_PAGE_TEXT, len(data) // _BYTES_A_TOKEN // pages))


def _pages(data: bytes, name: str) -> int:
    encrypted = UnsuitableFileError(name, "is encrypted; the API takes no PDF with a password")
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted:
            raise encrypted
        pages = len(reader.pages)
    except DependencyError:
        raise encrypted from None
    except _FOREIGN as error:
        raise UnsuitableFileError(name, f"is a damaged PDF: {error}") from error
    if not pages:
        raise UnsuitableFileError(name, "is a PDF without pages")
    return pages
