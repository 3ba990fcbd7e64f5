# SPDX-License-Identifier: Apache-2.0
import facial_coding_ros  # noqa: F401  before numpy and OpenCV: one thread of each, as in every process of ours
