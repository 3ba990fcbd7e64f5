# SPDX-License-Identifier: Apache-2.0
"""Whether this machine does what the package needs: asked by `facial_coding doctor`, and by the node when it starts."""

from .finding import Finding, Level

__all__ = ["Finding", "Level"]
