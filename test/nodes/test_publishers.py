# SPDX-License-Identifier: Apache-2.0
"""What is said of other publishers of the set of faces, while discovery comes and after it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2; standalone/env has it")

from facial_coding_ros.nodes.publishers import problem_of_tracked


class _Graph:
    """A node that sees these publishers."""

    def __init__(self, *names: tuple[str, str]) -> None:
        self._found = [SimpleNamespace(node_namespace=namespace, node_name=name) for namespace, name in names]

    def get_publishers_info_by_topic(self, _topic: str) -> list[Any]:
        return self._found


_OURS = ("/", "facial_coding")
_NOT_YET = ("_NODE_NAMESPACE_UNKNOWN_", "_NODE_NAME_UNKNOWN_")


def _problem(*names: tuple[str, str], add_on: bool = False) -> str | None:
    return problem_of_tracked(_Graph(*names), "/humans/faces/tracked", add_on)  # type: ignore[arg-type]


def test_two_are_named() -> None:
    said = _problem(_OURS, ("/left", "face_detect"))
    assert said is not None and said.startswith("/facial_coding, /left/face_detect all do")


def test_a_publisher_is_named_only_once_it_is_known() -> None:
    assert _problem(_OURS) is None
    assert _problem(_OURS, _NOT_YET) is None


def test_an_add_on_needs_somebody() -> None:
    said = _problem(add_on=True)
    assert said is not None and said.startswith("nobody publishes the faces")
    assert _problem(_NOT_YET, add_on=True) is None
