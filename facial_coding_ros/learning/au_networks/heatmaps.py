# SPDX-License-Identifier: Apache-2.0
"""Where a network looks, drawn over faces."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from ...au_networks.attention import AU_CENTRES, EAC_HALF_WINDOW, EAC_SIDE, EAC_SLOPE, au_centres, windows
from ...types import FloatArray, ImageArray
from .eac_net import EacNet
from .jaa_net import JaaNet
from .me_graphau import MeGraphAu
from .networks import AuModel, JaaModel, MeGraphAuModel

STRENGTH = 0.5


@torch.no_grad()
def attention(model: AuModel, faces: Tensor, landmarks: Tensor) -> FloatArray:
    """Attention (B, N, side, side), 0..1, of each action unit. faces, landmarks: as in Batch.

    JAA-Net: its refined maps. EAC-Net: the windows of the action unit's own centres, which do not depend on the
    picture. ME-GraphAU has no map of its own; shown is how much each place of the last feature map adds to the action
    unit's node along the direction it is compared with, over the largest place.
    """
    model.eval()
    net = model.net
    if isinstance(net, JaaNet) and isinstance(model, JaaModel):
        return np.asarray(net(model.normalised(faces)).attention.float().cpu().numpy(), np.float32)
    if isinstance(net, EacNet):
        own = [(49, 53, 0.0) if au == 10 else AU_CENTRES[au] for au in model.spec.aus]
        centres = torch.floor(au_centres(landmarks.float(), own) * (EAC_SIDE / faces.shape[-1]))
        return np.asarray(windows(centres, EAC_SIDE, EAC_SLOPE, EAC_HALF_WINDOW).cpu().numpy(), np.float32)
    assert isinstance(net, MeGraphAu) and isinstance(model, MeGraphAuModel)
    places = net.backbone(model.normalised(faces)).flatten(2).transpose(1, 2)
    per_place = net.head.per_place(net.global_linear(places))
    directions = F.normalize(torch.relu(net.head.get_parameter(net.head.centres_name)), dim=-1)
    shares = (per_place * directions[None, :, None]).sum(-1)
    shares = shares / shares.amax(-1, keepdim=True).clamp(min=1e-6)
    side = round(shares.shape[-1] ** 0.5)
    return np.asarray(shares.view(*shares.shape[:2], side, side).float().cpu().numpy(), np.float32)


def overlay(face: ImageArray, attention_map: ArrayLike) -> ImageArray:
    """A face (side, side, 3), RGB, with a map (s, s) of 0..1 over it, from blue (0) to red (1)."""
    side = face.shape[0]
    level = cv2.resize(np.asarray(attention_map, np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    heat = cv2.applyColorMap((255 * np.clip(level, 0, 1)).astype(np.uint8), cv2.COLORMAP_JET)[:, :, ::-1]
    return np.asarray((1 - STRENGTH) * face + STRENGTH * heat, np.uint8)


def sheet(faces: list[ImageArray], maps: FloatArray, probability: FloatArray, aus: tuple[int, ...]) -> ImageArray:
    """One row for each face, one column for each action unit with its probability; the plain face comes first.

    faces: B of (side, side, 3). maps: (B, N, s, s). probability: (B, N).
    """
    rows = []
    for face, face_maps, said in zip(faces, maps, probability, strict=True):
        cells = [face.copy()]
        for au, attention_map, p in zip(aus, face_maps, said, strict=True):
            cell = np.ascontiguousarray(overlay(face, attention_map))
            for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
                cv2.putText(cell, f"AU{au} {p:.2f}", (5, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, width, cv2.LINE_AA)
            cells.append(cell)
        rows.append(np.hstack(cells))
    return np.asarray(np.vstack(rows), np.uint8)
