# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB: every encoding against values worked out by hand, every misfit refused."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from facial_coding_ros.image.conversion import ImageError, fill_image, natural_key, to_rgb

RED = (200, 40, 20)
GREY = round(0.299 * 200 + 0.587 * 40 + 0.114 * 20)


def message(encoding: str, data: np.ndarray, step: int | None = None, **other: object) -> SimpleNamespace:
    height, width = data.shape[:2]
    raw = data.tobytes()
    fields = {"height": height, "width": width, "encoding": encoding, "is_bigendian": 0, "data": raw}
    return SimpleNamespace(**(fields | {"step": step or len(raw) // height} | other))


def flat(*channels: int, dtype: str = "u1") -> np.ndarray:
    return np.full((4, 6, len(channels)), channels, dtype)


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("rgb8", flat(*RED), RED),
        ("bgr8", flat(*RED[::-1]), RED),
        ("8UC3", flat(*RED[::-1]), RED),
        ("rgba8", flat(*RED, 7), RED),
        ("bgra8", flat(*RED[::-1], 7), RED),
        ("mono8", flat(90), (90, 90, 90)),
        ("8UC1", flat(90), (90, 90, 90)),
        ("mono16", flat(0x5A12, dtype="<u2"), (0x5A, 0x5A, 0x5A)),
        ("16UC1", flat(0x5A12, dtype="<u2"), (0x5A, 0x5A, 0x5A)),
        ("rgb16", flat(*(v * 257 for v in RED), dtype="<u2"), RED),
    ],
)
def test_encodings(encoding: str, data: np.ndarray, expected: tuple[int, int, int]) -> None:
    image = to_rgb(message(encoding, data))
    assert image.shape == (4, 6, 3) and image.dtype == np.uint8
    assert np.abs(image.astype(int) - expected).max() <= 1


def test_big_endian() -> None:
    assert (to_rgb(message("mono16", flat(0x5A12, dtype=">u2"), is_bigendian=1)) == 0x5A).all()


@pytest.mark.parametrize(("encoding", "order"), [("yuv422", (1, 0, 3, 2)), ("yuv422_yuy2", (0, 1, 2, 3))])
def test_yuv(encoding: str, order: tuple[int, ...]) -> None:
    y, u, v = GREY, 112, 220  # a red of that luminance
    pixels = np.tile(np.array([y, u, y, v], np.uint8)[list(order)], (4, 3)).reshape(4, 6, 2)
    r, g, b = to_rgb(message(encoding, pixels))[0, 0].astype(int)
    assert r > 180 and g < 60 and b < 60
    assert abs(0.299 * r + 0.587 * g + 0.114 * b - 1.164 * (y - 16)) < 4


@pytest.mark.parametrize(("encoding", "colours"), [("nv12", (112, 220)), ("nv21", (220, 112))])
@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("step", [6, 10])
def test_nv12_and_nv21(encoding: str, colours: tuple[int, int], counted: bool, step: int) -> None:
    """A plane of luminance, and half as many rows of both colours, which some drivers count in the height."""
    data = np.zeros((6, step), np.uint8)
    data[:4, :6], data[4:, :6] = GREY, np.tile(colours, 3)
    sent = message(encoding, data, step=step, width=6, height=6 if counted else 4)
    image = to_rgb(sent)
    r, g, b = image[0, 0].astype(int)
    assert image.shape == (4, 6, 3) and r > 180 and g < 60 and b < 60
    sent.data = sent.data[:-1]
    with pytest.raises(ImageError, match=f"height x 1.5 is expected for {encoding}"):
        to_rgb(sent)


BAYER = {"rggb": (0, 1, 1, 2), "bggr": (2, 1, 1, 0), "gbrg": (1, 2, 0, 1), "grbg": (1, 0, 2, 1)}


@pytest.mark.parametrize("order", BAYER)
@pytest.mark.parametrize(("bits", "dtype"), [(8, "u1"), (16, "<u2"), (16, ">u2")])
def test_bayer(order: str, bits: int, dtype: str) -> None:
    block = np.array([RED[channel] for channel in BAYER[order]], dtype).reshape(2, 2)
    mosaic = np.tile(block * (256 if bits == 16 else 1), (8, 8)).astype(dtype)
    image = to_rgb(message(f"bayer_{order}{bits}", mosaic, is_bigendian=dtype.startswith(">")))
    assert np.abs(image[4:-4, 4:-4].astype(int) - RED).max() <= 1


def test_too_many_pixels() -> None:
    with pytest.raises(ImageError, match=r"image of 60000x60000, 3600.0 megapixels; 64 are allowed"):
        to_rgb(message("mono8", flat(1), height=60000, width=60000))
    with pytest.raises(ImageError, match=r"image.max_megapixels"):
        to_rgb(message("mono8", np.zeros((200, 200, 1), np.uint8)), max_megapixels=0.01)


def test_step_that_a_driver_left_out() -> None:
    sent = message("bgr8", flat(*RED[::-1]))
    sent.step = 0
    assert (to_rgb(sent) == RED).all()


def test_long_texts_are_cut() -> None:
    with pytest.raises(ImageError) as refused:
        to_rgb(message("x" * 2_000_000, flat(1)))
    assert len(str(refused.value)) < 600
    with pytest.raises(ImageError) as refused:
        to_rgb(SimpleNamespace(format="y" * 2_000_000, data=b"1"))
    assert len(str(refused.value)) < 300 and "(2000000 letters)" in str(refused.value)


def test_padded_rows() -> None:
    padded = np.zeros((4, 20), np.uint8)
    padded[:, :18] = np.tile(RED, 6)
    assert (to_rgb(message("rgb8", padded, step=20, width=6)) == RED).all()
    padded[:, :18] = np.tile(RED[::-1], 6)
    assert (to_rgb(message("bgr8", padded, step=20, width=6)) == RED).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoding": "thermal"}, "image encoding 'thermal'; known: mono8"),
        ({"step": 17}, "image step 17; at least 18"),
        ({"step": 19}, "image data of 72 bytes; step 19 x height 4 is 76"),
        ({"height": 0}, "image of 6x0"),
        ({"width": 0}, "image of 0x4"),
        ({"data": b""}, "image data of 0 bytes"),
        ({"encoding": "yuv422", "step": 18, "width": 5}, "image width 5; an even one"),
    ],
)
def test_misfits_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ImageError, match=words):
        to_rgb(SimpleNamespace(**(vars(message("rgb8", flat(*RED))) | change)))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_compressed(suffix: str) -> None:
    data = cv2.imencode(suffix, flat(*RED[::-1]))[1]
    image = to_rgb(SimpleNamespace(format=suffix[1:], data=data.tobytes()))
    assert np.abs(image.astype(int) - RED).max() <= 6


@pytest.mark.parametrize("data", [b"", b"not an image", cv2.imencode(".png", flat(*RED))[1].tobytes()[:30]])
def test_damaged_compressed_images_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="compressed image"):
        to_rgb(SimpleNamespace(format="jpeg", data=data))


def test_filled_message_reads_back() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (7, 9, 3), np.uint8)
    filled = SimpleNamespace()
    fill_image(filled, image[:, ::-1])  # not contiguous
    np.testing.assert_array_equal(to_rgb(filled), image[:, ::-1])


def test_natural_order() -> None:
    assert sorted(["10.png", "9.png", "a2.png", "a10.png"], key=natural_key) == ["9.png", "10.png", "a2.png", "a10.png"]
