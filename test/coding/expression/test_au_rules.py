# SPDX-License-Identifier: Apache-2.0
"""EMFACS rules and the dwell time of the expression topic."""

from __future__ import annotations

import numpy as np
import pytest

from facial_coding_ros.coding.expression import (
    EXPRESSION_LABELS,
    LISTED,
    AuExpression,
    ExpressionDwell,
    ExpressionSettings,
    expression_of,
)
from facial_coding_ros.coding.expression.dwell import MAX_SUBJECTS
from facial_coding_ros.types import ActionUnits

CODES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, 26, 27, 28, 45)
SECOND = 1_000_000_000


def units(confidence=1.0, left=None, **intensity):
    """au12=0.6 -> that intensity; left={12: 0.1} -> another one on the left side."""
    values = np.zeros(len(CODES), np.float32)
    for name, value in intensity.items():
        values[CODES.index(int(name[2:]))] = value
    left_side = values.copy()
    for code, value in (left or {}).items():
        left_side[CODES.index(code)] = value
    return ActionUnits(CODES, (values + left_side) / 2, np.full(len(CODES), confidence, np.float32), left_side, values)


PROTOTYPES = {
    "neutral": {},
    "happy": {"au6": 0.5, "au12": 0.7, "au25": 0.4},
    "sad": {"au1": 0.5, "au4": 0.4, "au15": 0.5, "au17": 0.3},
    "angry": {"au4": 0.6, "au5": 0.3, "au7": 0.5, "au24": 0.5},
    "surprised": {"au1": 0.6, "au2": 0.6, "au5": 0.5, "au26": 0.6},
    "disgusted": {"au9": 0.6, "au10": 0.4, "au17": 0.3},
    "scared": {"au1": 0.5, "au2": 0.4, "au4": 0.4, "au5": 0.6, "au20": 0.5, "au25": 0.4},
}


@pytest.mark.parametrize("label", PROTOTYPES)
def test_prototypes_of_emfacs(label):
    expression = AuExpression().estimate([units(**PROTOTYPES[label])])[0]
    assert expression.label == label
    assert expression.confidence > 0.6
    assert expression.probability.sum() + expression.unsure == pytest.approx(1, abs=1e-5)


def test_one_sided_smirk_is_contempt_and_two_sided_is_not():
    smirk, smile = AuExpression().estimate([units(au14=0.7, left={14: 0.05}), units(au12=0.6, au6=0.4)])
    assert smirk.label == "contempt"
    assert smile.label == "happy"


def test_signs_of_valence_and_arousal():
    by = {k: AuExpression().estimate([units(**v)])[0] for k, v in PROTOTYPES.items()}
    assert by["happy"].valence > 0.5 and by["happy"].arousal > 0.2
    assert by["sad"].valence < -0.3 and by["sad"].arousal < 0
    assert by["angry"].valence < -0.3 and by["angry"].arousal > 0.3
    assert by["surprised"].arousal > 0.4
    assert abs(by["neutral"].valence) < 0.05 and abs(by["neutral"].arousal) < 0.05
    faint = AuExpression().estimate([units(au12=0.25, au6=0.15)])[0]
    assert 0 < faint.valence < by["happy"].valence


def test_low_confidence_is_unsure_but_filled():
    sure, uncertain, blind = AuExpression().estimate(
        [units(confidence=c, **PROTOTYPES["happy"]) for c in (1.0, 0.15, 0.0)]
    )
    assert sure.unsure < uncertain.unsure < blind.unsure == 1.0
    assert uncertain.label == blind.label == "unsure"
    assert np.isfinite([blind.valence, blind.arousal, uncertain.valence]).all()
    assert 0 < uncertain.valence < sure.valence


def test_an_active_face_that_fits_nothing_is_unsure():
    assert AuExpression().estimate([units(au18=0.8, au28=0.9)])[0].label != "happy"
    assert AuExpression().estimate([units(au20=0.8, au16=0.7)])[0].label == "unsure"


def test_missing_and_nan_action_units_do_no_harm():
    few = ActionUnits(
        (6, 12), np.array([0.5, 0.7], np.float32), np.ones(2, np.float32), *(np.full(2, np.nan, np.float32),) * 2
    )
    broken = units(**PROTOTYPES["happy"])
    broken.intensity[CODES.index(4)] = np.nan
    first, second = AuExpression().estimate([few, broken])
    assert first.label == second.label == "happy"
    assert AuExpression().estimate([]) == []


def label_of(label):
    shares = np.zeros(8, np.float32)
    if label in EXPRESSION_LABELS:
        shares[EXPRESSION_LABELS.index(label)] = 0.9
    return expression_of(shares, 1 - float(shares.sum()), 0.45)


def test_dwell_takes_a_label_after_its_time_only():
    dwell = ExpressionDwell(ExpressionSettings(dwell_s=0.3))
    sent = [dwell.update("a", label_of("happy" if 5 <= i < 20 else "neutral"), i * SECOND // 10) for i in range(30)]
    assert sent[:4] == [""] * 4  # nothing is said in the first third of a second
    assert sent[4:8] == ["neutral"] * 4  # 0.5 to 0.8 s: not yet
    assert sent[8] == "happy" and sent[19] == "happy"
    assert sent[22] == "happy" and sent[23] == "neutral"


def test_a_face_at_a_high_rate_is_silent_for_a_third_of_a_second_whatever_the_dwell():
    dwell = ExpressionDwell(ExpressionSettings(dwell_s=0.0))
    sent = [dwell.update("a", label_of("happy"), i * SECOND // 60) for i in range(30)]
    assert sent[:20] == [""] * 20 and set(sent[20:]) == {"happy"}


def test_flicker_unsure_and_contempt_are_never_sent():
    dwell = ExpressionDwell(ExpressionSettings(dwell_s=0.3))
    words = ["happy"] * 6 + ["sad", "happy"] * 10 + ["unsure", "contempt"] * 10
    sent = [dwell.update("a", label_of(w), i * SECOND // 10) for i, w in enumerate(words)]
    assert set(sent) == {"", "happy"}
    assert set(sent[6:]) == {"happy"}
    assert set(sent) <= {"", *LISTED}


def test_unsure_frames_in_between_do_not_keep_a_label_away():
    dwell = ExpressionDwell(ExpressionSettings(dwell_s=0.3))
    sent = [dwell.update("a", label_of(("happy", "unsure")[i % 2]), i * SECOND // 10) for i in range(20)]
    assert sent[-1] == "happy"


def test_dwell_forgets_on_a_jump_back_and_is_bounded():
    dwell = ExpressionDwell(ExpressionSettings(dwell_s=0.3))
    for i in range(10):
        last = dwell.update("a", label_of("happy"), i * SECOND // 10)
    assert last == "happy"
    assert dwell.update("a", label_of("happy"), 0) == ""
    # A gap in the images is not time in which the label was seen.
    dwell.update("b", label_of("sad"), 0)
    assert dwell.update("b", label_of("sad"), 5 * SECOND) == ""
    for i in range(3 * MAX_SUBJECTS):
        dwell.update(f"f{i}", label_of("sad"), i)
    assert len(dwell._subjects) == MAX_SUBJECTS


def test_settings_name_what_is_wrong():
    with pytest.raises(ValueError, match="dwell_s is -1"):
        ExpressionSettings(dwell_s=-1.0)
    with pytest.raises(ValueError, match="'appearance', 'aus', 'fused', 'latent'"):
        ExpressionSettings(source="au")


def test_after_seconds_out_of_sight_a_face_begins_anew():
    """Nobody knows what it showed meanwhile: a person who comes back is not told to be as they went."""
    dwell = ExpressionDwell()
    sent = [dwell.update("ada", label_of("angry"), i * SECOND // 10) for i in range(10)]
    assert sent[-1] == "angry"
    assert dwell.update("ada", label_of("unsure"), SECOND) == "angry", "after a frame that is unsure"
    assert dwell.update("ada", label_of("unsure"), 3600 * SECOND) == ""
