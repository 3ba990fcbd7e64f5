# SPDX-License-Identifier: Apache-2.0
"""What a robot's other nodes use: who is there, what they do, what they did."""

from .listener import FaceListener, Subscribed
from .snapshot import Snapshot

__all__ = ["FaceListener", "Snapshot", "Subscribed"]
