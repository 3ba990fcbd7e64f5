# SPDX-License-Identifier: Apache-2.0
"""Sparse tensors against a plain walk through the tree that the format describes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facial_coding_ros.tracking.tflite.sparse_tensors import TreeLevel, densify


def packed(
    dense: NDArray[Any], order: list[int], block_map: list[int], block: list[int], sparse: set[int]
) -> tuple[NDArray[Any], list[TreeLevel]]:
    """A dense tensor as the format stores it, node by node. sparse: levels that list their children."""
    rank = dense.ndim
    size = [n // (block[block_map.index(d)] if d in block_map else 1) for d, n in enumerate(dense.shape)] + block
    segments: dict[int, list[int]] = {level: [0] for level in sparse}
    indices: dict[int, list[int]] = {level: [] for level in sparse}
    values: list[float] = []

    def part(place: dict[int, int]) -> NDArray[Any]:
        """Of the tensor, what lies below a node."""
        found = dense
        for d in range(rank):
            inner = block[block_map.index(d)] if d in block_map else 1
            low, high = 0, dense.shape[d]
            if d in place:
                low, high = place[d] * inner, (place[d] + 1) * inner
            if d in block_map and rank + block_map.index(d) in place:
                low += place[rank + block_map.index(d)]
                high = low + 1
            found = found.take(range(low, high), axis=d)
        return found

    def walk(level: int, place: dict[int, int]) -> None:
        if level == len(order):
            values.append(part(place).item())
            return
        children = list(range(size[order[level]]))
        if level in sparse:
            children = [child for child in children if part({**place, order[level]: child}).any()]
            indices[level] += children
            segments[level].append(len(indices[level]))
        for child in children:
            walk(level + 1, {**place, order[level]: child})

    walk(0, {})
    levels = [
        TreeLevel(0, np.array(segments[i], np.int32), np.array(indices[i], np.uint8))
        if i in sparse
        else TreeLevel(size[dimension])
        for i, dimension in enumerate(order)
    ]
    return np.array(values, dense.dtype), levels


@pytest.mark.parametrize(
    ("shape", "order", "block_map", "block", "sparse"),
    [
        ((6, 5), [0, 1], [], [], {1}),
        ((6, 5), [1, 0], [], [], {1}),
        ((5, 6), [0, 1], [], [], {0, 1}),
        ((8, 1, 1, 12), [0, 1, 2, 3], [], [], {3}),
        ((8, 12), [0, 1, 2, 3], [0, 1], [2, 4], {1}),
        ((8, 12), [0, 1, 3, 2], [0, 1], [2, 4], {1}),
        ((8, 12), [1, 0, 2], [0], [4], {1}),
        ((3, 4, 6), [2, 0, 1, 3], [2], [3], {1, 2}),
    ],
)
def test_what_was_packed_comes_back(
    shape: tuple[int, ...], order: list[int], block_map: list[int], block: list[int], sparse: set[int]
) -> None:
    rng = np.random.default_rng(3)
    dense = rng.normal(size=shape).astype(np.float16) * (rng.random(shape) < 0.3)
    values, levels = packed(dense, order, block_map, block, sparse)
    assert 0 < len(values) < dense.size
    np.testing.assert_array_equal(densify(values, shape, levels, order, block_map), dense)


def test_parts_that_do_not_fit_are_refused() -> None:
    dense = np.eye(4, dtype=np.float32)
    values, levels = packed(dense, [0, 1], [], [], {1})
    with pytest.raises(ValueError, match="3 values; its levels have room for 4"):
        densify(values[:-1], (4, 4), levels, [0, 1], [])
    with pytest.raises(ValueError, match=r"levels in the order \[0, 0\]"):
        densify(values, (4, 4), levels, [0, 0], [])
