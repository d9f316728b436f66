"""Bytes of a file to text, piece by piece: which encoding it is in, and whether it is text at all."""

import codecs
import itertools
from collections.abc import Iterator
from typing import BinaryIO, Final

import charset_normalizer
import puremagic

from seawall_files.errors import UnsuitableFileError

PIECE: Final = 256 * 1024
"""Bytes that are decoded at a time."""
_SAMPLE: Final = 64 * 1024
"""Bytes by which an encoding is guessed."""
_HEAD: Final = 4096
"""Bytes by which a kind of file is known."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # before UTF-16, with whose mark it begins
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_USUAL: Final = "cp1252"
"""Of most texts that are older than UTF-8, and the default of the WHATWG's encoding standard."""
_AS_WELL: Final = 0.1
"""Of the mess that charset-normalizer sees in a text, from 0 to 1."""
_GIVE: Final = "give its encoding if it is text"


def decoded(file: BinaryIO, name: str, encoding: str | None = None) -> Iterator[str]:
    """Yield the text of a file in pieces; line ends stay what they are.

    Without an `encoding`, a byte order mark tells, else it is UTF-8 or, where it is not, what
    charset-normalizer takes the first other bytes for: Western European where that fits as well.
    Bytes that no encoding explains are no text.

    Raises:
        UnsuitableFileError: It is no text, or not in its encoding all through.
        LookupError: There is no such encoding.
        OSError: It cannot be read.
    """
    pieces = iter(lambda: file.read(PIECE), b"")
    first = next(pieces, b"")
    found = encoding or next((found for mark, found in _MARKS if first.startswith(mark)), None)
    at = 0
    if found is None:
        _check_head(first, name)
        # plain ASCII says nothing about the bytes to come
        for piece in itertools.chain([first], pieces):
            _check_bytes(piece, at, name)
            if not piece.isascii():
                first, found = piece, _guess(piece, at, name)
                break
            yield piece.decode("ascii")
            at += len(piece)
        else:
            return
    b"\0\0\0\0".decode(found, "replace")  # the error of a codec that makes no text
    is_wide = codecs.lookup(found).name.startswith(("utf-16", "utf-32"))
    decoder = codecs.getincrementaldecoder(found)()
    for piece in itertools.chain([first], pieces, [b""]):
        if encoding is None and not is_wide:
            _check_bytes(piece, at, name)
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            raise UnsuitableFileError(
                name,
                f"is not {found} from byte {at - held + error.start:,} on ({error.reason}); "
                "give its encoding, or mend it",
            ) from error
        except UnicodeError as error:
            # where UTF-16 or UTF-32 lacks its mark, which says no place
            why = f"is not {found}: {error}; give its encoding, or mend it"
            raise UnsuitableFileError(name, why) from error
        if text:
            yield text
        at += len(piece)


def kind_of(head: bytes, name: str) -> str | None:
    """Return what a file seems to be by how it begins; `None` when nothing is known that begins so."""
    try:
        found = puremagic.magic_string(head[:_HEAD], name)
    except (puremagic.PureError, ValueError):
        return None
    # a run of zeros begins more than one kind
    return next((match.name.strip() for match in found if match.byte_match.strip(b"\0")), None)


def _check_head(head: bytes, name: str) -> None:
    # some are ASCII to the end
    if head.startswith(b"%PDF-"):
        raise UnsuitableFileError(name, "is a PDF and no text; content_block takes it as a document")
    if b"\0" in head:
        kind = kind_of(head, name)
        what = f"seems to be a binary file ({kind})" if kind else "is a binary file: it holds zero bytes"
        raise UnsuitableFileError(name, f"{what}; {_GIVE}, such as utf-16-le")


def _check_bytes(piece: bytes, at: int, name: str) -> None:
    if (place := piece.find(b"\0")) >= 0:
        raise UnsuitableFileError(name, f"is no text: byte {at + place:,} is zero; {_GIVE}")


def _guess(piece: bytes, at: int, name: str) -> str:
    """Return the encoding of the first bytes that are not ASCII."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(piece)
    except UnicodeDecodeError as error:
        found = charset_normalizer.from_bytes(_sample(piece, error.start))
    else:
        return "utf-8"
    if best := found.best():
        # of those that fit as well it takes the first by name, such as cp1250 for most French and German
        likely = (fit for fit in found if _USUAL in (fit.encoding, *fit.could_be_from_charset))
        return _USUAL if any(fit.chaos <= best.chaos + _AS_WELL for fit in likely) else best.encoding
    kind = kind_of(piece, name) if at == 0 else None
    what = f"seems to be a binary file ({kind})" if kind else "is no text in an encoding that can be told"
    raise UnsuitableFileError(name, f"{what}; {_GIVE}")


def _sample(piece: bytes, place: int) -> bytes:
    """Return whole lines from that of `place` on, where there are lines."""
    begin = piece.rfind(b"\n", 0, place) + 1
    sample = piece[begin : begin + _SAMPLE]
    # a character cut in two at the end would rule out its encoding
    end = sample.rfind(b"\n") + 1
    return sample[:end] if begin + end > place else sample
