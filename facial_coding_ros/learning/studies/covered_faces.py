# SPDX-License-Identifier: Apache-2.0
"""How often hidden parts of a face are noticed, and seen ones called hidden; can learn models/visibility.

    standalone/env python -m facial_coding_ros.learning.studies.covered_faces STILLS PORTRAITS --work WORK --page FOLDER

Masks, scarves, hands, cups, hair, sunglasses and other things of many forms, colours and patterns are painted before
faces of real people, and things that hide nothing; people kept aside judge.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

from ...command_line import run_command
from ...errors import UserError
from ...pipeline import Pipeline, PipelineSettings
from ...still_coder import still_settings
from ...tracking.visibility import visibility_codes
from ...tracking.visibility_head import REGIONS, VisibilityHead
from ...types import FaceCode, Frame, ImageArray
from ..expression.face_features import FaceReader
from ..expression.head_training import folds_of
from ..expression.stills import Still, read_stills
from ..synthesis.coverings import COVERINGS, HARMLESS, Covered, cover
from ..tracking.covered_views import CoveredViews, covered_views
from ..tracking.visibility_training import (
    ALL_HIDDEN,
    ALL_SEEN,
    FOLDS,
    KEPT_ASIDE,
    RegionScore,
    aside,
    fit_visibility,
    open_faces,
    pairs,
    part_scores,
    scores,
)

OF_A_PERSON = 2
CODES = {"brows": 70, "eyes": 71, "lower face": 72}
_SIDES = {"brows": "brow", "eyes": "eye", "lower face": "mouth"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stills", type=Path, help="labels.csv beside pictures or a zip file of them")
    parser.add_argument("portraits", type=Path, help="folder with NAME_neutral.jpg and NAME_smiling.jpg")
    parser.add_argument("--work", type=Path, required=True, help="folder for what the network makes of the pictures")
    parser.add_argument("--pictures", type=int, default=5000, help="taken at most; default: %(default)s")
    parser.add_argument("--model", type=Path, metavar="FILE.npz", help="also learn, and write it there")
    parser.add_argument("--page", type=Path, help="folder for the tables")


def run(arguments: argparse.Namespace) -> int:
    arguments.work.mkdir(parents=True, exist_ok=True)
    stills = taken(arguments.stills, arguments.portraits)[: arguments.pictures]
    with closing(FaceReader(learnt_visibility=False)) as reader:
        views = covered_views(stills, reader, arguments.work, print)
        network = reader.landmark_network
    if arguments.model:
        fitted = fit_visibility(views)
        write_model(arguments.model, fitted, views, network)
    head = VisibilityHead.load()
    judging = views.where(aside(views))
    text = tables(head, judging)
    if arguments.page:
        arguments.page.mkdir(parents=True, exist_ok=True)
        text += "\n" + through_the_pipeline(arguments.portraits)
        (arguments.page / "README.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def taken(stills: Path, portraits: Path) -> list[Still]:
    """Portraits, then at most OF_A_PERSON stills of each person."""
    pictures = sorted(portraits.glob("*.jpg"))
    if not pictures:
        raise UserError(f"{portraits} holds no pictures")
    found = [Still(path.name, 0, person_of(path), path.read_bytes) for path in pictures]
    count: Counter[str] = Counter()
    for still in read_stills(stills):
        count[still.person] += 1
        if count[still.person] <= OF_A_PERSON:
            found.append(still)
    return found


def person_of(portrait: Path) -> str:
    """Who is in a portrait, by its name."""
    return "portrait " + portrait.name.rsplit("_", 1)[0]


def write_model(path: Path, head: VisibilityHead, views: CoveredViews, network: str) -> None:
    """The arrays and their card. Raises OSError."""
    np.savez_compressed(
        path,
        chosen=head.chosen.astype(np.int32),
        weight=head.weight.astype(np.float16),
        bias=head.bias,
        outer_weight=head.outer_weight,
        outer_bias=head.outer_bias,
    )
    judging = views.where(aside(views))
    told = part_scores(pairs(head.visible(judging.rows.features)), judging)
    people = {
        who: len(np.unique(views.person[aside(views) == kept])) for who, kept in (("learnt", False), ("aside", True))
    }
    card = {
        "name": path.stem,
        "what": "Which parts of a face are hidden, from features of the landmark network.",
        "made_by": "python -m facial_coding_ros.learning.studies.covered_faces STILLS PORTRAITS --work WORK --model "
        "models/visibility.npz",
        "trained_on": f"{len(views.rows)} views of real faces with painted coverings, of {people['learnt']} people; "
        f"people kept aside: {people['aside']}",
        "data": [
            "stills: repository muxspace/facial_expressions, Apache-2.0",
            "portraits: Face Research Lab London Set (DeBruine & Jones 2017, figshare 5047666) and Young Adult White "
            "Faces (DeBruine & Jones 2017, figshare 4220517), CC BY 4.0",
        ],
        "licence": "Apache-2.0, as this package; of the data: see `data`",
        "landmark_source_sha256": network,
        "arrays": {
            "chosen": f"({len(head.chosen)},), places of the features of types.Face.features that are looked at",
            "weight, bias": f"({len(head.chosen)}, 16), (16,): from them to a layer of units, cut at 0",
            "outer_weight, outer_bias": f"(16, {len(REGIONS)}), ({len(REGIONS)},): logits of being visible of "
            + ", ".join(REGIONS),
        },
        "metrics": {
            name: {"noticed": round(one.noticed, 3), "false_claims": round(one.false_claims, 4)}
            for name, one in told.items()
        },
        "not_for": "telling whether somebody wears a mask as they should",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".yaml").write_text(yaml.safe_dump(card, sort_keys=False, width=110), encoding="utf-8")


def tables(head: VisibilityHead, views: CoveredViews) -> str:
    """Of people kept aside, as the landmark network sees them."""
    visible = head.visible(views.rows.features)
    told, ruled = part_scores(pairs(visible), views), part_scores(views.rows.visible, views)
    bare = open_faces(views)
    open_only = part_scores(pairs(visible[bare]), views.where(bare))
    lines = [
        "# Covered faces",
        "",
        "    python -m facial_coding_ros.learning.studies.covered_faces STILLS PORTRAITS --work WORK --page "
        "docs/results/covered_faces",
        "",
        f"{len(views.rows)} views of {len(np.unique(views.person))} real people kept aside (stills and portraits, six "
        "of ten made small, dark, blurred or noisy): as they are, with a mask, scarf, hand, cup, hair, sunglasses, cap "
        "or another object painted before them in many forms, colours and patterns, and with something that hides "
        "nothing that is coded.",
        "",
        f"A region counts as hidden when {ALL_HIDDEN:.0%} of its points are covered, as seen up to {ALL_SEEN:.0%}.",
        "",
        "| | hidden, noticed | seen, called hidden | with nothing before the face | by contrast alone: noticed; called "
        "hidden |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one.noticed:.1%} of {one.hidden} | {one.false_claims:.1%} of {one.seen} | "
        f"{open_only[name].false_claims:.1%} of {open_only[name].seen} | {ruled[name].noticed:.0%}; "
        f"{ruled[name].false_claims:.1%} |"
        for name, one in told.items()
    ]
    lines += ["", "Each region and side by itself:", "", "| | noticed | called hidden |", "|---|---|---|"]
    lines += [
        f"| {name} | {one.noticed:.1%} | {one.false_claims:.1%} |" for name, one in scores(visible, views).items()
    ]
    lines += ["", "By what is before the face (noticed; called hidden though seen):", ""]
    lines += ["| | brows | eyes | lower face |", "|---|---|---|---|"]
    for kind in (*COVERINGS, *HARMLESS):
        own = views.kind == kind
        parts = part_scores(pairs(visible[own]), views.where(own)).values()
        lines.append(f"| {kind} | " + " | ".join(_cell(one) for one in parts) + " |")
    return "\n".join(lines) + "\n"


def _cell(score: RegionScore) -> str:
    noticed = f"{score.noticed:.0%} of {score.hidden}" if score.hidden >= 10 else "-"
    claimed = f"{score.false_claims:.1%}" if score.seen >= 10 else "-"
    return f"{noticed}; {claimed}"


@dataclass(frozen=True)
class Coded:
    """One covered portrait and its code, None where no face was found."""

    covered: Covered
    smiling: bool
    code: FaceCode | None


def through_the_pipeline(portraits: Path) -> str:
    """Portraits of people kept aside, each found and coded as a still: codes 70 to 73 and expressions."""
    pictures = sorted(portraits.glob("*.jpg"))
    kept = folds_of([person_of(path) for path in pictures], FOLDS, KEPT_ASIDE) < 0
    with closing(Pipeline(still_settings(PipelineSettings()))) as pipeline:
        coded = list(_coded([path for path, own in zip(pictures, kept, strict=True) if own], _coder(pipeline)))
    lines = [
        "## Through the whole pipeline",
        "",
        f"The {kept.sum()} portraits kept aside, 340 to 450 px wide, each covered once in each way, detected and coded "
        "as a still (nobody's neutral is known):",
        "",
        "| | pictures | no face found | hidden parts that their FACS code or 73 names | seen parts called hidden | "
        "resting faces given a label but neutral | smiling ones called happy; given another label |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in ("open", *COVERINGS, *HARMLESS):
        own = [one for one in coded if one.covered.kind == kind]
        lines.append(f"| {kind} | {_row(own)} |")
    return "\n".join(lines) + "\n"


def _row(coded: Sequence[Coded]) -> str:
    hidden: list[bool] = []
    seen: list[bool] = []
    resting: list[str] = []
    smiling: list[str] = []
    for one in coded:
        if one.code is None:
            continue
        codes = visibility_codes(one.code.face.visibility)
        for part, code in CODES.items():
            share = float(np.mean([one.covered.hidden[f"{side} {_SIDES[part]}"] for side in ("right", "left")]))
            if share >= ALL_HIDDEN:
                hidden.append(code in codes or 73 in codes)
            elif share <= ALL_SEEN:
                seen.append(code in codes or 73 in codes)
        (smiling if one.smiling else resting).append(one.code.expression.label)
    wrong = sum(label not in ("neutral", "unsure") for label in resting)
    happy = sum(label == "happy" for label in smiling)
    other = sum(label not in ("happy", "unsure") for label in smiling)
    lost = sum(one.code is None for one in coded)
    noticed = f"{sum(hidden)} of {len(hidden)}" if hidden else "-"
    return (
        f"{len(coded)} | {lost} | {noticed} | {sum(seen)} of {len(seen)} | {wrong} of {len(resting)} | "
        f"{happy}; {other} of {len(smiling)}"
    )


def _coder(pipeline: Pipeline) -> Callable[[ImageArray], FaceCode | None]:
    def code(image: ImageArray) -> FaceCode | None:
        pipeline.reset()
        codes = pipeline.process(Frame(np.ascontiguousarray(image), 0))
        return codes[0] if len(codes) == 1 else None

    return code


def _coded(pictures: Sequence[Path], code: Callable[[ImageArray], FaceCode | None]) -> Iterator[Coded]:
    nothing: Mapping[str, float] = dict.fromkeys(REGIONS, 0.0)
    for path in pictures:
        read = cv2.imread(str(path))[..., ::-1]
        image = np.ascontiguousarray(cv2.resize(read, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        bare = code(image)
        if bare is None:
            continue
        smiling = "smiling" in path.name
        yield Coded(Covered(image, "open", nothing), smiling, bare)
        for kind in (*COVERINGS, *HARMLESS):
            rng = np.random.default_rng(zlib.crc32(f"{path.name} {kind}".encode()))
            covered = cover(image, bare.face.mesh, kind, rng)
            yield Coded(covered, smiling, code(covered.image))


if __name__ == "__main__":
    sys.exit(run_command("covered_faces", __doc__ or "", add_arguments, run))
