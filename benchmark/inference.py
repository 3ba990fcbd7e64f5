# SPDX-License-Identifier: Apache-2.0
"""Models at work: the converted detector and landmark network against MediaPipe's graph, the joined coding graph
against one call each, and what is allocated in a frame after the warm-up.

Interleaved, so that ratios hold on a busy machine. OMP_NUM_THREADS=1 python -m benchmark inference
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Mapping
from functools import partial

import cv2
import numpy as np

from facial_coding_ros.coding.coding_graph import Coder, CodingGraph
from facial_coding_ros.coding.expression.appearance import AppearanceHead
from facial_coding_ros.coding.formula import Formula
from facial_coding_ros.coding.stage import CodingStage
from facial_coding_ros.commands.export_coding import stored_inputs
from facial_coding_ros.inference import InferenceSettings, ModelFile
from facial_coding_ros.models import share_folder
from facial_coding_ros.pipeline import PipelineSettings
from facial_coding_ros.tracking.conversion.model_cache import tracker_models
from facial_coding_ros.tracking.landmark_network.converter import INPUT, MESH, PRESENCE, SIDE
from facial_coding_ros.tracking.mediapipe_graph import MediaPipeGraph
from facial_coding_ros.tracking.onnx_networks import OnnxNetworks
from facial_coding_ros.tracking.regions import Square

ROUNDS = 60
BATCHES = (1, 2, 4, 8)


def main() -> None:
    detector()
    landmarks()
    coding()
    appearance()
    allocations()


def detector() -> None:
    """Views of an image to faces in it, milliseconds a frame: the whole image, and with the squares at its ends."""
    graph = MediaPipeGraph(workers=0)
    network = OnnxNetworks(tracker_models(), InferenceSettings(backend="onnxruntime"))
    for width, height in ((640, 480), (1280, 720)):
        image = cv2.resize(_clip_image(), (width, height))
        side = height
        ends = [Square(side / 2, side / 2, side), Square(width - side / 2, side / 2, side)]
        whole = Square.around(width, height)
        for views in ([whole], [whole, *ends]):
            times = interleaved(
                {
                    "mediapipe": partial(graph.process, image, [], views),
                    "onnx": partial(network.process, image, [], views),
                }
            )
            (wall, cpu), (our_wall, our_cpu) = (times[name] for name in ("mediapipe", "onnx"))
            print(
                f"detector, {width}x{height}, {len(views)} views: MediaPipe {wall * 1e3:.2f} | {cpu * 1e3:.2f} ms, "
                f"ONNX {our_wall * 1e3:.2f} | {our_cpu * 1e3:.2f} ms, ratio {our_wall / wall:.2f} | {our_cpu / cpu:.2f}"
            )
    network.close()
    graph.close()


def _clip_image() -> np.ndarray:
    clip = cv2.VideoCapture(str(share_folder("demo") / "two_people.mp4"))
    clip.set(cv2.CAP_PROP_POS_FRAMES, 40)
    return np.ascontiguousarray(clip.read()[1][:, :, ::-1])


def landmarks() -> None:
    """Squares of an image to meshes in the image, milliseconds a face."""
    image = _clip_image()
    print(f"landmarks, {image.shape[1]}x{image.shape[0]}, per face: wall | processor time")
    for threads in (1, 2):
        graph = MediaPipeGraph(workers=threads)
        network = OnnxNetworks(tracker_models(), InferenceSettings(backend="onnxruntime"), workers=threads)
        found = [d.square for d in graph.process(image, [], [Square.around(image.shape[1], image.shape[0])])[1]]
        for batch in BATCHES:
            squares = (found * batch)[:batch]
            times = interleaved(
                {
                    "mediapipe": partial(graph.process, image, squares),
                    "onnx": partial(network.process, image, squares),
                }
            )
            (wall, cpu), (our_wall, our_cpu) = (times[name] for name in ("mediapipe", "onnx"))
            print(
                f"  {threads} side by side, {batch} faces: "
                f"MediaPipe {wall / batch * 1e3:.2f} | {cpu / batch * 1e3:.2f} ms, "
                f"ONNX {our_wall / batch * 1e3:.2f} | {our_cpu / batch * 1e3:.2f} ms, "
                f"ratio {our_wall / wall:.2f} | {our_cpu / cpu:.2f}"
            )
        network.close()
        graph.close()


def coding() -> None:
    """Registered faces to expressions: one call, models and numpy one by one, and the bare matrix products."""
    settings = InferenceSettings(backend="onnxruntime")
    parts, stored = coding_parts_of(settings), stored_inputs(share_folder("models"))
    graphs = {"joined": CodingGraph(parts, settings), "one by one": CodingGraph(parts, settings, joined=False)}
    print(f"coding ({', '.join(parts)}), microseconds a frame")
    for batch in BATCHES:
        inputs = {name: values[:batch] for name, values in stored.items()}
        models = [part.model for part in parts.values() if not isinstance(part, Formula)]
        products, multiplications = bare_products(models, batch)
        jobs: dict[str, Callable[[], object]] = {name: partial(graph.run, inputs) for name, graph in graphs.items()}
        times = interleaved({**jobs, "products": products}, 20 * ROUNDS)
        wall = {name: time_[0] * 1e6 for name, time_ in times.items()}
        print(
            f"  {batch} faces: joined {wall['joined']:.0f}, one by one {wall['one by one']:.0f}, bare products "
            f"{wall['products']:.0f} ({multiplications / 1e6:.2f} M multiplications); joined over one by one "
            f"{wall['joined'] / wall['one by one']:.2f}, over products {wall['joined'] / wall['products']:.2f}"
        )


def coding_parts_of(settings: InferenceSettings) -> dict[str, Coder | Formula]:
    """Models and formulas as the pipeline has them."""
    stage = CodingStage(PipelineSettings().coding, settings)
    stage.close()
    return stage.coders


def appearance() -> None:
    """The appearance head, and the landmark network with and without the features that it takes, a face."""
    import onnx
    import onnxruntime as ort

    head = AppearanceHead.load(inference=InferenceSettings(backend="onnxruntime"))
    sizes = {tensor.name: tensor.shape for tensor in head.inputs}
    whole = onnx.load_from_string(tracker_models().landmarks.graph)
    bare = onnx.utils.Extractor(whole).extract_model([INPUT], [MESH, PRESENCE])
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    networks = {
        name: ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for name, graph in (("with", whole), ("without", bare))
    }
    print("appearance, milliseconds a face, wall | processor time")
    for batch in BATCHES:
        rng = np.random.default_rng(0)
        faces = {INPUT: rng.integers(0, 256, (batch, SIDE, SIDE, 3), np.uint8)}
        given = {name: rng.random((batch, *shape), np.float32) for name, shape in sizes.items()}
        jobs: dict[str, Callable[[], object]] = {
            name: partial(network.run, None, faces) for name, network in networks.items()
        }
        times = interleaved({**jobs, "head": partial(head.logits, given["features"], given["points"])})
        more, cpu = (times["with"][i] - times["without"][i] for i in (0, 1))
        wall_head, cpu_head = times["head"]
        print(
            f"  {batch} faces: features {1e3 * more / batch:.3f} | {1e3 * cpu / batch:.3f}, "
            f"head {1e3 * wall_head / batch:.3f} | {1e3 * cpu_head / batch:.3f}"
        )


def allocations() -> None:
    """What a frame allocates, in bytes: the coding models as the pipeline runs them, landmarks as the tracker does."""
    settings = InferenceSettings(backend="onnxruntime")
    graph, stored = CodingGraph(coding_parts_of(settings), settings), stored_inputs(share_folder("models"))
    graph.warm_up(*range(1, 9))
    source = OnnxNetworks(tracker_models(), settings)
    image = np.full((480, 640, 3), 90, np.uint8)
    print("allocated in a frame after the warm-up, first run | later runs, bytes at most")
    for faces in BATCHES:
        squares = [Square(320, 240, 200 + 10 * i, 0.1 * i) for i in range(faces)]
        inputs = {name: values[:faces] for name, values in stored.items()}
        answers = faces * (478 * 3 + 1) * 4
        coded = [peak_of(partial(graph.run, inputs)) for _ in range(4)]
        located = [peak_of(partial(source.process, image, squares)) for _ in range(4)]
        print(
            f"  {faces} faces: coding {coded[0]} | {max(coded[1:])}; landmarks {located[0]} | {max(located[1:])}, "
            f"of it {answers} the answers"
        )
    source.close()
    graph.close()


def peak_of(job: Callable[[], object]) -> int:
    """Most bytes that Python and numpy held beyond what they held before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        job()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def bare_products(models: list[ModelFile], batch: int) -> tuple[Callable[[], None], int]:
    """The matrix products of the graphs by themselves, in numpy, and how many multiplications they hold."""
    import onnx

    pairs = []
    for model in models:
        graph = onnx.load_from_string(model.graph).graph
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type in ("Gemm", "MatMul") and node.input[1] in constants:
                weights = constants[node.input[1]]
                if any(a.name == "transB" and a.i for a in node.attribute):
                    weights = weights.T
                weights = weights.reshape(len(weights), -1)
                pairs.append((np.ones((batch, len(weights)), np.float32), weights))
    answers = [np.empty((batch, weights.shape[1]), np.float32) for _, weights in pairs]

    def run() -> None:
        for (values, weights), out in zip(pairs, answers, strict=True):
            np.matmul(values, weights, out=out)

    return run, sum(batch * weights.size for _, weights in pairs)


def interleaved(jobs: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, tuple[float, float]]:
    """Lower quartile of wall and processor time of each job, in seconds, in turns."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for index in range(rounds + 5):
        for name, job in jobs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            job()
            if index >= 5:
                taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: tuple(np.quantile(np.array(values), 0.25, axis=0)) for name, values in taken.items()}  # type: ignore[misc]


if __name__ == "__main__":
    main()
