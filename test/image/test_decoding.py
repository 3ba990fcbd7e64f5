# SPDX-License-Identifier: Apache-2.0
"""Pictures: kinds by their first bytes, sizes before decoding, and nothing that ends the process."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from facial_coding_ros.image.decoding import KEPT, ImageError, decoded

RED = (200, 40, 20)


def coded(suffix: str) -> bytes:
    return cv2.imencode(suffix, np.full((40, 60, 3), RED[::-1], np.uint8))[1].tobytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tiff", ".webp"])
def test_kinds_of_pictures(suffix: str) -> None:
    image = decoded(coded(suffix), KEPT)
    assert image.shape == (40, 60, 3) and image.dtype == np.uint8
    assert np.abs(image.astype(int) - RED).max() <= 8


@pytest.mark.parametrize("suffix", [".bmp", ".tiff", ".webp", ".jp2", ".hdr", ".ppm"])
def test_messages_hold_jpeg_and_png_only(suffix: str) -> None:
    """OpenCV would try all of its decoders, and some of them can be crashed."""
    data = coded(suffix)
    with pytest.raises(ImageError, match="that are no readable JPEG or PNG"):
        decoded(data)


def test_cut_head_of_a_jpeg_2000() -> None:
    """81 bytes of one ended the process with SIGSEGV."""
    with pytest.raises(ImageError):
        decoded(coded(".jp2")[:81], KEPT)


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG that claims another size."""
    data = bytearray(coded(".jpg"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("data", [jpeg_of(30000, 30000), png_of(30000, 30000), jpeg_of(9000, 9000), png_of(9000, 9000)])
def test_size_is_judged_before_decoding(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"image.max_megapixels"):
        decoded(data)


def test_bmp_of_absurd_size() -> None:
    data = bytearray(coded(".bmp"))
    data[18:26] = struct.pack("<ii", 2**31 - 1, 2**31 - 1)
    with pytest.raises(ImageError):
        decoded(bytes(data), KEPT)
    data[18:26] = struct.pack("<ii", -5, 0)
    with pytest.raises(ImageError):
        decoded(bytes(data), KEPT)


def test_upright_as_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "PNG", "WEBP"):
        file = io.BytesIO()
        Image.new("RGB", (60, 40), RED).save(file, kind, exif=exif)
        assert decoded(file.getvalue(), KEPT).shape == (60, 40, 3), kind


def test_16_bit_png() -> None:
    deep = np.full((4, 6), 0x5A12, np.uint16)
    assert (decoded(cv2.imencode(".png", deep)[1].tobytes()) == 0x5A).all()


def test_cut_jpeg_is_refused() -> None:
    """OpenCV decodes its half, with grey below, and says so on stderr only."""
    data = coded(".jpg")
    with pytest.raises(ImageError, match=r"JPEG of 60x40 in \d+ bytes is damaged or cut short"):
        decoded(data[: len(data) - 20])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tiff", ".webp"])
def test_mutated_pictures_are_refused_or_read(suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever the bytes: an image or ImageError, and no words of a library on stderr."""
    random = np.random.default_rng(3)
    noise = random.integers(0, 256, (24, 32, 3), np.uint8)
    whole = bytearray(cv2.imencode(suffix, noise)[1].tobytes())
    read = 0
    for _ in range(150):
        data = whole.copy()
        for at in random.integers(0, len(data), random.integers(1, 6)):
            data[at] = random.integers(256)
        if random.random() < 0.3:
            del data[random.integers(len(data)) :]
        try:
            assert decoded(bytes(data), KEPT).ndim == 3
            read += 1
        except ImageError:
            pass
    assert read > 10 or suffix == ".png"  # each of its chunks has a sum
    if suffix != ".tiff":  # libtiff speaks; no camera sends TIFF
        assert capfd.readouterr().err == ""
