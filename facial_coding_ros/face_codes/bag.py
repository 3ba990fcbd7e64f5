# SPDX-License-Identifier: Apache-2.0
"""Face codes and events as an MCAP bag that needs no ROS to be written: the messages the node would have sent."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..events import Event
from ..types import FaceCode, Frame
from .definitions import typestore
from .fields import event_fields, face_code_fields

CODES_TOPIC = "/facial_coding/face_codes"
EVENTS_TOPIC = "/facial_coding/events"
CODES_TYPE = "facial_coding_msgs/msg/FaceCodeArray"
CODE_TYPE = "facial_coding_msgs/msg/FaceCode"
EVENT_TYPE = "facial_coding_msgs/msg/FaceEvent"


class BagWriter:
    """Writes a bag's folder that appears, whole, when the writer is closed without an error; an earlier one goes.

    Headers carry the images' stamps; each message is filed under the time at which its image was recorded, so that it
    lies beside the image when both bags are played. Type definitions travel inside. The latency is NaN: a replay has
    none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._store = typestore()

    def __enter__(self) -> BagWriter:
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

        shutil.rmtree(self._part, ignore_errors=True)
        # Version 8 is read by every distribution from Humble on.
        self._writer = Writer(self._part, version=8, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        self._codes = self._writer.add_connection(CODES_TOPIC, CODES_TYPE, typestore=self._store)
        self._events = self._writer.add_connection(EVENTS_TOPIC, EVENT_TYPE, typestore=self._store)
        return self

    def write(self, frame: Frame, codes: Sequence[FaceCode]) -> None:
        """Adds the codes of one frame, also when there is no face."""
        height, width = frame.image.shape[:2]
        faces = [self._face(code, height, width) for code in codes]
        kind = self._store.types[CODES_TYPE]
        message = kind(header=self._header(frame), faces=faces, processing_latency_s=math.nan)
        self._add(self._codes, frame, CODES_TYPE, message)

    def write_events(self, frame: Frame, events: Sequence[Event]) -> None:
        """Adds the events that were seen in a frame."""
        kind = self._store.types[EVENT_TYPE]
        for event in events:
            message = kind(header=self._header(frame), **event_fields(event, self._time))
            self._add(self._events, frame, EVENT_TYPE, message)

    def _face(self, code: FaceCode, height: int, width: int) -> Any:
        kind: Any = self._store.types[CODE_TYPE]
        return kind(**_packed(face_code_fields(code, height, width)))

    def _time(self, stamp_ns: int) -> Any:
        return self._store.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))

    def _header(self, frame: Frame) -> Any:
        return self._store.types["std_msgs/msg/Header"](self._time(frame.stamp_ns), frame.frame_id)

    def _add(self, connection: Any, frame: Frame, kind: str, message: Any) -> None:
        recorded_ns = frame.stamp_ns if frame.recorded_ns is None else frame.recorded_ns
        self._writer.write(connection, recorded_ns, self._store.serialize_cdr(message, kind))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            self._writer.abort()
            shutil.rmtree(self._part, ignore_errors=True)
            return
        self._writer.close()
        _name_after(self._part, self._path.name)
        shutil.rmtree(self._path, ignore_errors=True)
        self._part.replace(self._path)


def _packed(fields: dict[str, Any]) -> dict[str, Any]:
    # rosbags copies arrays as they lie in memory.
    return {n: np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for n, v in fields.items()}


def _name_after(folder: Path, name: str) -> None:
    """rosbags names the file after the folder, which still has its working name."""
    for file in folder.glob("*.mcap"):
        old, new = file.name, f"{name}_0.mcap"
        file.rename(file.with_name(new))
        metadata = folder / "metadata.yaml"
        metadata.write_text(metadata.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
