# SPDX-License-Identifier: Apache-2.0
"""Sparse constants of a TensorFlow Lite file, made dense.

A sparse tensor is a tree. Its levels are the tensor's dimensions in the order of `traversal_order`, then the
dimensions of the blocks, if there are any; `block_map` names the dimension that each block's dimension divides. At a
dense level every node has all children; at a sparse one those that `indices` list between two `segments` (as in the
compressed sparse row format). The leaves are the stored values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TreeLevel:
    """One level of the tree. dense_size: children of each node; segments and indices: of a sparse level, else None."""

    dense_size: int
    segments: NDArray[Any] | None = None
    indices: NDArray[Any] | None = None


def densify(
    values: NDArray[Any],
    shape: tuple[int, ...],
    levels: Sequence[TreeLevel],
    traversal_order: Sequence[int],
    block_map: Sequence[int],
) -> NDArray[Any]:
    """The dense tensor of this shape. Raises ValueError when the parts do not fit each other."""
    rank = len(shape)
    if sorted(traversal_order) != list(range(len(levels))) or len(levels) != rank + len(block_map):
        raise ValueError(
            f"a sparse tensor of {rank} dimensions has {len(levels)} levels in the order {traversal_order}"
        )
    block_sizes = dict.fromkeys(range(rank), 1)
    for dimension, level in zip(traversal_order, levels, strict=True):
        if dimension >= rank:
            block_sizes[block_map[dimension - rank]] = level.dense_size
    nodes: NDArray[np.intp] = np.zeros(1, np.intp)  # number of each node among those of its level
    place = np.zeros((1, rank), np.intp)
    for dimension, level in zip(traversal_order, levels, strict=True):
        if level.segments is None or level.indices is None:
            parent = np.repeat(np.arange(len(nodes)), level.dense_size)
            child = np.tile(np.arange(level.dense_size), len(nodes))
            nodes = nodes[parent] * level.dense_size + child
        else:
            first, count = level.segments[nodes].astype(np.intp), np.diff(level.segments.astype(np.intp))[nodes]
            parent = np.repeat(np.arange(len(nodes)), count)
            # Of each node the numbers first, first + 1, ... as many as it has children.
            nodes = np.repeat(first - np.cumsum(count) + count, count) + np.arange(len(parent))
            child = level.indices[nodes].astype(np.intp)
        of = dimension if dimension < rank else block_map[dimension - rank]
        place = place[parent]
        place[:, of] += child * (block_sizes[of] if dimension < rank else 1)
    if len(nodes) != len(values):
        raise ValueError(f"a sparse tensor has {len(values)} values; its levels have room for {len(nodes)}")
    dense = np.zeros(shape, values.dtype)
    dense[tuple(place.T)] = values[nodes]
    return dense
