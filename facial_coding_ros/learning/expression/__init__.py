# SPDX-License-Identifier: Apache-2.0
"""Learns what a stranger's face expresses: the appearance head on the landmark network's features, and its fusion."""
