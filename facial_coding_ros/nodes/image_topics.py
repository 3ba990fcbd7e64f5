# SPDX-License-Identifier: Apache-2.0
"""Names of image topics as image_transport makes them: the compressed one lies under the image's."""

from __future__ import annotations

from rclpy.node import Node


def image_topic(node: Node, compressed: bool, name: str = "image") -> str:
    """Full name of the topic, after remapping.

    With `-r image:=/camera/image_raw` the compressed images are those on /camera/image_raw/compressed, as
    image_transport has it; a remapping of `image/compressed` itself comes first.
    """
    if not compressed:
        return str(node.resolve_topic_name(name))
    under = f"{name}/compressed"
    remapped, plain = node.resolve_topic_name(under), node.resolve_topic_name(under, only_expand=True)
    if remapped != plain:
        return str(remapped)
    return f"{node.resolve_topic_name(name)}/compressed"
