"""How many pages a PDF has, by its raw bytes."""

import base64

import pytest

from seawall_tokens.documents import page_text, pages


def encoded(raw):
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"%PDF-1.4 << /Type /Pages /Kids [1 0 R] /Count 12 >>", (12, True)),
        (b"%PDF-1.4 << /Type /Page >> << /Type/Page>> << /Type /Pages >>", (2, True)),
        (b"%PDF-1.5 << /Linearized 1 /L 9000 /N 31 >>" + b"/Count 99", (31, True)),
        (b"%PDF-1.5 compressed" + bytes(200_000), (4, False)),
        (b"", (1, False)),
    ],
)
def test_pages_are_counted_where_the_file_tells_and_guessed_by_size_where_not(raw, expected):
    assert pages(encoded(raw)) == expected


def test_the_count_is_found_at_the_end_of_a_large_file():
    raw = b"%PDF-1.4" + bytes(5_000_001) + b"<< /Type /Pages /Count 240 >>"
    assert pages(encoded(raw)) == (240, True)


@pytest.mark.parametrize("data", ["x", "no base64", "é"])
def test_what_is_no_base64_is_a_page(data):
    assert pages(data) == (1, False)


def test_a_small_file_has_little_text_on_a_page_and_a_large_one_the_documented():
    assert page_text("A" * 1600, 1) == 100
    assert page_text("A" * 1600, 2) == 50
    assert page_text("A" * 1_000_000, 1) == 1500
    assert page_text("", 1) == 1500
