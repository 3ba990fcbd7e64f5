# SPDX-License-Identifier: Apache-2.0
"""Images of the demo clip for the tests of nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facial_coding_ros.types import ImageArray

from ..conftest import CLIP


@pytest.fixture(scope="module")
def people() -> list[ImageArray]:
    from ..ros import images_of  # needs ROS, without which these tests are skipped

    return images_of(CLIP)


@pytest.fixture
def images(people: list[ImageArray]) -> Iterator[ImageArray]:
    from ..ros import forwards_and_back

    return forwards_and_back(people)
