# SPDX-License-Identifier: Apache-2.0
"""Image networks in ONNX Runtime on the CPU: ms a face at batch 1, 2 and 4, GMAC; ME-GraphAU against its plain form.

    standalone/env python -m benchmark.au_networks --out speed.md

Weights are random: they do not change the speed. The networks take turns, so that a busy machine slows all of them.
The plain form is the same backbone with pooling and one linear layer.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from facial_coding_ros.au_networks.specs import BP4D_AUS, NetworkSpec, opengraphau
from facial_coding_ros.learning.au_networks.backbones import resnet
from facial_coding_ros.learning.au_networks.cost import count_gmac, interleaved_ms, open_session
from facial_coding_ros.learning.au_networks.export import OPSET, export
from facial_coding_ros.learning.au_networks.networks import build

BATCHES = (1, 2, 4)
NETWORKS = {
    "EAC-Net, stage 1 (E-Net)": NetworkSpec("eac_net", BP4D_AUS, 1),
    "EAC-Net, stage 2 (C-Net)": NetworkSpec("eac_net", BP4D_AUS, 2),
    "JAA-Net": NetworkSpec("jaa_net", BP4D_AUS),
    "ME-GraphAU, ResNet-50, stage 1": NetworkSpec("me_graphau", BP4D_AUS),
    "ME-GraphAU, ResNet-50, stage 2": NetworkSpec("me_graphau", BP4D_AUS, 2),
    "ME-GraphAU, ResNet-18, stage 1": NetworkSpec("me_graphau", BP4D_AUS, 1, "resnet18"),
    "OpenGraphAU, ResNet-50": opengraphau("resnet50"),
    "OpenGraphAU, ResNet-18": opengraphau("resnet18"),
}
PLAIN = "plain ResNet-50 + head"
GRAPH = "ME-GraphAU, ResNet-50, stage 1"


class PlainResNet(nn.Module):
    """ResNet-50, mean over places, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = resnet("resnet50")
        self.head = nn.Linear(self.backbone.channels, len(BP4D_AUS))

    def forward(self, faces: Tensor) -> Tensor:
        return torch.sigmoid(self.head(self.backbone(faces / 127.5 - 1).mean((2, 3))))


def write_plain(path: Path) -> float:
    """Exports the plain form; returns its million parameters."""
    net = PlainResNet().eval()
    torch.onnx.export(
        net, (torch.zeros(2, 3, 224, 224),), str(path), input_names=["faces"], output_names=["probability"],
        dynamic_axes={"faces": {0: "batch"}, "probability": {0: "batch"}}, opset_version=OPSET, dynamo=False,
    )  # fmt: skip
    return sum(p.numel() for p in net.parameters()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pair-rounds", type=int, default=40, help="of ME-GraphAU against its plain form")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parameters = {PLAIN: write_plain(folder / "plain.onnx")}
        paths = {PLAIN: folder / "plain.onnx"}
        for title, spec in NETWORKS.items():
            model = build(spec).eval()
            parameters[title] = sum(p.numel() for p in model.net.parameters()) / 1e6
            paths[title] = folder / f"{len(paths)}.onnx"
            export(model, paths[title], {"what": title})
        gmac = {title: count_gmac(path) for title, path in paths.items()}
        sessions = {title: open_session(path, arguments.threads) for title, path in paths.items()}
        times = interleaved_ms(sessions, BATCHES, arguments.rounds)
        pair = interleaved_ms({key: sessions[key] for key in (GRAPH, PLAIN)}, BATCHES, arguments.pair_rounds)
    text = report(parameters, gmac, times, pair, arguments.threads)
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)


def report(parameters, gmac, times, pair, threads: int) -> str:
    """The table, as Markdown."""
    lines = [
        "# Speed of the image networks",
        "",
        f"ONNX Runtime, CPU, {threads} thread(s); medians of interleaved runs. Machine: 2-core x86-64, shared; take",
        "the ratios, not the milliseconds. Command: `standalone/env python -m benchmark.au_networks`.",
        "",
        "| network | million parameters | GMAC a face | ms a face, batch 1 | batch 2 | batch 4 |",
        "|---|---|---|---|---|---|",
    ]
    for title, by_batch in times.items():
        shown = " | ".join(f"{statistics.median(by_batch[count]):.1f}" for count in BATCHES)
        lines.append(f"| {title} | {parameters[title]:.1f} | {gmac[title]:.2f} | {shown} |")
    for name, of in (("medians", statistics.median), ("fastest runs", min)):
        ratios = {count: of(pair[GRAPH][count]) / of(pair[PLAIN][count]) for count in BATCHES}
        shown = ", ".join(f"{ratio:.3f} at batch {count}" for count, ratio in ratios.items())
        rounds = len(pair[GRAPH][BATCHES[0]])
        lines += ["", f"ME-GraphAU's stage 1 over the plain form, ratio of the {name} of {rounds} turns: {shown}."]
    lines += ["At most 1.1 is asked for; the count of multiply-adds alone gives 1.05.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
