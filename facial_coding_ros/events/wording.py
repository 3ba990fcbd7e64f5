# SPDX-License-Identifier: Apache-2.0
"""A summary in plain English, by rules: for people and for the prompt of a language model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from .event import Event, Phase

# Kind -> what somebody did, said after "they"; only what is worth a word. Kinds of one's own are named as they are.
DID = {
    "smile": "smiled",
    "brow_raise": "raised the brows",
    "frown": "frowned",
    "nose_wrinkle": "wrinkled the nose",
    "lip_press": "pressed the lips together",
    "mouth_open_wide": "opened the mouth wide",
    "eyes_closed": "closed the eyes",
    "nod": "nodded",
    "shake": "shook the head",
    "tilt": "tilted the head",
    "look_away": "looked away",
    "lean_in": "leaned in",
    "lean_back": "leaned back",
}
UNSAID = frozenset(
    {
        "blink", "duchenne_smile", "look_back", "talks", "stops_talking", "eye_contact", "neutral_ready", "expression",
        "appears", "leaves", "returns",
    }
)  # fmt: skip
_TIMES = {1: "once", 2: "twice", 3: "three times"}
_POORLY_SEEN = 0.4
_MOST_DEEDS = 5


def described(
    person_id: str,
    face_id: str,
    span_s: float,
    seen_s: float,
    figures: Mapping[str, float],
    expressions: Mapping[str, float],
    events: Sequence[Event],
    images: int = 0,
) -> str:
    """One to three sentences about one person. figures: the shares and means of a Summary, by name. images: in how many
    the person was seen, which counts where no time can be told from them.

    Who is not known by a person's id is "Somebody", with the face's, so that two of them can be told apart.
    """
    who = person_id or (f"Somebody ({face_id})" if face_id else "Somebody")
    if seen_s <= 0 and images:
        some = "one image" if images == 1 else f"{images} single images"
        return f"{who} was seen in {some} only in these {span_s:.0f} s, too little to say what they did."
    if seen_s <= 0:
        return f"{who} was not in view in these {span_s:.0f} s."
    parts = [f"was in view for {seen_s:.0f} of {span_s:.0f} s"] if seen_s < 0.9 * span_s else []
    looking, talking = figures["looking_share"], figures["talking_share"]
    if not math.isnan(looking):
        parts.append(f"looked at the robot {_of_the_time(looking)}")
    if talking * seen_s >= 0.3:
        parts.append(f"talked for {talking * seen_s:.0f} s" if talking * seen_s >= 1 else "talked briefly")
    elif not math.isnan(talking):
        parts.append("did not talk")
    sentences = [f"{who} {_joined(parts) or 'was in view'}."]
    if deeds := _deeds(events):
        sentences.append(f"They {_joined(deeds)}.")
    if looks := _expression(expressions, figures):
        sentences.append(looks)
    if figures["confidence"] < _POORLY_SEEN:
        sentences.append(f"The face was hard to see (confidence {figures['confidence']:.1f}).")
    return " ".join(sentences)


def _of_the_time(share: float) -> str:
    if share >= 0.9:
        return "all the time" if share >= 0.97 else "almost all the time"
    if share >= 0.6:
        return "most of the time"
    if share >= 0.4:
        return "about half of the time"
    return "some of the time" if share >= 0.1 else "hardly at all"


def _deeds(events: Sequence[Event]) -> list[str]:
    done = [event for event in events if event.kind not in UNSAID and event.phase is not Phase.WITHDRAWN]
    counts = Counter(event.kind for event in done)
    said = []
    for kind, count in counts.most_common(_MOST_DEEDS):
        times = _TIMES.get(count, f"{count} times")
        said.append(f"{DID.get(kind, 'showed ' + repr(kind.replace('_', ' ')))} {times}")
    still = [DID[e.kind] for e in done if e.end_ns is None and e.phase is Phase.BEGIN and e.kind in ("smile", "frown")]
    if "smiled" in still:
        said.append("are smiling now")
    elif "frowned" in still:
        said.append("are frowning now")
    return said


def _expression(expressions: Mapping[str, float], figures: Mapping[str, float]) -> str:
    shown = [(label, share) for label, share in expressions.items() if label and label != "unsure"]
    if not shown or shown[0][1] < 0.2:
        return ""
    first, share = shown[0]
    text = f"The face looked {first} {_of_the_time(share)}"
    others = [f"{label} at times" for label, part in shown[1:3] if part >= 0.15]
    text += f", {_joined(others)}" if others else ""
    trend = figures["valence_trend"]
    if not math.isnan(trend) and abs(trend) >= 0.2:
        text += f"; it became {'more' if trend > 0 else 'less'} positive"
    return text + "."


def _joined(parts: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
