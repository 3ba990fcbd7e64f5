# SPDX-License-Identifier: Apache-2.0
"""Parameters: one declaration, documented, checked."""

from __future__ import annotations

import pytest
import yaml

from facial_coding_ros.nodes import parameters

from ..conftest import REPOSITORY


def test_config_file_is_what_is_declared() -> None:
    text = (REPOSITORY / "config" / "facial_coding.yaml").read_text()
    assert text == parameters.as_yaml(), "make it anew: python -m facial_coding_ros.nodes.parameters"
    values = yaml.safe_load(text)["/**"]["ros__parameters"]
    flat = {
        f"{name}.{key}" if isinstance(value, dict) else name: entry
        for name, value in values.items()
        for key, entry in (value.items() if isinstance(value, dict) else [("", value)])
    }
    assert flat == {name: default for name, default, _ in parameters.declared()}


def test_every_parameter_says_what_it_is() -> None:
    for name, default, option in parameters.declared():
        assert len(option.description) > 10, name
        option.check(name, default)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stall_s": -1.0}, "parameter stall_s is -1.0; allowed: 0.05 to 60"),
        ({"mode": "both"}, "parameter mode is 'both'; allowed: one of 'standalone', 'addon'"),
        ({"tracking.max_faces": 0}, "parameter tracking.max_faces is 0; allowed: 1 to 64"),
        ({"tracking.max_faces": 2.5}, "parameter tracking.max_faces is 2.5; an integer is expected"),
        ({"stall_s": "soon"}, "parameter stall_s is 'soon'; a number is expected"),
        ({"stall_s": float("nan")}, "parameter stall_s is nan; allowed"),
        ({"neutral.stale_after_s": float("inf")}, "parameter neutral.stale_after_s is inf; allowed: at least 1"),
        ({"facs.neutral_error": float("inf")}, "parameter facs.neutral_error is inf; allowed"),
        (
            {"mode": "x" * 2_000_000},
            r"parameter mode is 'xxx.{70,90}\.\.\. \(2000002 letters\); allowed",
        ),
    ],
)
def test_wrong_values_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parameters.build(given)


def test_values_reach_their_stage() -> None:
    settings = parameters.build({"stall_s": 2, "tracking.max_faces": 3})
    assert settings.ros.stall_s == 2.0 and isinstance(settings.ros.stall_s, float)
    assert settings.pipeline.tracking.max_faces == 3


def test_live_parameters() -> None:
    assert parameters.fixed_while_running(["stall_s", "use_sim_time"]) == []
    assert parameters.fixed_while_running(["mode", "stall_s"]) == ["mode"]
