"""Sizes of images from the heads of their files, and the tokens of a size."""

import base64
import struct

import pytest

from seawall_tokens.images import image_limit, image_size, image_tokens

OLD, NEW = image_limit("claude-4.6"), image_limit("claude-4.7")


def png(width, height):
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)


def gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height)


def jpeg(width, height):
    thumbnail = b"\xff\xe1" + struct.pack(">H", 5002) + b"\xff\xc0" * 2500
    return b"\xff\xd8" + thumbnail + b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width)


def webp(kind, size):
    return b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + size


def webp_extended(width, height):
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", b"\0\0\0\0" + sizes)


def webp_lossy(width, height):
    return webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height))


def webp_lossless(width, height):
    return webp(b"VP8L", b"\x2f" + (width - 1 | height - 1 << 14).to_bytes(4, "little"))


KINDS = [png, gif, jpeg, webp_extended, webp_lossy, webp_lossless]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (4000, 3000)])
def test_the_head_of_a_file_tells_its_size(kind, size):
    data = base64.b64encode(kind(*size) + bytes(200)).decode()
    assert image_size(data) == size


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_cut_off_anywhere_is_no_error(kind):
    whole = kind(640, 480)
    for length in range(len(whole)):
        assert image_size(base64.b64encode(whole[:length]).decode()) in (None, (640, 480))


@pytest.mark.parametrize("data", ["", "x", "no base64 at all", "é", "AAAA" * 10])
def test_what_is_no_image_has_no_size(data):
    assert image_size(data) is None


@pytest.mark.parametrize(
    ("width", "height", "limit", "expected"),
    [
        (1, 1, OLD, 1),
        (28, 29, OLD, 2),
        (1000, 1000, OLD, 1296),
        (1024, 1024, OLD, 1369),
        (1920, 1080, OLD, 1568),
        (1920, 1080, NEW, 2691),
        (8000, 8000, NEW, 4784),
        (8000, 28, OLD, 56),
        (0, 0, OLD, 1),
    ],
)
def test_an_image_costs_its_patches_up_to_the_limit_of_the_model(width, height, limit, expected):
    assert image_tokens(width, height, limit) == expected
