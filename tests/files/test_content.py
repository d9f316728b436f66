"""Files as content blocks: told by their bytes, and refused where the API would refuse them."""

from __future__ import annotations

import base64
import io
import json
import struct
from typing import TYPE_CHECKING

import pypdf
import pytest
from hypothesis import given, strategies as st

import seawall
from seawall_files import UnsuitableFileError, content_block

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "claude-opus-5-5"
OLD = "claude-sonnet-4-5"


def png(width: int, height: int, padding: int = 0) -> bytes:
    head = struct.pack(">I4sIIBBBBBI", 13, b"IHDR", width, height, 8, 2, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + head + b"\1" * padding


def jpeg(width: int, height: int) -> bytes:
    return (
        b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
        b"\xff\xc0\0\x11\x08" + struct.pack(">HH", height, width) + b"\x03\1\x22\0\2\x11\1\3\x11\1\xff\xd9"
    )


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b";"


def webp(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + size


def pdf(pages: int, password: str | None = None) -> bytes:
    writer = pypdf.PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(100, 100)
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def refusal(data: bytes, model: str = MODEL) -> str:
    file = io.BytesIO(data)
    file.name = "f"
    with pytest.raises(UnsuitableFileError, match=r"^'f' ") as caught:
        content_block(file, model=model)
    return str(caught.value)


# -- text


def test_a_text_is_a_text_block_with_its_tokens(tmp_path: Path) -> None:
    (tmp_path / "f.md").write_text("# Grüße\n\nSome words.\n", encoding="utf-16")
    block, tokens = content_block(tmp_path / "f.md", model=MODEL)
    assert block == {"type": "text", "text": "# Grüße\n\nSome words.\n"}
    assert tokens == seawall.estimate_tokens(block["text"], MODEL)


@pytest.mark.parametrize("data", [b"", b"  \n\t", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_text_is_refused(data: bytes) -> None:
    assert refusal(data) == "'f' is empty; the API takes no empty block"


def test_a_text_larger_than_a_request_is_refused_before_it_is_sent() -> None:
    assert "makes more than 33,554,432 bytes of a request" in refusal(b"x" * (32 * 2**20 + 1))
    # in JSON a quotation mark is two bytes
    assert "makes 35,651,586 bytes of a request, which may have 33,554,432" in refusal(b'"' * (17 * 2**20))


# -- images


@pytest.mark.parametrize(
    ("data", "media_type"),
    [(png(300, 200), "png"), (jpeg(300, 200), "jpeg"), (gif(300, 200), "gif"), (webp(300, 200), "webp")],
)
def test_an_image_is_told_by_its_bytes_whatever_its_name(
    data: bytes, media_type: str, tmp_path: Path
) -> None:
    (tmp_path / "f.txt").write_bytes(data)
    block, tokens = content_block(tmp_path / "f.txt", model=MODEL)
    assert block["type"] == "image"
    assert block["source"]["media_type"] == f"image/{media_type}"
    assert base64.b64decode(block["source"]["data"]) == data
    # 300 / 28 and 200 / 28, rounded up
    assert tokens == 11 * 8
    assert json.dumps(block)


@pytest.mark.parametrize(
    ("size", "model", "tokens"),
    [
        ((28, 28), MODEL, 1),
        ((1, 1), MODEL, 1),
        ((1000, 1000), MODEL, 36 * 36),
        ((1000, 1000), OLD, 36 * 36),
        ((8000, 8000), MODEL, 4784),
        ((8000, 8000), OLD, 1568),
        ((8000, 100), MODEL, 92 * 2),
        ((8000, 100), OLD, 56 * 1),
        ((8000, 100), "claude-3-5-sonnet-20241022", 56),
        ((8000, 100), "claude-opus-4-20250514", 56),
        ((8000, 100), "claude-opus-4-7", 184),
    ],
)
def test_an_image_costs_a_token_for_each_patch_after_it_was_made_smaller(
    size: tuple[int, int], model: str, tokens: int
) -> None:
    assert content_block(io.BytesIO(png(*size)), model=model).tokens == tokens


def test_an_image_larger_than_the_api_takes_is_refused() -> None:
    said = refusal(png(8001, 20))
    assert said == "'f' is an image of 8,001 x 20 pixels; the API takes 8,000: make it smaller"
    assert "is an image of 10,485,8" in refusal(png(20, 20, 10 * 2**20 * 3 // 4))
    content_block(io.BytesIO(png(20, 20, 10 * 2**20 * 3 // 4 - 60)), model=MODEL)


@pytest.mark.parametrize("data", [png(0, 5), png(1, 1)[:15], b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP"])
def test_a_damaged_image_is_refused(data: bytes) -> None:
    assert "is a damaged image" in refusal(data)


@pytest.mark.parametrize(
    "data",
    [b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", b"II*\0\x08\0\0\0\0\0\0\0", b"\0\0\0\x18ftypheic\0\0\0\0"],
)
def test_an_image_of_another_kind_is_a_binary_file(data: bytes) -> None:
    assert "binary file" in refusal(data)


# -- PDF


def test_a_pdf_is_a_document_with_the_tokens_of_its_pages(tmp_path: Path) -> None:
    data = pdf(3)
    (tmp_path / "f").write_bytes(data)
    block, tokens = content_block(tmp_path / "f", model=MODEL)
    assert block["type"] == "document"
    assert block["source"] == {
        "type": "base64",
        "media_type": "application/pdf",
        "data": base64.b64encode(data).decode(),
    }
    assert 3 * 1568 < tokens < 3 * 1700


def test_a_pdf_of_more_pages_than_the_api_takes_is_refused() -> None:
    said = refusal(pdf(101), OLD)
    assert said == "'f' has 101 pages; the API takes 100 in a request to 'claude-sonnet-4-5': split it"
    assert "has 601 pages; the API takes 600" in refusal(pdf(601))
    content_block(io.BytesIO(pdf(101)), model="claude-sonnet-4-6")


@pytest.mark.parametrize("password", ["", "secret"])
def test_an_encrypted_pdf_is_refused(password: str) -> None:
    assert refusal(pdf(1, password)) == "'f' is encrypted; the API takes no PDF with a password"


@pytest.mark.parametrize(
    "data", [b"%PDF-1.7", b"%PDF-1.7\n%%EOF", pdf(2)[:200], b"%PDF-1.4\nstartxref\n9\n%%EOF"]
)
def test_a_damaged_pdf_is_refused(data: bytes) -> None:
    assert "PDF" in refusal(data)


def test_a_pdf_without_pages_is_refused() -> None:
    assert "is a PDF without pages" in refusal(pdf(0))


@given(st.data())
def test_a_pdf_with_wrong_bytes_is_a_block_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(pdf(2))
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(5, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert_block_or_refusal(bytes(damaged))


@given(st.sampled_from([png, jpeg, gif, webp]), st.binary(max_size=60), st.integers(6, 30))
def test_an_image_with_wrong_bytes_is_a_block_or_refused(make, noise: bytes, at: int) -> None:
    assert_block_or_refusal(make(30, 40)[:at] + noise)


def assert_block_or_refusal(data: bytes) -> None:
    try:
        block = content_block(io.BytesIO(data), model=MODEL)
    except UnsuitableFileError:
        return
    assert block.tokens >= 1


# -- sources


def test_a_file_open_as_text_is_refused() -> None:
    with pytest.raises(UnsuitableFileError, match="is open as text; open it with mode 'rb'"):
        content_block(io.StringIO("x"))  # type: ignore[arg-type]


def test_all_of_a_pipe_without_a_buffer_is_in_the_block() -> None:
    class Pipe(io.BytesIO):
        """Gives what is there, however much is asked for."""

        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 7))

    block, _ = content_block(Pipe(b"All of it is sent."))
    assert block == {"type": "text", "text": "All of it is sent."}


def test_a_file_that_is_given_open_stays_open() -> None:
    file = io.BytesIO(b"x")
    content_block(file)
    assert not file.closed
