# SPDX-License-Identifier: Apache-2.0
"""The NVIDIA GPU through cuda-python: memory, one stream, captured graphs."""

from __future__ import annotations

import ctypes
import importlib
import math
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

COHERENT_FROM = 72
"""Compute capability from which an integrated GPU sees what the CPU's caches hold. Below it the CPU does not cache
pinned memory, which makes it slow to work in (NVIDIA: CUDA for Tegra, Memory Selection)."""


class GpuError(RuntimeError):
    """No GPU, or a call that failed; the text says which and what may help."""


def cuda_runtime() -> ModuleType:
    """cuda-python's runtime module. Raises GpuError when it is not installed or cannot be loaded."""
    for name in ("cuda.bindings.runtime", "cuda.cudart"):  # the second is its name before 12.6
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        except (ImportError, OSError, RuntimeError) as error:
            raise GpuError(f"cuda-python cannot be loaded: {error}") from None
    raise GpuError("cuda-python is not installed; install the one of the driver's CUDA")


def shares_memory(properties: Any) -> bool:
    """Whether a GPU works in the host's own memory as fast as in a copy of it, as those of a Jetson do.

    properties: cudaDeviceProp.
    """
    coherent = 10 * properties.major + properties.minor >= COHERENT_FROM
    return coherent and bool(properties.integrated) and bool(properties.canMapHostMemory)


class Gpu:
    """The first GPU, and one stream on it. name: as its driver says; capability: 87 for SM87.

    shares_memory: it needs no copies of pinned arrays; see `address_of`. Raises GpuError when there is none.
    """

    def __init__(self) -> None:
        self._cuda = cuda_runtime()
        count = self._call("cudaGetDeviceCount")
        if not count:
            raise GpuError("there is no NVIDIA GPU")
        properties = self._call("cudaGetDeviceProperties", 0)
        name = properties.name
        self.name: str = (name.decode() if isinstance(name, bytes) else str(name)).strip("\0 ")
        self.capability: int = 10 * properties.major + properties.minor
        self.shares_memory = shares_memory(properties)
        self._stream: Any = None

    def __str__(self) -> str:
        return f"{self.name} SM{self.capability}"

    @property
    def stream(self) -> int:
        """Handle of the stream, made when first asked for."""
        return int(self._made_stream())

    def pinned(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """Page-locked host memory as an array of zeros; freed with the last array that looks at it."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        flags = self._cuda.cudaHostAllocMapped if self.shares_memory else self._cuda.cudaHostAllocDefault
        address = int(self._call("cudaHostAlloc", max(size, 4), flags))
        memory = (ctypes.c_uint8 * max(size, 4)).from_address(address)
        weakref.finalize(memory, self._cuda.cudaFreeHost, address)
        array = np.ctypeslib.as_array(memory)[:size].view(dtype).reshape(shape)
        array[...] = 0
        return array

    def address_of(self, array: NDArray[Any]) -> int:
        """Where a GPU that `shares_memory` reads and writes a pinned array."""
        return int(self._call("cudaHostGetDevicePointer", array.ctypes.data, 0))

    def allocate(self, size: int) -> int:
        """Address of `size` bytes on the device; given back with `free`."""
        return int(self._call("cudaMalloc", max(size, 4)))

    def free(self, address: int) -> None:
        self._call("cudaFree", address)

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """Starts copying pinned memory to the device."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", address, array.ctypes.data, array.nbytes, kind, self._made_stream())

    def download(self, array: NDArray[Any], address: int) -> None:
        """Starts copying from the device to pinned memory."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", array.ctypes.data, address, array.nbytes, kind, self._made_stream())

    def wait(self) -> None:
        """Until everything started on the stream is done."""
        self._call("cudaStreamSynchronize", self._made_stream())

    def capture(self, work: Callable[[], None]) -> Any:
        """What `work` starts on the stream, as a graph that is launched at once. Raises GpuError when it cannot be."""
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", self._made_stream(), mode)
        try:
            work()
        except GpuError:
            self._cuda.cudaStreamEndCapture(self._stream)  # leaves the stream usable; the error is the one above
            self._cuda.cudaGetLastError()
            raise
        graph = self._call("cudaStreamEndCapture", self._stream)
        try:
            return self._call("cudaGraphInstantiate", graph, 0)
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch(self, graph: Any) -> None:
        self._call("cudaGraphLaunch", graph, self._made_stream())

    def free_graph(self, graph: Any) -> None:
        self._call("cudaGraphExecDestroy", graph)

    def close(self) -> None:
        """Frees the stream; a second call does nothing."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._call("cudaStreamDestroy", stream)

    def _made_stream(self) -> Any:
        if self._stream is None:
            self._stream = self._call("cudaStreamCreate")
        return self._stream

    def _call(self, function: str, *arguments: Any) -> Any:
        status, *values = getattr(self._cuda, function)(*arguments)
        if int(status) == 0:
            return values[0] if values else None
        if status.name == "cudaErrorInsufficientDriver":
            raise GpuError("there is no NVIDIA driver, or it is older than cuda-python's CUDA")
        if status.name == "cudaErrorNoDevice":
            raise GpuError("there is no NVIDIA GPU")
        raise GpuError(f"{function}: {status.name}")
