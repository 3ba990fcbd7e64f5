# SPDX-License-Identifier: Apache-2.0
"""FACS action units from pixels: EAC-Net, JAA-Net and ME-GraphAU.

`specs`, `alignment` and `live` need no torch; everything that builds or trains a network does.
"""
