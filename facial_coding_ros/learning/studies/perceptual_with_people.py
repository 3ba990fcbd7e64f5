# SPDX-License-Identifier: Apache-2.0
"""The robot's perceptual model learnt with and without real people, on people whom neither has seen.

    standalone/env python -m facial_coding_ros.learning.studies.perceptual_with_people \
        NAME=FOLDER,FOLDER ... --stills STILLS --work WORK --sets SET ... --out FILE.md

NAME=FOLDER,...: what `facial_coding train perceptual --live FOLDER` left, of several seeds. The faces are the real
people whom `train expression` keeps aside, and all people of each SET (facial_coding synthesize).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...coding.perceptual.card import LATENT
from ...coding.perceptual.classifier import reliability
from ...coding.perceptual.coder import CLASSIFIER, ENCODER, PerceptualCoder
from ...command_line import run_command
from ...datasets.expression_set import ExpressionSet
from ...errors import UserError
from ...inference import InferenceSettings
from ...types import FloatArray
from ..motions.rendered import load_rendered
from ..perceptual.live_models import LEAST_DEGREE, labelled, prior_weights
from ..perceptual.real_people import live_people, read_views
from ..perceptual.triplets import artificial_triplets, satisfied

CLASSES = 5
"""Neutral, happy, sad, angry, surprised: of the others there are hardly any real ones."""
TRIPLETS = 4000
_CHUNK = 64
HEAD = (
    "| learnt from | triplets | nearest neighbour | label | mean recall of five | neutral found | calibration error |\n"
    "|---|---|---|---|---|---|---|"
)


def told(coder: PerceptualCoder, faces: ExpressionSet) -> tuple[FloatArray, FloatArray]:
    """Latents (n, d) and probabilities (n, 8) by the robot's files."""
    latents, shares = [], []
    for start in range(0, len(faces), _CHUNK):
        rows = slice(start, start + _CHUNK)
        given = {"points": faces.points[rows], "neutral": faces.neutrals[faces.person[rows]]}
        latents.append(coder.session.run(given)[LATENT].copy())
        shares.append(coder.classifier.run(latents[-1])["probability"].copy())
    return np.concatenate(latents), np.concatenate(shares)


def nearest_neighbour(latents: FloatArray, label: NDArray[np.int64], person: NDArray[np.int64]) -> float:
    """Mean over the labels of how often the nearest face of somebody else has the same one."""
    squares = np.square(latents).sum(1)
    distance = squares[:, None] + squares - 2 * latents @ latents.T
    distance[person[:, None] == person] = np.inf
    near = label[distance.argmin(1)]
    return float(np.mean([(near == k)[label == k].mean() for k in np.unique(label)]))


def figures(coder: PerceptualCoder, faces: ExpressionSet) -> NDArray[np.float64]:
    """Columns of HEAD, of faces of CLASSES labels."""
    latents, shares = told(coder, faces)
    best, label = shares.argmax(1), faces.label
    of_five = shares[:, :CLASSES].argmax(1)
    return np.array(
        [
            satisfied(latents, artificial_triplets(faces, TRIPLETS, 5)).mean(),
            nearest_neighbour(latents, label, faces.person),
            (best == label).mean(),
            np.mean([(of_five == k)[label == k].mean() for k in range(CLASSES)]),
            (best == 0)[label == 0].mean(),
            reliability(shares, label, prior_weights(label))[1],
        ]
    )


def five(faces: ExpressionSet) -> ExpressionSet:
    """Those of the first CLASSES labels, expressions that are more than traces."""
    known = labelled(faces, LEAST_DEGREE)
    return replace(known.chosen(known.label < CLASSES), classes=known.classes[:CLASSES])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="NAME=FOLDER,...")
    parser.add_argument("--stills", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)


def run(arguments: argparse.Namespace) -> int:
    coders: dict[str, list[PerceptualCoder]] = {}
    inference = InferenceSettings(backend="onnxruntime")
    for words in arguments.models:
        name, _, folders = words.partition("=")
        if not folders:
            raise UserError(f"{words}: NAME=FOLDER,FOLDER is expected")
        coders[name] = [
            PerceptualCoder(encoder=Path(folder) / ENCODER, classifier=Path(folder) / CLASSIFIER, inference=inference)
            for folder in folders.split(",")
        ]
    tests = {"real people kept aside": live_people(read_views(arguments.stills, arguments.work, print)).test}
    tests |= {path.name: load_rendered(path).faces for path in arguments.sets}
    lines = []
    for title, faces in tests.items():
        few = five(faces)
        lines += [f"## {title}: {len(few)} faces of {len(np.unique(few.person))} people", "", HEAD]
        for name, own in coders.items():
            rows = np.stack([figures(coder, few) for coder in own])
            half = 2 * rows.std(0, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.full(rows.shape[1], np.nan)
            cells = [
                f"{mean:.3f}" if np.isnan(error) else f"{mean:.3f} ± {error:.3f}"
                for mean, error in zip(rows.mean(0), half, strict=True)
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    text = "\n".join(lines)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(run_command("perceptual_with_people", __doc__ or "", add_arguments, run))
