# SPDX-License-Identifier: Apache-2.0
"""Choosing, refusing and falling back, with a GPU that is none: engines are ONNX graphs that ONNX Runtime runs.

What TensorRT itself does is tested in test_tensorrt_build.py and, where there is a GPU, in test_tensorrt_gpu.py; here
the decisions around it, on any machine.
"""

from __future__ import annotations

import ctypes
import enum
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from facial_coding_ros.coding.coding_graph import CodingGraph
from facial_coding_ros.coding.dfecs import DfecsEncoder
from facial_coding_ros.coding.facs import FacsEstimator
from facial_coding_ros.coding.motion_formula import motion_formula
from facial_coding_ros.coding.perceptual.coder import PerceptualCoder
from facial_coding_ros.commands.export_coding import stored_inputs
from facial_coding_ros.inference import InferenceSettings, ModelError, open_session, tensorrt_backend
from facial_coding_ros.inference.engines import EngineCache, read_engine, write_engine
from facial_coding_ros.inference.gpu import GpuError
from facial_coding_ros.inference.tensorrt_library import TensorRtError
from facial_coding_ros.models import share_folder
from facial_coding_ros.tracking.conversion.model_cache import made_models
from facial_coding_ros.tracking.onnx_networks import open_landmarks

from .test_session import write_model

X = {"x": np.array([[1, 2, 3], [-1, 0, 1]], np.float32)}


class TensorIOMode(enum.Enum):
    INPUT = 0
    OUTPUT = 1


class StandInGpu:
    """Memory of the host instead of the device's; `fails` makes the next waiting fail.

    shares_memory: as an integrated one. offset: of pinned arrays from what is aligned, in bytes.
    """

    name, capability, stream = "stand-in", 87, 0
    fails = shares_memory = False
    offset = 0

    def __str__(self) -> str:
        return "stand-in SM87"

    def pinned(self, shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        memory = np.zeros(size + 512, np.uint8)
        start = -memory.ctypes.data % 256 + self.offset
        return memory[start : start + size].view(dtype).reshape(shape)

    def address_of(self, array: np.ndarray) -> int:
        return array.ctypes.data

    def allocate(self, size: int) -> int:
        self._kept = [*getattr(self, "_kept", []), ctypes.create_string_buffer(size + 256)]
        address = ctypes.addressof(self._kept[-1])
        return address + -address % 256

    def free(self, address: int) -> None:
        pass

    def upload(self, address: int, array: np.ndarray) -> None:
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def download(self, array: np.ndarray, address: int) -> None:
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def wait(self) -> None:
        if StandInGpu.fails:
            raise GpuError("cudaStreamSynchronize: cudaErrorIllegalAddress")

    def capture(self, work: Any) -> Any:
        return work

    def launch(self, graph: Any) -> None:
        graph()

    def free_graph(self, graph: Any) -> None:
        pass

    def close(self) -> None:
        pass


class StandInEngine:
    """`moved` is added to every answer."""

    def __init__(self, graph: bytes, moved: float, max_batch: int) -> None:
        self._session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self.ends = {n.name: (n, TensorIOMode.INPUT) for n in self._session.get_inputs()}
        self.ends |= {n.name: (n, TensorIOMode.OUTPUT) for n in self._session.get_outputs()}
        self._moved, self._max_batch = moved, max_batch
        self.num_io_tensors = len(self.ends)
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def get_tensor_name(self, index: int) -> str:
        return list(self.ends)[index]

    def get_tensor_dtype(self, name: str) -> type[np.generic]:
        return np.uint8 if self.ends[name][0].type == "tensor(uint8)" else np.float32

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return self.ends[name][1]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        batch = next(iter(self._shapes.values()))[0] if self._shapes else -1
        return (batch, *self.ends[name][0].shape[1:])

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        rest = self.ends[name][0].shape[1:]
        return [(n, *rest) for n in (1, 2, self._max_batch)]

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = tuple(shape)
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return address % 256 == 0

    def execute_async_v3(self, stream: int) -> bool:
        def at(name: str) -> np.ndarray:
            shape = self.get_tensor_shape(name)
            kind = self.get_tensor_dtype(name)
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            memory = (ctypes.c_uint8 * size).from_address(self._addresses[name])
            return np.ctypeslib.as_array(memory).view(kind).reshape(shape)

        inputs = {name: at(name) for name, (_, mode) in self.ends.items() if mode is TensorIOMode.INPUT}
        for node, answer in zip(self._session.get_outputs(), self._session.run(None, inputs), strict=True):
            at(node.name)[...] = answer + self._moved
        return True


class StandInLibrary:
    """moved: what half and full precision add to the answers."""

    rtx = False
    module = SimpleNamespace(float32=np.float32, uint8=np.uint8, TensorIOMode=TensorIOMode)

    def __init__(self, half: float = 0.0, full: float = 0.0, version: str = "10.3.0", refuses: str = "") -> None:
        self.builds: list[str] = []
        self._moved = {"fp16": half, "fp32": full}
        self._version, self._refuses = version, refuses

    def __str__(self) -> str:
        return f"TensorRT {self._version}"

    def build(self, graph: bytes, name: str, max_batch: int) -> bytes:
        precision = "fp16" if graph.startswith(b"half") else "fp32"
        self.builds.append(precision)
        if self._refuses:
            raise TensorRtError(self._refuses)
        return bytes([max_batch]) + f"{self._moved[precision]:8.5f}".encode() + graph.removeprefix(b"half")

    def load(self, plan: bytes) -> tuple[StandInEngine, None]:
        return StandInEngine(plan[9:], float(plan[1:9]), plan[0]), None

    def context(self, engine: StandInEngine, compiled: bytes) -> tuple[StandInEngine, None]:
        return StandInEngine(engine._session._model_bytes, engine._moved, engine._max_batch), None


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts the stand-ins in the place of GPU and library."""
    from facial_coding_ros.inference import opening

    def put(library: StandInLibrary) -> StandInLibrary:
        monkeypatch.setattr(tensorrt_backend, "Gpu", StandInGpu)
        monkeypatch.setattr(tensorrt_backend, "TensorRtLibrary", SimpleNamespace(find=lambda capability: library))
        monkeypatch.setattr(tensorrt_backend, "to_half", lambda graph, name: b"half" + graph)
        monkeypatch.setattr(opening, "what_tensorrt_lacks", lambda: "")
        for name in ("fails", "shares_memory", "offset"):
            monkeypatch.setattr(StandInGpu, name, 0)
        return library

    return put


def settings(tmp_path: Path, **values: Any) -> InferenceSettings:
    return InferenceSettings(cache=str(tmp_path / "cache"), **values)


def test_auto_takes_tensorrt_and_builds_once(tmp_path: Path, use: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    library = use(StandInLibrary())
    path = write_model(tmp_path)
    expected = open_session(path, InferenceSettings(backend="onnxruntime")).run(X)
    for _ in range(2):
        session = open_session(path, settings(tmp_path))
        assert session.backend == "TensorRT 10.3.0, fp32, on stand-in SM87"
        for _ in range(3):
            np.testing.assert_allclose(session.run(X)["doubled"], expected["doubled"], atol=1e-6)
        with pytest.raises(ValueError, match="up to 8 at once; not a batch of 9"):
            session.bind(9)
        assert not session.model.graph, "it is in the engine by now"
        session.close()
    assert library.builds == ["fp32"] and caplog.text.count("Building the engine of small fp32") == 1
    assert len(EngineCache(tmp_path / "cache").entries()) == 1


def test_a_new_library_builds_anew(tmp_path: Path, use: Any) -> None:
    path = write_model(tmp_path)
    use(StandInLibrary())
    open_session(path, settings(tmp_path))
    newer = use(StandInLibrary(version="10.4.0"))
    open_session(path, settings(tmp_path))
    assert newer.builds == ["fp32"]
    assert [engine.key.library for _, engine in EngineCache(tmp_path / "cache").entries()] == ["TensorRT 10.4.0"]  # type: ignore[union-attr]


def test_a_stored_engine_that_does_not_load_is_built_anew(
    tmp_path: Path, use: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, and of this GPU by its name, but not for what is there now: TensorRT has the last word."""
    path = write_model(tmp_path)
    use(StandInLibrary())
    open_session(path, settings(tmp_path)).close()
    (stored,) = (tmp_path / "cache").glob("*.engine")
    engine = read_engine(stored)
    write_engine(stored, replace(engine, plan=b"of another GPU"))
    library = use(StandInLibrary())
    load = library.load

    def refusing(plan: bytes) -> Any:
        if plan == b"of another GPU":
            raise TensorRtError("TensorRT 10.3.0 cannot load the engine: it is for SM86")
        return load(plan)

    monkeypatch.setattr(library, "load", refusing)
    session = open_session(path, settings(tmp_path))
    assert session.backend.startswith("TensorRT") and library.builds == ["fp32"]
    assert "cannot load the engine: it is for SM86); it is built anew." in caplog.text
    assert read_engine(stored) == engine


def test_two_nodes_at_once_build_one_engine(tmp_path: Path, use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are those of open files, so two threads stand for two processes."""
    path = write_model(tmp_path)
    library = use(StandInLibrary())
    build = library.build

    def slow(graph: bytes, name: str, max_batch: int) -> bytes:
        time.sleep(0.3)
        return build(graph, name, max_batch)

    monkeypatch.setattr(library, "build", slow)
    with ThreadPoolExecutor(2) as nodes:
        sessions = list(nodes.map(lambda _: open_session(path, settings(tmp_path)), range(2)))
    assert library.builds == ["fp32"]
    assert [session.backend[:8] for session in sessions] == ["TensorRT", "TensorRT"]


def test_half_precision_that_differs_gives_way(tmp_path: Path, use: Any, caplog: pytest.LogCaptureFixture) -> None:
    library = use(StandInLibrary(half=0.1))
    path = write_model(tmp_path, tolerance=0.01)
    for _ in range(2):
        session = open_session(path, settings(tmp_path, precision="fp16"))
        assert ", fp32, on stand-in SM87 (the fp16 engine of TensorRT 10.3.0 differs" in session.backend
    assert library.builds == ["fp16", "fp32"]  # the refusal is remembered
    assert "times what the model's card allows" in caplog.text


def test_half_precision_is_used_where_it_is_good_enough(tmp_path: Path, use: Any) -> None:
    use(StandInLibrary(half=0.005))
    session = open_session(write_model(tmp_path, tolerance=0.01), settings(tmp_path, precision="fp16"))
    assert ", fp16, on stand-in" in session.backend


def test_engines_that_differ_give_way_to_onnx_runtime(
    tmp_path: Path, use: Any, caplog: pytest.LogCaptureFixture
) -> None:
    use(StandInLibrary(full=0.1))
    path = write_model(tmp_path, tolerance=0.01)
    session = open_session(path, settings(tmp_path))
    assert session.backend.startswith("ONNX Runtime") and "(TensorRT failed: the fp32 engine" in session.backend
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "ONNX Runtime takes over: the fp32 engine" in warning
    with pytest.raises(ModelError, match=r"which was asked for: the fp32 engine .* differs"):
        open_session(path, settings(tmp_path, backend="tensorrt"))


@pytest.mark.parametrize("moved", [float("nan"), float("inf")])
def test_engines_without_numbers_are_refused(tmp_path: Path, use: Any, moved: float) -> None:
    use(StandInLibrary(full=moved))
    assert open_session(write_model(tmp_path), settings(tmp_path)).backend.startswith("ONNX Runtime")


def test_a_refused_graph_gives_way(tmp_path: Path, use: Any) -> None:
    library = use(StandInLibrary(refuses="refuses small: Det: no importer"))
    session = open_session(write_model(tmp_path), settings(tmp_path, precision="fp16"))
    assert session.backend.startswith("ONNX Runtime") and "Det: no importer" in session.backend
    assert library.builds == ["fp16", "fp32"]


def test_stored_inputs_that_are_damaged_give_way(tmp_path: Path, use: Any) -> None:
    use(StandInLibrary())
    path = write_model(tmp_path)
    path.with_name(f"{path.stem}_check.npz").write_bytes(b"PK\x03\x04 and no more")
    session = open_session(path, settings(tmp_path))
    assert session.backend.startswith("ONNX Runtime") and "_check.npz is damaged" in session.backend


def test_a_gpu_that_fails_while_running(tmp_path: Path, use: Any, caplog: pytest.LogCaptureFixture) -> None:
    use(StandInLibrary())
    session = open_session(write_model(tmp_path), settings(tmp_path))
    expected = session.run(X)["y"]
    StandInGpu.fails = True
    for _ in range(3):
        np.testing.assert_allclose(session.run(X)["y"], expected, atol=1e-6)
    assert session.backend.startswith("ONNX Runtime")
    assert [r.levelname for r in caplog.records if "the GPU fails" in r.message] == ["WARNING"]
    session.close()


def no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Any:
        raise AssertionError("nothing is to be copied, and nothing to be kept for it")

    for name in ("allocate", "upload", "download"):
        monkeypatch.setattr(StandInGpu, name, refuse)


def test_a_gpu_that_shares_the_hosts_memory_works_in_it(
    tmp_path: Path, use: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(StandInLibrary())
    path = write_model(tmp_path)
    expected = open_session(path, InferenceSettings(backend="onnxruntime")).run(X)
    StandInGpu.shares_memory = True
    no_copies(monkeypatch)
    session = open_session(path, settings(tmp_path))
    assert session.backend == "TensorRT 10.3.0, fp32, on stand-in SM87, without copies"
    binding = session.bind(2)
    assert binding._context._addresses == {  # type: ignore[attr-defined]
        name: array.ctypes.data for name, array in {**binding.inputs, **binding.outputs}.items()
    }
    for sign in (1, -1, 1):  # plainly, captured, replayed
        binding.inputs["x"][...] = sign * X["x"]
        binding.run()
    for name, answer in binding.outputs.items():
        np.testing.assert_allclose(answer, expected[name], atol=1e-6)
    StandInGpu.fails = True
    for array in binding.outputs.values():
        array[...] = np.nan
    binding.run()  # the CPU takes over, on the same arrays
    for name, answer in binding.outputs.items():
        np.testing.assert_allclose(answer, expected[name], atol=1e-6)
    assert session.backend.startswith("ONNX Runtime")
    session.close()


def test_memory_that_is_not_aligned_is_copied_all_the_same(tmp_path: Path, use: Any) -> None:
    use(StandInLibrary())
    StandInGpu.shares_memory, StandInGpu.offset = True, 4
    path = write_model(tmp_path)
    expected = open_session(path, InferenceSettings(backend="onnxruntime")).run(X)
    session = open_session(path, settings(tmp_path, backend="tensorrt"))
    for name, answer in session.run(X).items():
        np.testing.assert_allclose(answer, expected[name], atol=1e-6)


def test_an_address_that_tensorrt_refuses(tmp_path: Path, use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    use(StandInLibrary())
    monkeypatch.setattr(StandInEngine, "set_tensor_address", lambda *of: False)
    session = open_session(write_model(tmp_path), settings(tmp_path))
    assert session.backend.startswith("ONNX Runtime") and "refuses the address of x" in session.backend


@pytest.mark.parametrize("what", ["memory", "context"])
def test_a_gpu_without_room_for_more_faces(
    what: str, tmp_path: Path, use: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = use(StandInLibrary())
    path = write_model(tmp_path)
    session = open_session(path, settings(tmp_path))
    named = open_session(path, settings(tmp_path, backend="tensorrt"))

    def full(self: StandInGpu, size: int) -> int:
        raise GpuError("cudaMalloc: cudaErrorMemoryAllocation")

    def refuse(engine: StandInEngine, compiled: bytes) -> Any:
        raise TensorRtError("no context: cudaErrorMemoryAllocation")

    if what == "memory":
        monkeypatch.setattr(StandInGpu, "allocate", full)
    else:
        monkeypatch.setattr(library, "context", refuse)
    session.warm_up(1, 2, 3)
    assert session.backend.startswith("ONNX Runtime")
    assert [r.levelname for r in caplog.records if "cudaErrorMemoryAllocation" in r.message] == ["WARNING"]
    expected = open_session(path, InferenceSettings(backend="onnxruntime")).run(X)["y"]
    np.testing.assert_allclose(session.run(X)["y"], expected, atol=1e-6)
    with pytest.raises(ModelError, match=r"cannot be made ready for 2 faces: .*cudaErrorMemory"):
        named.warm_up(1, 2)
    session.close()


def test_asked_for_by_name_a_failing_gpu_is_an_error(tmp_path: Path, use: Any) -> None:
    use(StandInLibrary())
    session = open_session(write_model(tmp_path), settings(tmp_path, backend="tensorrt"))
    StandInGpu.fails = True
    with pytest.raises(GpuError, match="cudaErrorIllegalAddress"):
        session.run(X)


def test_an_unwritable_cache_does_not_stop_anything(tmp_path: Path, use: Any, caplog: pytest.LogCaptureFixture) -> None:
    use(StandInLibrary())
    (tmp_path / "cache").write_text("a file where the folder should be")
    session = open_session(write_model(tmp_path), settings(tmp_path))
    assert session.backend.startswith("TensorRT")
    assert "cannot be kept" in caplog.text


def test_more_faces_than_engines_were_built_for(tmp_path: Path, use: Any) -> None:
    """tracking.max_faces may be raised while running."""
    use(StandInLibrary())
    path = write_model(tmp_path)
    session = open_session(path, settings(tmp_path, max_batch=2))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    expected = open_session(path, InferenceSettings(backend="onnxruntime")).run({"x": x})
    for name, answer in session.run({"x": x}).items():
        np.testing.assert_allclose(answer, expected[name], atol=1e-6)


def test_more_faces_than_the_coding_engine_was_built_for(tmp_path: Path, use: Any) -> None:
    perceptual = PerceptualCoder()
    coders = {
        "motion": motion_formula(perceptual.gather), "dfecs": DfecsEncoder.load(), "facs": FacsEstimator.load(),
        "perceptual_m2": perceptual, "latent_filter": perceptual.filter_formula(),
        "perceptual_expression": perceptual.classifier,
    }  # fmt: skip
    stored = stored_inputs(share_folder("models"))
    inputs = {name: values[:5] for name, values in stored.items() if not name.startswith("appearance")}
    expected = CodingGraph(coders, InferenceSettings(backend="onnxruntime")).run(inputs)
    assert set(expected) == set(coders)
    use(StandInLibrary())
    graph = CodingGraph(coders, settings(tmp_path, max_batch=2))
    assert graph.backend.startswith("TensorRT")
    graph.warm_up(1, 2)
    for name, answers in graph.run(inputs).items():
        for key, answer in answers.items():
            np.testing.assert_allclose(answer, expected[name][key], atol=1e-5)


@pytest.mark.slow
def test_landmarks_by_tensorrt_are_checked_on_faces_and_may_give_way(
    tmp_path: Path, use: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What the tracker gets with landmark_backend 'onnx' on a GPU; one pixel off is too much."""
    pytest.importorskip("mediapipe", reason="its wheel holds the network")
    image = np.full((480, 640, 3), 90, np.uint8)
    squares = np.array([[320, 240, 200 + 10 * i, 0.1 * i] for i in range(3)], np.float32)
    model = made_models(tmp_path).landmarks
    exact = open_landmarks(model, InferenceSettings(backend="onnxruntime"))[0].locate(image, squares)
    for moved, backend in ((0.0, "TensorRT 10.3.0, fp32, on stand-in SM87"), (1.0, "ONNX Runtime ")):
        use(StandInLibrary(full=moved, version=f"10.{3 + int(moved)}.0"))
        network, *further = open_landmarks(model, settings(tmp_path, max_batch=2), workers=2)
        assert network.backend.startswith(backend)
        assert len(further) == (1 if "ONNX" in backend else 0), "a GPU takes all in one batch"
        for found, expected in zip(network.locate(image, squares), exact, strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-3)
        network.close()
    assert "differs from ONNX Runtime" in caplog.text
