"""Bytes to text: the encoding is told, and what is no text is refused with what it is."""

# ruff: noqa: RUF001 - several alphabets

from __future__ import annotations

import io
import struct
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from seawall_files import UnsuitableFileError
from seawall_files.decoding import PIECE, decoded


class Trickle(io.BytesIO):
    """A file that gives few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._size = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._size)


def text_of(data: bytes, encoding: str | None = None, *, size: int = PIECE) -> str:
    return "".join(decoded(Trickle(data, size), "f", encoding))


def refusal(data: bytes, encoding: str | None = None) -> str:
    with pytest.raises(UnsuitableFileError) as caught:
        text_of(data, encoding)
    assert caught.value.path == "f"
    return str(caught.value)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=60)


@given(texts, st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]), st.integers(4, 9))
def test_a_byte_order_mark_tells_the_encoding(text: str, encoding: str, size: int) -> None:
    assert text_of(text.encode(encoding), size=size) == text


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\0\0\xfe\xff", "utf-32-be")],
)
def test_either_order_of_bytes_is_told_by_its_mark(mark: bytes, encoding: str) -> None:
    assert text_of(mark + "Grüße\n名".encode(encoding), size=5) == "Grüße\n名"


@given(texts, st.integers(1, 9))
def test_without_a_mark_it_is_utf_8_however_it_is_cut(text: str, size: int) -> None:
    data = text.encode()
    try:
        assert text_of(data, size=size) == text
    except UnsuitableFileError:
        # so few bytes may end in the middle of the first character that is not ASCII
        assert size < 4


@given(texts, st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32", "utf-7"]), st.integers(1, 9))
def test_an_encoding_that_is_given_is_used(text: str, encoding: str, size: int) -> None:
    assert text_of(text.encode(encoding), encoding, size=size) == text


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "\u2028"])
def test_line_ends_stay_as_they_are(ends: str) -> None:
    text = ends.join(["one", "two", "", "three", ""])
    assert text_of(text.encode()) == text


LEGACY = {
    "cp1252": "Die Straße führt über den Fluß; „schön“ ist es dort – nicht wahr? Ça coûte 5 € à l’été.\n",
    "latin_1": "Les élèves étudient à l'école où ils ont été admis; ça leur plaît.\n",
    "cp1252 ": "El niño comió piñas en la montaña; ¿qué hará mañana? ¡Adiós, señor!\n",
    "cp1252  ": "Ação e coração não são tão difíceis; você já viu a manhã?\n",
    "cp1250": "Příliš žluťoučký kůň úpěl ďábelské ódy. Všichni lidé rodí se svobodní.\n",
    "cp1251": "Съешь ещё этих мягких французских булок, да выпей же чаю. Это проверка кодировки.\n",
    "koi8_r": "Съешь ещё этих мягких французских булок, да выпей же чаю. Это проверка кодировки.\n",
    "shift_jis": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n",
    "euc_jp": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n",
    "gb18030": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。\n",
    "big5": "人人生而自由,在尊嚴和權利上一律平等。他們賦有理性和良心,並應以兄弟關係的精神相對待。\n",
    "euc_kr": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.\n",
    "cp1253": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.\n",
}


@pytest.mark.parametrize("encoding", LEGACY)
@pytest.mark.parametrize("head", ["", "plain,ascii,header\n" * 20_000], ids=["at once", "after much ASCII"])
def test_a_legacy_encoding_is_told_by_its_bytes(encoding: str, head: str) -> None:
    text = head + LEGACY[encoding] * 40
    assert text_of(text.encode(encoding.strip())) == text


def test_a_long_file_in_a_legacy_encoding_is_read_to_its_end() -> None:
    text = LEGACY["gb18030"] * 20_000
    assert text_of(text.encode("gb18030")) == text


def test_utf_8_that_ends_in_a_character_says_where() -> None:
    said = refusal("Grüße".encode() + b"\xe2\x82")
    assert said.startswith("'f' is not utf-8 from byte 7 on (unexpected end of data)")


def test_bytes_that_are_not_in_the_encoding_say_where() -> None:
    data = ("ü" * PIECE).encode() + b"\xff" + b"x" * 10
    said = refusal(data)
    assert f"is not utf-8 from byte {2 * PIECE:,} on (invalid start byte)" in said
    assert "'f' is not ascii from byte 1 on" in refusal(b"a\x80", "ascii")


def test_a_text_without_the_mark_of_the_encoding_that_is_given_is_not_in_it() -> None:
    assert "'f' is not utf-16" in refusal("Grüße".encode("utf-16-le"), "utf-16")
    assert text_of("Grüße".encode("utf-16-le"), "utf-16-le") == "Grüße"


def test_an_encoding_that_there_is_not_is_a_lookup_error() -> None:
    for encoding in ("klingon", "hex"):
        with pytest.raises(LookupError, match=encoding):
            text_of(b"x", encoding)


def test_an_empty_file_is_an_empty_text() -> None:
    assert text_of(b"") == ""


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "x" * 100)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 3, 4), "Portable Network Graphics"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 60, "ELF executable"),
        (b"SQLite format 3\0" + b"\0" * 90, "SQLite"),
        (b"\x1f\x8b\x08" + b"\0" * 20, "GZIP"),
        (zipped(), "seems to be a binary file ("),
        (b"\0" * 100, "is a binary file: it holds zero bytes"),
        (b"a\0b", "is a binary file: it holds zero bytes"),
    ],
)
def test_a_binary_file_is_refused_with_what_it_is(data: bytes, kind: str) -> None:
    said = refusal(data)
    assert kind in said
    assert "give its encoding if it is text" in said


def test_a_pdf_is_no_text_even_where_it_is_ascii() -> None:
    assert "is a PDF and no text; content_block takes it" in refusal(b"%PDF-1.7\n1 0 obj\n")


def test_a_zero_byte_far_behind_is_refused_with_its_place() -> None:
    assert f"is no text: byte {PIECE + 5:,} is zero" in refusal(b"x" * (PIECE + 5) + b"\0y")
    assert f"byte {PIECE + 7:,} is zero" in refusal("ü".encode() + b"x" * (PIECE + 5) + b"\0")


@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    with suppress(UnsuitableFileError):
        assert isinstance(text_of(data), str)
