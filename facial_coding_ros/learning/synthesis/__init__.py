# SPDX-License-Identifier: Apache-2.0
"""Pictures of faces whose action units are known."""
