# SPDX-License-Identifier: Apache-2.0
"""An image network beside the pipeline, at a rate of its own, so that a slow one does not hold up tracking."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..inference import InferenceSettings
from ..inference.session import MOST_THREADS
from ..types import ActionUnits, Face, Frame
from ..worker import LatestWorker
from .live import NetworkAus, NetworkSettings

_OLDEST_S = 1.0  # or two periods of the network; what is older says nothing about now


@dataclass(frozen=True)
class _Outputs:
    """Of one frame: action units by face id."""

    stamp_ns: int
    by_face: Mapping[str, ActionUnits]


class AsyncNetworkRunner:
    """The newest outputs of an image network about the faces of a frame.

    background: in a thread of its own, as on a robot; otherwise in the caller's, so that a replay is always the same.
    inference: what computes it, with the number of threads of `settings`.
    Raises FileNotFoundError, ModelError, or ValueError when the settings name no model.
    """

    def __init__(self, settings: NetworkSettings, background: bool, inference: InferenceSettings | None = None) -> None:
        if not settings.model:
            raise ValueError("network.model is empty; facs.source 'network' needs the path of an exported network")
        self.settings = settings
        threads = settings.threads or min(os.cpu_count() or 1, MOST_THREADS)
        self._network = NetworkAus(settings.model, replace(inference or InferenceSettings(), threads=threads))
        self.codes = self._network.codes
        self._outputs = _Outputs(0, {})
        self._asked_ns: int | None = None
        self._worker = LatestWorker(self._run, "au_network") if background else None

    @property
    def backend(self) -> str:
        """What computes the network, in words."""
        return self._network.session.backend

    def update(self, frame: Frame, faces: Sequence[Face]) -> list[tuple[ActionUnits, float]]:
        """For each face its newest action units, and by how many seconds their frame is older than this one.

        Raises what the network raised in its thread.
        """
        if self._worker is not None and self._worker.failure is not None:
            raise RuntimeError(f"the network {self.settings.model} failed") from self._worker.failure
        period_ns = 1e9 / self.settings.rate_hz
        if self._asked_ns is None or not 0 <= frame.stamp_ns - self._asked_ns < period_ns:
            self._asked_ns = frame.stamp_ns
            if self._worker is not None:
                self._worker.offer((frame, tuple(faces)))
            else:
                self._run((frame, tuple(faces)))
        outputs = self._outputs  # one object, replaced whole by the other thread
        age_ns = frame.stamp_ns - outputs.stamp_ns
        if not 0 <= age_ns <= max(_OLDEST_S * 1e9, 2 * period_ns):
            outputs = _Outputs(frame.stamp_ns, {})
        age_s = (frame.stamp_ns - outputs.stamp_ns) / 1e9
        return [(outputs.by_face.get(face.face_id) or self._unknown(), age_s) for face in faces]

    def _run(self, item: tuple[Frame, tuple[Face, ...]]) -> None:
        frame, faces = item
        units = self._network.estimate(frame.image, faces)
        self._outputs = _Outputs(frame.stamp_ns, dict(zip((f.face_id for f in faces), units, strict=True)))

    def _unknown(self) -> ActionUnits:
        nothing = np.zeros(len(self.codes), np.float32)
        unsided = np.full(len(self.codes), math.nan, np.float32)
        return ActionUnits(self.codes, nothing, nothing, unsided, unsided)

    def close(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        self._network.session.close()
