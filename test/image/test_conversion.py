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
