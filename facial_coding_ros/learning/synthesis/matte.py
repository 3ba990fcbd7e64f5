# SPDX-License-Identifier: Apache-2.0
"""A person cut out of a portrait, and the background without them."""

from __future__ import annotations

import cv2
import mediapipe as mp
import numpy as np

from ...types import FloatArray, ImageArray


def person_matte(image: ImageArray) -> FloatArray:
    """Share (height, width), 0..1, of each pixel that is the person: segmentation, refined along the image's edges."""
    with mp.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0) as segmentation:
        rough = np.asarray(segmentation.process(image).segmentation_mask, np.float32)
    band = max(image.shape[:2]) // 60
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    labels = np.where(rough > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[cv2.erode((rough > 0.9).astype(np.uint8), kernel) > 0] = cv2.GC_FGD
    labels[cv2.dilate((rough > 0.1).astype(np.uint8), kernel) == 0] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    cv2.grabCut(image, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    person = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    # One piece without specks: only the largest part counts, and holes are filled.
    _, parts, stats, _ = cv2.connectedComponentsWithStats(person)
    person = (parts == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    contours, _ = cv2.findContours(person, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(person, contours, -1, (1,), cv2.FILLED)
    return np.clip(guided(image, cv2.GaussianBlur(person.astype(np.float32), (0, 0), 1.0), band // 2, 1e-4), 0, 1)


def guided(image: ImageArray, values: FloatArray, radius: int, smoothness: float) -> FloatArray:
    """`values` (height, width) smoothed along the edges of the image (He, Sun and Tang 2010, grey guide)."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(array: FloatArray) -> FloatArray:
        return np.asarray(cv2.blur(array, size), np.float32)

    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    mean_guide, mean_values = mean(guide), mean(values)
    variance = mean(guide * guide) - mean_guide**2
    slope = (mean(guide * values) - mean_guide * mean_values) / (variance + smoothness)
    offset = mean_values - slope * mean_guide
    return np.asarray(mean(slope) * guide + mean(offset), np.float32)


def clean_plate(image: ImageArray, matte: FloatArray, reach: int) -> ImageArray:
    """The background alone: filled in behind the person, well to `reach` pixels from the outline, roughly beyond."""
    size = 2 * (reach // 20) + 3
    unknown = cv2.dilate((matte > 0.02).astype(np.uint8), np.ones((size, size), np.uint8))
    inside = cv2.erode(unknown, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8), borderValue=(1,))
    ring = ((unknown > 0) & (inside == 0)).astype(np.uint8)
    # The middle is unknown too, but far from what will be seen: filled smoothly.
    known = image.copy()
    blurred = _fill_smoothly(image, unknown == 0)
    known[unknown > 0] = blurred[unknown > 0]
    filled = cv2.inpaint(known, ring, 3, cv2.INPAINT_TELEA)
    soft = cv2.GaussianBlur(filled, (0, 0), 1.2)
    return np.where(unknown[..., None] > 0, soft, image).astype(np.uint8)


def _fill_smoothly(image: ImageArray, known: np.ndarray) -> ImageArray:
    """Unknown pixels from the known ones around, by pull and push over an image pyramid."""
    colours = [image.astype(np.float32) * known[..., None]]
    weights = [known.astype(np.float32)]
    while min(weights[-1].shape) > 2:
        colours.append(np.asarray(cv2.pyrDown(colours[-1]), np.float32))
        weights.append(np.asarray(cv2.pyrDown(weights[-1]), np.float32))
    result = colours[-1] / np.maximum(weights[-1], 1e-6)[..., None]
    for colour, weight in zip(colours[-2::-1], weights[-2::-1], strict=True):
        above = cv2.resize(result, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        share = np.clip(weight, 0, 1)[..., None]
        result = colour + above * (1 - share) if weight is weights[0] else _mix(colour, weight, above)
    return np.clip(result, 0, 255).astype(np.uint8)


def _mix(colour: FloatArray, weight: FloatArray, above: FloatArray) -> FloatArray:
    share = np.clip(weight * 4, 0, 1)[..., None]
    return np.asarray(share * colour / np.maximum(weight, 1e-6)[..., None] + (1 - share) * above, np.float32)
