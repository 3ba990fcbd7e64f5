# SPDX-License-Identifier: Apache-2.0
"""Whether a backend answers as the reference does."""

from __future__ import annotations

import numpy as np

from .session import Session


def difference_between(session: Session, reference: Session, max_batch: int) -> float:
    """Largest difference of two sessions' answers to the model's check inputs, over the model's tolerance.

    In the output's unit, in proportion where the output is larger than 1. 1 or less is what may be used; NaN and
    infinities where the reference has none count as infinite.
    """
    model = reference.model
    shapes = {tensor.name: tensor.shape for tensor in reference.inputs}
    pixels = [tensor.name for tensor in reference.inputs if tensor.pixels]
    fixed = [tensor.batch for tensor in reference.inputs if tensor.batch]
    largest = 0.0
    for batch in sorted({1, max_batch}) if not fixed else fixed[:1]:
        inputs = model.check_inputs(shapes, batch, pixels)
        expected, found = reference.run(inputs), session.run(inputs)
        for name, values in expected.items():
            size = max(1.0, float(np.nanmax(np.abs(values), initial=0)))
            if not np.array_equal(np.isfinite(values), np.isfinite(found[name])):
                return float("inf")
            apart = float(np.nanmax(np.abs(found[name] - values), initial=0)) / size
            largest = max(largest, apart / model.tolerance(name))
    return largest
