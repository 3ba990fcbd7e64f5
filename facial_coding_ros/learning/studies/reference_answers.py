# SPDX-License-Identifier: Apache-2.0
"""Makes models/reference_answers.npz: what MediaPipe's own graph answers to two frames of the demo clip, on x86-64.

    standalone/env python -m facial_coding_ros.learning.studies.reference_answers models [--codes]

The folder to write to is named. With --codes only reference_codes.npz: what the shipped models make of these pictures.
They are made anew when a coding model changes.

Run it on x86-64 only: on ARM processors MediaPipe's detector is not to be trusted.
"""

from __future__ import annotations

import hashlib
import io
import platform
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import yaml

from ...errors import UserError
from ...image.sources import open_source
from ...inference import InferenceSettings, ModelFile
from ...models import share_folder
from ...pipeline import PipelineSettings
from ...self_check.codes import FILE as CODES
from ...self_check.codes import codes_of_pictures
from ...tracking.mediapipe_graph import MediaPipeGraph
from ...tracking.reference_answers import FILE
from ...tracking.regions import Square
from ...types import ImageArray

FRAMES = (12, 230)
"""At rest, and both people with an expression."""
WIDTH, HEIGHT = 640, 360


def main(words: list[str]) -> int:
    if platform.machine() not in ("x86_64", "AMD64"):
        raise UserError(f"MediaPipe's detector is the reference on x86-64 only; this is {platform.machine()}")
    if not words or words[1:] not in ([], ["--codes"]):
        raise SystemExit(f"usage: {sys.argv[0]} FOLDER [--codes]")
    folder = Path(words[0])
    if words[1:]:
        return write_codes(folder)
    import mediapipe

    frames = list(islice(open_source(share_folder("demo") / "two_people.mp4").frames(), max(FRAMES) + 1))
    pictures: list[ImageArray] = [
        cv2.resize(frames[i].image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8) for i in FRAMES
    ]
    whole = Square.around(WIDTH, HEIGHT)
    looked_at = [whole, Square(HEIGHT / 2, HEIGHT / 2, HEIGHT), Square(WIDTH - HEIGHT / 2, HEIGHT / 2, HEIGHT)]
    views: list[list[float]] = []
    detections, squares, meshes, presences = [], [], [], []
    graph = MediaPipeGraph(workers=1)
    for number, picture in enumerate(pictures):
        for view in looked_at:
            for face in graph.process(picture, [], [view])[1]:
                box = (face.xmin, face.ymin, face.width, face.height, face.score)
                detections.append([len(views), *box, *face.eyes.ravel().tolist()])
            views.append([number, *view.row])
        found = [face.square for face in graph.process(picture, [], [whole])[1]]
        for square, landmarks in zip(found, graph.process(picture, found)[0], strict=True):
            assert landmarks is not None
            squares.append([number, *square.row])
            meshes.append(landmarks.mesh)
            presences.append(landmarks.presence)
    graph.close()
    arrays = {f"picture_{i}": _png(picture) for i, picture in enumerate(pictures)}
    arrays |= {name: np.array(rows, np.float64) for name, rows in (("views", views), ("squares", squares))}
    arrays |= {"detections": np.array(detections, np.float32), "meshes": np.array(meshes, np.float32)}
    arrays |= {"presences": np.array(presences, np.float32)}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    path = folder / FILE
    path.write_bytes(content.getvalue())
    card = {
        "name": path.stem,
        "what": "What MediaPipe's own graph answers to two pictures, for comparison with the tracker's networks.",
        "made_by": "python -m facial_coding_ros.learning.studies.reference_answers",
        "made_with": f"MediaPipe {mediapipe.__version__} on {platform.machine()}",
        "licence": "pictures: public domain, see demo/README.md; answers: Apache-2.0",
        "arrays": {
            "picture_0, picture_1": f"PNG files, {WIDTH} x {HEIGHT}: frames {FRAMES} of two_people.mp4",
            "views": f"({len(views)}, 5), number of the picture; x, y, side and angle of a square in it, in pixels",
            "detections": f"({len(detections)}, 10), number of the view; xmin, ymin, width, height, score; eyes (x, y)",
            "squares": f"({len(squares)}, 5), as views: around each face",
            "meshes": f"({len(meshes)}, 478, 3), landmarks in each square, pixels of the picture",
            "presences": f"({len(meshes)},), as the tracker gives it, 0..1",
        },
        "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
    }
    path.with_suffix(".yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=110), encoding="utf-8")
    print(f"{path}: {len(content.getvalue())} bytes, {len(detections)} faces in {len(views)} views")
    return write_codes(folder)


def write_codes(folder: Path) -> int:
    """Of the stored pictures, by the tracker's own networks and the shipped models in ONNX Runtime."""
    codes = codes_of_pictures(PipelineSettings(inference=InferenceSettings(backend="onnxruntime"))).codes
    models = ModelFile.read(share_folder("models") / "coding.onnx").card["parts"]
    content = io.BytesIO()
    arrays: dict[str, Any] = codes
    np.savez_compressed(content, **arrays)
    path = folder / CODES
    path.write_bytes(content.getvalue())
    card = {
        "name": path.stem,
        "what": "Face codes of the pictures in reference_answers.npz, for comparison with another machine's.",
        "made_by": "python -m facial_coding_ros.learning.studies.reference_answers models --codes",
        "made_with": f"ONNX Runtime {onnxruntime.__version__} on {platform.machine()}",
        "licence": "Apache-2.0, as this package",
        "models": models,
        "arrays": {name: f"{values.shape}, faces from left to right" for name, values in codes.items()},
        "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
    }
    path.with_suffix(".yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=110), encoding="utf-8")
    print(f"{path}: {len(content.getvalue())} bytes")
    return 0


def _png(picture: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imencode(".png", picture[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
