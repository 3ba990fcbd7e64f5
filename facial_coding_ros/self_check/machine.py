# SPDX-License-Identifier: Apache-2.0
"""What this machine is, and whether what lies around the package is as it should be."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path

from ..dds_profile import PROFILES, UDP_PROFILE, own_profile, receive_limit
from ..inference import InferenceSettings, what_cuda_lacks, what_tensorrt_lacks
from .finding import Finding, Level

PACKAGES = (
    "onnxruntime",
    "numpy",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
    "opencv-python",
    "scipy",
)
LEAST_SHARED_MEMORY = 64 * 2**20
"""Bytes that must be free in /dev/shm for images between processes: two of Fast DDS's segments of the profile."""
DOCKERS_SHARED_MEMORY = 64 * 2**20
"""Bytes that a container has where nobody said otherwise: free they seem enough, and no second node fits in."""


def describe_machine() -> Finding:
    """Processor, cores, Python and the packages that count."""
    from importlib.metadata import PackageNotFoundError, version  # the node has no use for it

    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    text = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {', '.join(versions)}"
    return Finding("machine", Level.OK, text)


def check_shared_memory(folder: Path = Path("/dev/shm")) -> Finding:
    """Images between processes go through it."""
    try:
        total, _, free = shutil.disk_usage(folder)
    except OSError as error:
        return Finding("shared memory", Level.WARNING, f"{folder} cannot be read ({error.strerror}): images go by UDP")
    text = f"{free / 2**20:.0f} MiB free in {folder}"
    if free < LEAST_SHARED_MEMORY or total <= DOCKERS_SHARED_MEMORY:
        text += (
            f" of {total / 2**20:.0f}; {LEAST_SHARED_MEMORY >> 20} must stay free for images between processes, else "
            "Fast DDS says RTPS_TRANSPORT_SHM errors (docker run --shm-size=512m, or --ipc=host)"
        )
        return Finding("shared memory", Level.WARNING, text)
    return Finding("shared memory", Level.OK, text)


def check_dds() -> Finding:
    """Whether the profile for large images is in use; a warning where ROS is there and it is not."""
    if importlib.util.find_spec("rclpy") is None:
        return Finding("DDS", Level.OK, "no ROS here: replay and the pipeline work, nodes do not")
    implementation = os.environ.get("RMW_IMPLEMENTATION", "the distribution's default")
    if implementation not in ("the distribution's default", "rmw_fastrtps_cpp"):
        return Finding("DDS", Level.OK, f"{implementation}; the profile config/fastdds_shm.xml is for Fast DDS")
    for name in PROFILES:
        if path := os.environ.get(name, ""):
            if Path(path).is_file():
                return Finding("DDS", Level.OK, f"{implementation}, profile {path}")
            return Finding("DDS", Level.WARNING, f"{name} names {path}, which is not there")
    if (own := own_profile(os.environ)) is not None:
        text = f"{implementation}; nodes of this package take {own.name}"
        if own.name == UDP_PROFILE:
            return Finding("DDS", Level.OK, text)
        return Finding(
            "DDS",
            Level.WARNING,
            f"{text}; give the camera that profile too, or let sockets hold whole images: "
            f"sudo sysctl -w net.core.rmem_max=4194304 (now {receive_limit()})",
        )
    text = f"{implementation} without a profile: images of 1280 x 720 take tens of ms and get lost; set {PROFILES[0]}"
    return Finding("DDS", Level.WARNING, f"{text} (before Kilted: {PROFILES[1]}) to config/fastdds_shm.xml")


def check_gpu(inference: InferenceSettings) -> Finding:
    """What computes the models by these settings."""
    if inference.backend == "onnxruntime":
        return Finding("GPU", Level.OK, "not used: inference.backend is 'onnxruntime'")
    no_tensorrt, no_cuda = what_tensorrt_lacks(), what_cuda_lacks()
    if inference.backend != "cuda" and not no_tensorrt:
        return Finding("GPU", Level.OK, "TensorRT computes the models")
    if inference.backend != "tensorrt" and not no_cuda:
        text = "ONNX Runtime's CUDA provider computes the models, if CUDA and cuDNN are there: the node's log says it"
        return Finding("GPU", Level.OK, text)
    missing = no_cuda if inference.backend == "cuda" else no_tensorrt
    if inference.backend != "auto":
        return Finding("GPU", Level.ERROR, f"inference.backend is {inference.backend!r}, and {missing}")
    return Finding("GPU", Level.OK, f"not used, ONNX Runtime computes the models: {missing}")
