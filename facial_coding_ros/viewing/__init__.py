# SPDX-License-Identifier: Apache-2.0
"""Face codes for people who look: a Rerun recording, and the lines of a terminal."""
