# SPDX-License-Identifier: Apache-2.0
"""The CUDA calls against the real cuda-python on a machine without a GPU: arguments fit, refusals are in words."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from facial_coding_ros.inference import GpuError, what_tensorrt_lacks
from facial_coding_ros.inference.gpu import Gpu, cuda_runtime, shares_memory

cuda = pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed; `standalone/setup tensorrt`")
pytestmark = pytest.mark.skipif(not what_tensorrt_lacks(), reason="there is a GPU here; test_tensorrt_gpu.py runs")
ARRAY = np.zeros(4, np.float32)
CALLS: dict[str, Callable[[Gpu], object]] = {
    "pinned": lambda gpu: gpu.pinned((2, 3), np.float32),
    "address_of": lambda gpu: gpu.address_of(ARRAY),
    "allocate": lambda gpu: gpu.allocate(10),
    "free": lambda gpu: gpu.free(0x1000),
    "upload": lambda gpu: gpu.upload(0x1000, ARRAY),
    "download": lambda gpu: gpu.download(ARRAY, 0x1000),
    "wait": lambda gpu: gpu.wait(),
    "capture": lambda gpu: gpu.capture(lambda: None),
    "launch": lambda gpu: gpu.launch(cuda.cudaGraphExec_t(0)),
    "free_graph": lambda gpu: gpu.free_graph(cuda.cudaGraphExec_t(0)),
    "close": lambda gpu: gpu.close(),
}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_each_call_reaches_the_driver(call: str, shared: bool) -> None:
    gpu = Gpu.__new__(Gpu)
    gpu._cuda, gpu._stream, gpu.shares_memory = cuda_runtime(), cuda.cudaStream_t(1), shared
    with pytest.raises(GpuError, match=r"there is no NVIDIA (driver|GPU)"):
        CALLS[call](gpu)


def test_no_gpu_in_words() -> None:
    with pytest.raises(GpuError, match=r"there is no NVIDIA (driver|GPU)"):
        Gpu()


@pytest.mark.parametrize(
    ("name", "major", "minor", "integrated", "maps", "shares"),
    [
        ("Orin", 8, 7, 1, 1, True),
        ("Xavier", 7, 2, 1, 1, True),
        ("TX2, whose CPU does not cache pinned memory", 6, 2, 1, 1, False),
        ("RTX 3090", 8, 6, 0, 1, False),
        ("one that cannot see the host's memory", 8, 7, 1, 0, False),
    ],
)
def test_which_gpus_need_no_copies(name: str, major: int, minor: int, integrated: int, maps: int, shares: bool) -> None:
    properties = SimpleNamespace(major=major, minor=minor, integrated=integrated, canMapHostMemory=maps)
    assert shares_memory(properties) is shares
    assert hasattr(cuda.cudaDeviceProp(), "integrated") and hasattr(cuda.cudaDeviceProp(), "canMapHostMemory")
