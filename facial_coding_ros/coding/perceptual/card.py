# SPDX-License-Identifier: Apache-2.0
"""Files of the live models with their cards, and what makes one unfit for this pipeline."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ...keypoints import SCHEMES, RegistrationSettings, Scheme

NEUTRAL = "own resting face, registered as the face is"
"""The neutral convention: types.Neutral.registered, a person's own, in the same form as the face."""

INPUTS = ("points", "neutral")
LATENT, OUTPUTS = "latent", ("probability", "affect")


def order_of(scheme: Scheme) -> str:
    """What says which mesh points make which keypoint, in order: sha256 of "0:127+234 1:93 ..."."""
    rows = ("+".join(str(i) for i in row.nonzero()[0]) for row in scheme.mesh_weights)
    return hashlib.sha256(" ".join(f"{k}:{row}" for k, row in enumerate(rows)).encode()).hexdigest()


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """The card of `path`, with its sha256."""
    content = {"name": path.stem, **card, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".yaml").write_text(yaml.safe_dump(content, sort_keys=False, width=118, allow_unicode=True))


def dense_form(registration: RegistrationSettings) -> str:
    """How these settings make the dense points, in words."""
    if registration.frontalisation == "none":
        return "levelled"
    return "rotated, pose corrected" if registration.pose_correction else "rotated"


def check_encoder(path: Path, card: Mapping[str, Any], registration: RegistrationSettings) -> Scheme:
    """The scheme of a latent model's keypoints. Raises ValueError naming the model and what differs."""
    name = str(card.get("keypoints"))
    if card.get("kind") != "perceptual encoder":
        raise ValueError(f"{path} is a {card.get('kind')!r}; expected a 'perceptual encoder'.")
    if name not in SCHEMES:
        raise ValueError(f"{path} is for keypoints {name!r}; this pipeline has {', '.join(SCHEMES)}.")
    if card.get("keypoint_order") != order_of(SCHEMES[name]):
        raise ValueError(f"{path} is for another order or choice of the {name} keypoints than this pipeline's.")
    if card.get("neutral") != NEUTRAL:
        raise ValueError(f"{path} expects as neutral {card.get('neutral')!r}; this pipeline gives {NEUTRAL!r}.")
    if card.get("dense_points") != dense_form(registration):
        raise ValueError(
            f"{path} is for dense points {card.get('dense_points')!r}; here: {dense_form(registration)!r}."
        )
    return SCHEMES[name]


def check_classifier(path: Path, card: Mapping[str, Any], encoder: Mapping[str, Any], labels: tuple[str, ...]) -> None:
    """Raises ValueError when a classifier does not belong to the encoder or has other labels."""
    if card.get("kind") != "expression classifier":
        raise ValueError(f"{path} is a {card.get('kind')!r}; expected an 'expression classifier'.")
    if card.get("latent_model_sha256") != encoder["sha256"]:
        raise ValueError(f"{path} was fitted to the latents of another model than {encoder['name']}.")
    if tuple(card.get("labels", ())) != labels:
        raise ValueError(f"{path} tells {card.get('labels')}; this pipeline's expressions are {', '.join(labels)}.")
