# SPDX-License-Identifier: Apache-2.0
"""Images of 16 bits: what is black and white, steady over time; and pictures in which there is no light."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from facial_coding_ros.image.conversion import to_rgb
from facial_coding_ros.image.decoding import decoded
from facial_coding_ros.image.pixel_range import PixelRange, light_problem
from facial_coding_ros.image.settings import ImageSettings
from facial_coding_ros.image.sources import open_source
from facial_coding_ros.learning.tracking.scenes import FacePlace, background, paste
from facial_coding_ros.tracking import Tracker, TrackingSettings, make_tracker
from facial_coding_ros.types import Frame

SECOND = 1_000_000_000


def infrared(person: str = "hopper", bright_eyes: bool = False, noise: float = 4.0) -> np.ndarray:
    """A made infrared picture of 10 bits in 16: grey, lit from the camera, 20 to 500 of 1023, with noise."""
    rgb = background(640, 480).copy()
    paste(rgb, person, FacePlace(320, 240, 170))
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64)
    if bright_eyes:  # the retina throws the lamp's light back; about where the pupils are
        for x, y in ((287, 209), (352, 211)):
            cv2.circle(grey, (x, y), 5, 255.0, -1)
    across, down = np.meshgrid(np.linspace(-1, 1, 640), np.linspace(-1, 1, 480))
    grey *= 1 - 0.5 * np.clip(across**2 + down**2, 0, 1)
    noisy = 20 + grey / 255 * 480 + np.random.default_rng(3).normal(0, noise, grey.shape)
    return np.clip(noisy, 0, 1023).astype(np.uint16)


def mono16(values: np.ndarray, big_endian: bool = False) -> SimpleNamespace:
    height, width = values.shape
    data = values.astype(">u2" if big_endian else "<u2").tobytes()
    return SimpleNamespace(
        height=height, width=width, step=2 * width, encoding="mono16", is_bigendian=int(big_endian), data=data
    )


@pytest.fixture(scope="module")
def tracker() -> Iterator[Tracker]:
    tracker = make_tracker(TrackingSettings(id_seed=1, confirm_hits=1))
    yield tracker
    tracker.close()


@pytest.mark.parametrize("setting", ["auto", "0:1023", "0 700"])
@pytest.mark.parametrize("bright_eyes", [False, True])
@pytest.mark.parametrize("person", ["collins", "hopper"])
def test_infrared_faces_of_ten_bits_are_found(tracker: Tracker, setting: str, bright_eyes: bool, person: str) -> None:
    tracker.reset()
    values = infrared(person, bright_eyes)
    image = to_rgb(mono16(values, big_endian=bright_eyes), pixel_range=PixelRange(setting))
    (face,) = tracker.track(Frame(image, 0))
    assert np.hypot(*(face.mesh[:, :2].mean(axis=0) - (320, 240))) < 20
    assert face.visibility.face > 0.5


def test_a_fixed_range_is_what_it_says() -> None:
    values = np.array([[0, 100, 350, 600, 65535]], np.uint16)
    assert PixelRange("100:600").to_bytes(values).tolist() == [[0, 0, 128, 255, 255]]
    assert PixelRange("0:65535").to_bytes(np.array([[0, 0x5A12, 65535]], np.uint16)).tolist() == [[0, 0x5A, 255]]


@pytest.mark.parametrize("setting", ["1023", "600:100", "0:99999", "bright", "-5:100", "100:100"])
def test_a_range_that_is_none_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"mono16_range is .*; auto, or the values of black and white .* 0:1023"):
        ImageSettings(mono16_range=setting)


def test_brightness_does_not_flicker_with_what_is_in_sight() -> None:
    """Something bright passes for a third of a second, a tenth of the picture large."""
    room = infrared()
    passing = room.copy()
    passing[:, :64] = 650
    ranged = PixelRange()
    middles = []
    for index in range(90):
        image = ranged.to_bytes(passing if 30 <= index < 40 else room, index * SECOND // 30)
        middles.append(float(image[200:280, 280:360].mean()))
    alone = [float(PixelRange().to_bytes(one)[200:280, 280:360].mean()) for one in (room, passing)]
    assert abs(alone[0] - alone[1]) > 30  # what each picture alone would give
    assert np.ptp(middles) < 8 and np.abs(np.diff(middles)).max() < 1.5


def test_light_that_is_switched_on_counts_at_once() -> None:
    ranged = PixelRange()
    dark, lit = (infrared() // 8).astype(np.uint16), infrared()
    for index in range(10):
        ranged.to_bytes(dark, index * SECOND // 30)
    image = ranged.to_bytes(lit, SECOND // 3)
    assert np.quantile(image, 0.99) > 200 and (image == 255).mean() < 0.02
    back = ranged.to_bytes(dark, SECOND // 2)
    assert np.quantile(back, 0.99) > 200


def test_colour_keeps_its_balance_and_finds_its_bits() -> None:
    rgb = background(64, 48).astype(np.uint16)
    wide = np.array(rgb * 4, np.uint16)  # 10 bits
    message = SimpleNamespace(
        height=48, width=64, step=64 * 6, encoding="rgb16", is_bigendian=0, data=wide.astype("<u2").tobytes()
    )
    assert np.abs(to_rgb(message).astype(int) - rgb).max() <= 1


def test_folders_of_ten_bit_png_are_read_with_one_range(tmp_path: Path) -> None:
    for index in range(3):
        Image.fromarray(infrared()).save(tmp_path / f"{index}.png")
    frames = [frame.image for frame in open_source(tmp_path).frames()]
    assert len(frames) == 3 and np.quantile(frames[0], 0.99) > 200 and np.array_equal(frames[0], frames[2])
    fixed = next(open_source(tmp_path, settings=ImageSettings(mono16_range="0:1023")).frames()).image
    assert abs(float(fixed.mean()) - infrared().mean() / 1023 * 255) < 1
    data = BytesIO()
    Image.fromarray(infrared()).save(data, "PNG")
    assert np.array_equal(decoded(data.getvalue()), frames[0])


def test_pictures_without_light_are_told_with_their_range() -> None:
    portrait = background(640, 480).copy()
    paste(portrait, "hopper", FacePlace(320, 240, 170))
    assert light_problem(portrait) == ""
    assert light_problem((portrait * 0.1).astype(np.uint8)).startswith("the picture is nearly black: 98 % of it lies")
    assert "nearly white" in light_problem((255 - portrait * 0.1).astype(np.uint8))
    flat = np.full((480, 640, 3), 120, np.uint8)
    assert light_problem(flat) == "the picture is nearly of one brightness: 98 % of it lies between 120 and 120 of 255"


def test_a_covered_deep_camera_is_dark_and_not_noise_made_bright() -> None:
    noise = np.random.default_rng(0).normal(60, 2, (480, 640)).astype(np.uint16)
    ranged = PixelRange()
    assert "nearly black" in light_problem(to_rgb(mono16(noise), pixel_range=ranged))
    assert ranged.measured is not None and max(abs(ranged.measured[0] - 55), abs(ranged.measured[1] - 65)) <= 1
    assert ranged.words().endswith(", 0 shown as black and 65535 as white")
