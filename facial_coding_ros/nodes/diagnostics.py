# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself once a second on /diagnostics."""

from __future__ import annotations

from dataclasses import dataclass, field

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue


@dataclass(frozen=True)
class InputHealth:
    """What came from the camera since the node was activated, and how it comes now.

    lost: images, by the middleware's count. losing: what to do where too many are, else empty.
    passed_over: images that were not looked at, for image.max_rate_hz.
    dropped: images for their stamps, by kind. odd_stamps: what was dropped lately, empty when nothing was.
    light: what is wrong with the picture's brightness, else empty. pixel_range: of 16-bit images.
    """

    topic: str
    age_s: float = 0.0
    rate_hz: float = 0.0
    received: int = 0
    passed_over: int = 0
    lost: int = 0
    losing: str = ""
    refused: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    odd_stamps: str = ""
    light: str = ""
    pixel_range: str = ""


@dataclass(frozen=True)
class Health:
    """One second of the node's life. stage_s: mean seconds a frame by stage. neutrals: faces by neutral state.

    coded: what is coded now, in words. notices: what the store of neutrals wants a person to know.
    """

    active: bool
    input: InputHealth
    stalled: bool = False
    processed: int = 0
    skipped: int = 0
    faces: int = 0
    faces_left_out: int = 0
    stage_s: dict[str, float] = field(default_factory=dict)
    neutrals: dict[str, int] = field(default_factory=dict)
    backend: str = ""
    coded: str = ""
    notices: tuple[str, ...] = ()


def refusal(node_name: str, stamp: Time, reason: str) -> DiagnosticArray:
    """Level ERROR: the node does not work, and why."""
    status = DiagnosticStatus(name=_name(node_name), level=DiagnosticStatus.ERROR, message=reason)
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array


def _name(node_name: str) -> str:
    return f"/social_perception/faces/{node_name}"


def _faces(count: int) -> str:
    return "1 face" if count == 1 else f"{count} faces"


def message(node_name: str, stamp: Time, health: Health) -> DiagnosticArray:
    """Level WARN when the camera stalls, images are dropped for their stamps, the picture is nearly black, white or
    flat, or more faces are present than the budget allows."""
    camera = health.input
    status = DiagnosticStatus(name=_name(node_name), hardware_id=camera.topic)
    if not health.active:
        status.level, status.message = DiagnosticStatus.OK, "inactive"
    elif health.stalled:
        status.level, status.message = DiagnosticStatus.WARN, f"no image for {camera.age_s:.1f} s"
    elif camera.losing:
        status.level, status.message = DiagnosticStatus.WARN, camera.losing
    elif camera.odd_stamps:
        status.level, status.message = DiagnosticStatus.WARN, camera.odd_stamps
    elif camera.light:
        measured = f" (16-bit values: {camera.pixel_range})" if camera.pixel_range else ""
        status.level, status.message = DiagnosticStatus.WARN, camera.light + measured
    elif health.faces_left_out:
        status.level = DiagnosticStatus.WARN
        status.message = f"{_faces(health.faces)}, {health.faces_left_out} left out (tracking.max_faces)"
    elif health.notices:
        status.level, status.message = DiagnosticStatus.WARN, health.notices[-1]
    else:
        status.level, status.message = DiagnosticStatus.OK, _faces(health.faces)
    values = {
        "image topic": camera.topic,
        "input rate (Hz)": f"{camera.rate_hz:.1f}",
        "image age (s)": f"{camera.age_s:.2f}",
        "received images": str(camera.received),
        "lost images": str(camera.lost),
        "processed frames": str(health.processed),
        "skipped frames": str(health.skipped),
        "images beyond image.max_rate_hz": str(camera.passed_over),
        "refused images": str(camera.refused),
        **{f"{odd} images": str(count) for odd, count in camera.dropped.items()},
        "faces": str(health.faces),
        "faces found and left out": str(health.faces_left_out),
        "coded": health.coded,
        "backend": health.backend,
    }
    if camera.pixel_range:
        values["16-bit values"] = camera.pixel_range
    values |= {f"{stage} (ms)": f"{seconds * 1e3:.2f}" for stage, seconds in health.stage_s.items()}
    values |= {f"neutral {state}": str(count) for state, count in health.neutrals.items()}
    values |= {f"neutral store {number}": notice for number, notice in enumerate(health.notices, 1)}
    status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array
