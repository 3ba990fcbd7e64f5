# SPDX-License-Identifier: Apache-2.0
"""The perceptual paper's comparison (none, PCA, VAE, M1, M2) on stills of real people with a neutral picture.

    standalone/env python -m facial_coding_ros.learning.studies.perceptual_on_stills STILLS WORK --out FOLDER

WORK: the folder of `facial_coding train expression`, which holds what was read off the stills. Half of a person's
neutral pictures make the neutral, the others are faces. Neutral and happy are thinned out; disgust, fear and contempt
are left out, of which the set has those of one person, or hardly any.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from ...coding.expression.labels import EXPRESSION_LABELS
from ...command_line import run_command
from ..perceptual.evaluation import markdown, summary, table_of_set
from ..perceptual.real_people import read_views, real_set
from ..perceptual.settings import TrainingSettings

CLASSES, MOST = EXPRESSION_LABELS[:5], 350
"""Classes, and the most faces of each."""
TRIPLETS = (4000, 500, 500)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stills", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5, help="splits by person; default %(default)s")
    parser.add_argument("--iterations", type=int, default=2500, help="default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    import torch

    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    views = read_views(arguments.stills, arguments.work, print)
    # As for the robot's model: ten times the paper's rate, for a fortieth of its iterations.
    settings = TrainingSettings(
        iterations=arguments.iterations,
        anneal_iterations=arguments.iterations,
        learning_rate=1e-3,
        batch=100,
        triplet_batch=60,
        samples=1,
        triplet_samples=3,
        evaluate_every=arguments.iterations // 10,
    )
    path = arguments.out / "perceptual_on_stills.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    for seed in range(arguments.seeds):
        if str(seed) not in results:
            faces = real_set(views, seed, CLASSES, MOST)
            results[str(seed)] = table_of_set(faces, settings, seed, counts=TRIPLETS)
            path.write_text(json.dumps(results, indent=1))
            print(f"split {seed}: {len(faces)} faces, {np.bincount(faces.label).tolist()}", flush=True)
    text = markdown(summary(results))
    (arguments.out / "perceptual_on_stills.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(run_command("perceptual_on_stills", __doc__ or "", add_arguments, run))
