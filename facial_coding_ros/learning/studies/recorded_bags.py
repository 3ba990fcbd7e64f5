# SPDX-License-Identifier: Apache-2.0
"""Bags of images, written with rosbags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from ...image.conversion import fill_compressed, fill_image

STORE = get_typestore(Stores.ROS2_HUMBLE)
START_NS = 1_700_000_000_000_000_000
LATE_NS = 3_000_000
"""Between an image's stamp and its recording."""


def header(stamp_ns: int) -> Any:
    time = STORE.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
    return STORE.types["std_msgs/msg/Header"](time, "camera_optical_frame")


def image_message(image: np.ndarray, stamp_ns: int, compressed: bool) -> tuple[str, bytes]:
    """Type and serialised message."""
    kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"

    class Fields:
        pass

    fields: Any = Fields()
    (fill_compressed if compressed else fill_image)(fields, image)
    fields.data = np.frombuffer(fields.data, np.uint8)
    return kind, bytes(STORE.serialize_cdr(STORE.types[kind](header=header(stamp_ns), **vars(fields)), kind))


def write_bag(
    path: Path,
    images: Sequence[np.ndarray],
    plugin: StoragePlugin = StoragePlugin.MCAP,
    compressed: bool = True,
    stamps_ns: Sequence[int] = (),
    topics: Sequence[str] = ("/camera/image",),
) -> Path:
    """A bag of these images at 30 Hz, or with these stamps."""
    stamps = list(stamps_ns) or [START_NS + round(i / 30 * 1e9) for i in range(len(images))]
    with Writer(path, version=8, storage_plugin=plugin) as bag:
        suffix = "/compressed" if compressed else ""
        kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
        connections = [bag.add_connection(topic + suffix, kind, typestore=STORE) for topic in topics]
        words = bag.add_connection("/words", "std_msgs/msg/String", typestore=STORE)
        for number, (image, stamp_ns) in enumerate(zip(images, stamps, strict=True)):
            recorded_ns = START_NS + round(number / 30 * 1e9) + LATE_NS
            text = STORE.serialize_cdr(STORE.types["std_msgs/msg/String"](data="not an image"), "std_msgs/msg/String")
            bag.write(words, recorded_ns, text)
            for connection in connections:
                bag.write(connection, recorded_ns, image_message(image, stamp_ns, compressed)[1])
    return path
