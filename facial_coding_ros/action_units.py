# SPDX-License-Identifier: Apache-2.0
"""The action units that are estimated: their codes, sides, region of the face and groups."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ActionUnit:
    """One FACS action unit. sided: FACS scores left and right apart. region: field of types.Visibility it needs."""

    code: int
    name: str
    sided: bool
    region: str


ACTION_UNITS: tuple[ActionUnit, ...] = (
    ActionUnit(1, "inner brow raiser", True, "brows"),
    ActionUnit(2, "outer brow raiser", True, "brows"),
    ActionUnit(4, "brow lowerer", True, "brows"),
    ActionUnit(5, "upper lid raiser", True, "eyes"),
    ActionUnit(6, "cheek raiser", True, "eyes"),
    ActionUnit(7, "lid tightener", True, "eyes"),
    ActionUnit(9, "nose wrinkler", True, "lower_face"),
    ActionUnit(10, "upper lip raiser", True, "lower_face"),
    ActionUnit(12, "lip corner puller", True, "lower_face"),
    ActionUnit(14, "dimpler", True, "lower_face"),
    ActionUnit(15, "lip corner depressor", True, "lower_face"),
    ActionUnit(16, "lower lip depressor", True, "lower_face"),
    ActionUnit(17, "chin raiser", False, "lower_face"),
    ActionUnit(18, "lip pucker", False, "lower_face"),
    ActionUnit(20, "lip stretcher", True, "lower_face"),
    ActionUnit(22, "lip funneler", False, "lower_face"),
    ActionUnit(23, "lip tightener", False, "lower_face"),
    ActionUnit(24, "lip pressor", False, "lower_face"),
    ActionUnit(25, "lips part", False, "lower_face"),
    ActionUnit(26, "jaw drop", False, "lower_face"),
    ActionUnit(27, "mouth stretch", False, "lower_face"),
    ActionUnit(28, "lip suck", False, "lower_face"),
    ActionUnit(43, "eye closure", True, "eyes"),
    ActionUnit(45, "blink", True, "eyes"),
)

CODES: tuple[int, ...] = tuple(unit.code for unit in ACTION_UNITS)
