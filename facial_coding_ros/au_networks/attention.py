# SPDX-License-Identifier: Apache-2.0
"""Where each action unit shows: centres from landmarks, and attention maps as plain tensor operations.

Landmarks are those of the 68-point scheme in pixels of the crop; no gradient passes through the maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

INNER_EYE_CORNERS = (39, 42)

# Action unit -> the landmarks of its two centres, and how far above them (below when negative) it lies, in distances
# between the inner eye corners.
AU_CENTRES: Mapping[int, tuple[int, int, float]] = {
    1: (21, 22, 1 / 2),
    2: (18, 25, 1 / 3),
    4: (19, 24, -1 / 3),
    6: (41, 46, -1.0),
    7: (38, 43, 0.0),
    9: (32, 34, 1 / 2),
    10: (61, 63, 0.0),
    12: (48, 54, 0.0),
    14: (48, 54, 0.0),
    15: (48, 54, 0.0),
    17: (56, 58, -1 / 2),
    23: (51, 57, 0.0),
    24: (51, 57, 0.0),
    25: (51, 57, 0.0),
    26: (56, 58, -1 / 2),
}

# EAC-Net looks at the same ten pairs whatever action units it is asked for: those of AU 1, 2, 4, 6, 7, 10, 12 (14, 15),
# of the lips' middle (23, 24, 25), of the inner lips, and below the lower lip (17, 26).
EAC_CENTRES: tuple[tuple[int, int, float], ...] = (
    AU_CENTRES[1], AU_CENTRES[2], AU_CENTRES[4], AU_CENTRES[6], AU_CENTRES[7],
    (49, 53, 0.0), AU_CENTRES[12], AU_CENTRES[23], (61, 63, 0.0), AU_CENTRES[17],
)  # fmt: skip

INNER_49 = (*range(17, 60), 61, 62, 63, 65, 66, 67)
"""The 49 of the 68 landmarks without the jaw and the inner mouth corners."""

EAC_SIDE = 100
EAC_SLOPE = 0.095
EAC_HALF_WINDOW = 5

JAA_SIDE = 52
JAA_SLOPE = 0.56 / (JAA_SIDE * 0.14)
JAA_HALF_WINDOW = 4


def centres_of(aus: Sequence[int]) -> tuple[tuple[int, int, float], ...]:
    """The centres of action units. Raises ValueError naming those that have none."""
    unknown = [au for au in aus if au not in AU_CENTRES]
    if unknown:
        raise ValueError(f"No centres are known for AU {unknown}; there are {sorted(AU_CENTRES)}.")
    return tuple(AU_CENTRES[au] for au in aus)


def au_centres(landmarks: Tensor, centres: Sequence[tuple[int, int, float]]) -> Tensor:
    """Centres (B, n, 2, 2): both of each action unit, x and y, in the unit of landmarks (B, 68, 2)."""
    first = [row[0] for row in centres]
    second = [row[1] for row in centres]
    rise = landmarks.new_tensor([row[2] for row in centres])
    right, left = INNER_EYE_CORNERS
    ruler = (landmarks[:, right, 0] - landmarks[:, left, 0]).abs()
    pairs = torch.stack([landmarks[:, first], landmarks[:, second]], dim=2)
    up = ruler[:, None] * rise[None]
    return torch.stack([pairs[..., 0], pairs[..., 1] - up[:, :, None]], dim=-1)


def windows(centres: Tensor, side: int, slope: float, half_window: int) -> Tensor:
    """Maps (B, n, side, side) with 1 at whole-numbered centres (B, n, 2, 2), falling by `slope` a pixel of Manhattan
    distance, 0 outside the square windows; the larger where two windows overlap.

    A window's edges are moved into the map, its centre is not: one that lies outside leaves a weak line at the edge.
    """
    axis = torch.arange(side, device=centres.device, dtype=centres.dtype)
    low = (centres - half_window).clamp(0, side - 1)[..., None]
    high = (centres + half_window).clamp(0, side - 1)[..., None]
    inside = ((axis >= low) & (axis <= high)).to(centres.dtype)
    distance = (axis - centres[..., None]).abs()
    value = 1 - slope * (distance[..., 0, None, :] + distance[..., 1, :, None])
    return (value.clamp(min=0) * inside[..., 0, None, :] * inside[..., 1, :, None]).amax(dim=2)


def jaa_attention(landmarks: Tensor, aus: Sequence[int], crop: int) -> Tensor:
    """JAA-Net's initial maps (B, n, 52, 52), one for each action unit, from landmarks (B, 68, 2) in pixels of the
    crop.
    """
    centres = torch.round(au_centres(landmarks.detach().float(), centres_of(aus)) * (JAA_SIDE / crop))
    return windows(centres, JAA_SIDE, JAA_SLOPE, JAA_HALF_WINDOW)


def eac_attention(landmarks: Tensor, crop: int) -> Tensor:
    """EAC-Net's map (B, 1, 100, 100) of all centres together, in hundredths of the crop's side.

    w = 1 - 0.095 d in windows of 11 x 11, d the Manhattan distance (Li et al. 2017, section III A).
    """
    centres = torch.floor(au_centres(landmarks.detach().float(), EAC_CENTRES) * (EAC_SIDE / crop))
    return windows(centres, EAC_SIDE, EAC_SLOPE, EAC_HALF_WINDOW).amax(dim=1, keepdim=True)


def inner_to_68(inner: Tensor) -> Tensor:
    """Landmarks (B, 68, 2) from the inner 49 (B, 49, 2); the 19 that are not known are nan."""
    positions = [INNER_49.index(i) if i in INNER_49 else 49 for i in range(68)]
    padded = torch.cat([inner, torch.full_like(inner[:, :1], float("nan"))], dim=1)
    return padded[:, positions]
