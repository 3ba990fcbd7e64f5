# SPDX-License-Identifier: Apache-2.0
"""What everything costs, in one table and one JSON file: `make bench`.

standalone/env python -m benchmark table [--out benchmark.json] [--only frame,floor] [--short]

Image to face code beside FaceMesh on the same frames in the same run, the floor of the networks' multiply-adds, camera
to code between processes, the node's share of a core, its start and memory, and replay. `benchmark compare` reads the
file too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnxruntime as ort

from . import floor, pipeline, processor, replay, start, transport

PARTS = ("frame", "floor", "transport", "processor", "start", "replay")


def measured(parts: Sequence[str], short: bool) -> dict[str, Any]:
    """Figures by part. short: a quarter of the frames and turns."""
    frames, seconds, turns = (400, 5.0, 1) if short else (1200, 15.0, 3)
    found: dict[str, Any] = {}
    if "frame" in parts:
        costs = {faces: pipeline.measure(faces, images, frames) for faces, images in pipeline.scenes().items()}
        found["frame"] = {str(faces): asdict(cost) for faces, cost in costs.items()}
        found["samples"] = pipeline.samples(costs)
    if "floor" in parts:
        least = floor.measure()
        found["floor"] = asdict(least) | {"ms": round(least.ms, 3), "networks_ms": round(least.networks_ms, 3)}
    jobs: Mapping[str, Callable[[], Any]] = {
        "transport": lambda: transport.measure(seconds),
        "processor": lambda: processor.rows(seconds),
        "start": lambda: start.measure(2 if short else 5, 10.0),
        "replay": lambda: replay.measure(2 * seconds, turns),
    }
    return found | {part: measure() for part, measure in jobs.items() if part in parts}


def table(found: Mapping[str, Any]) -> str:
    """As Markdown, of the parts that were measured."""
    lines: list[str] = []
    if "frame" in found:
        lines += _frame_lines(found["frame"], found.get("floor"))
    if "floor" in found:
        least = found["floor"]
        lines += [
            "",
            f"Floor: {least['ms']:.2f} ms a frame of one face, its multiply-adds at the {least['gmac_per_s']:.0f} "
            "thousand million a second of this core's matrix products; the networks alone take "
            f"{least['networks_ms']:.2f} ms.",
        ]
    rest = _rest(found)
    if rest:
        lines += ["", "| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rest)]
    return "\n".join(lines).strip()


def _frame_lines(frame: Mapping[str, Any], least: Mapping[str, Any] | None) -> list[str]:
    stages = list(dict.fromkeys(stage for cost in frame.values() for stage in cost["stages_ms"]))
    head = ["faces", "median (ms)", "p99 (ms)", "p99 / median", "FaceMesh (ms)", "its p99", "times FaceMesh", *stages]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for faces, cost in frame.items():
        values = [
            faces,
            f"{cost['median_ms']:.2f}",
            f"{cost['p99_ms']:.2f}",
            f"{cost['p99_ms'] / cost['median_ms']:.2f}",
            f"{cost['facemesh_median_ms']:.2f}",
            f"{cost['facemesh_p99_ms']:.2f}",
            f"{cost['ratio']:.2f}",
            *(f"{cost['stages_ms'].get(stage, 0):.2f}" for stage in stages),
        ]
        lines.append("| " + " | ".join(values) + " |")
    if least is not None and "1" in frame:
        share = least["ms"] / frame["1"]["median_ms"]
        lines += ["", f"One face takes {1 / share:.1f} times the floor ({share:.0%} of the core's peak is reached)."]
    return lines


def _rest(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of what and how much."""
    rows = []
    if (latency := found.get("transport")) is not None:
        ms = f"{latency['median_ms']:.1f} ms, 99th percentile {latency['p99_ms']:.1f} ms"
        inside = (
            f"{latency['in_the_node_ms']:.1f} ms of it in the node; {latency['coded']} of {latency['images']} images"
        )
        rows.append(("camera to face code between processes, one face, 30 Hz", f"{ms}; {inside}"))
    for row in found.get("processor", ()):
        rate = f", image.max_rate_hz {row['max_rate_hz']:g}" if row["max_rate_hz"] else ""
        faces = {0: "nobody", 1: "one face"}.get(row["faces"], f"{row['faces']} faces")
        what = f"node's share of a core: {faces}, camera {row['camera_hz']:g} Hz{rate}"
        rows.append((what, f"{row['core_percent']:.0f} %, {row['coded_hz']:.0f} Hz coded"))
    if (begun := found.get("start")) is not None:
        fastest = f"{begun['start_fastest_s']:.2f} s the fastest, {begun['start_processor_s']:.2f} s of processor time"
        rows.append(("node to active, warm", f"{begun['start_s']:.2f} s; {fastest}"))
        memory = "; ".join(f"{kind} {mib:.0f} MiB" for kind, mib in begun["memory_mib"].items())
        rows.append((f"node's memory, one face, all {begun['topics']} topics heard", memory))
    for what, one in found.get("replay", {}).items():
        if what == "several":
            speed = f"{one['ratio']:.2f} times one on one thread; processor time of each {one['processor']:.2f} times"
            rows.append((f"replay of {one['at_once']} recordings at once", speed))
        else:
            speed = (
                f"{one['times_real_time']:.1f} times real time; FaceMesh takes {min(one['facemesh_ms']):.1f} ms a frame"
            )
            rows.append((f"replay of one recording, {what}", speed))
    return rows


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "machine": f"{os.cpu_count()}-core {platform.machine()}",
        "onnxruntime": ort.__version__,
        "load": round(os.getloadavg()[0], 1),
    }


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark table", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmark.json"), help="default: %(default)s")
    parser.add_argument("--only", default=",".join(PARTS), help="parts of it; default: %(default)s")
    parser.add_argument("--short", action="store_true", help="fewer frames and turns, for a glance")
    arguments = parser.parse_args(words)
    parts = arguments.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--only {arguments.only}: {sorted(unknown)[0]!r} is none of {', '.join(PARTS)}")
    found = machine() | measured(parts, arguments.short)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\n{found['machine']}, load {found['load']} at the start\n\n{table(found)}\n\nwritten to {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
