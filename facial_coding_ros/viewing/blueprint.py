# SPDX-License-Identifier: Apache-2.0
"""The layout of a recording: what is where for nobody, one person and several."""

from __future__ import annotations

from collections.abc import Mapping

import rerun.blueprint as rrb

TIME, FRAME = "image_time", "nth_frame"
"""The timelines. Rerun shows the one that comes first in the alphabet."""
SHOWN_PEOPLE = 4
SHOWN_AUS = (1, 2, 4, 6, 12, 15, 17, 25, 26)
"""Drawn at first, a curve each; the others are in the recording and can be added in the viewer."""
_FRAMES_A_SECOND = 30


def blueprint(people: Mapping[str, str], window_s: float | None, with_mesh: bool) -> rrb.Blueprint:
    """people: name -> entity. One person's curves stand beside image and mesh; those of several, below, in columns.

    window_s: seconds before the time cursor that the curves show; None for all.
    """
    dark = rrb.Background(color=(28, 30, 36))
    mesh = rrb.Spatial3DView(
        origin="/mesh",
        name="motion: grey none, red strong",
        background=dark,
        line_grid=rrb.archetypes.LineGrid3D(visible=False),
    )
    meshes = [mesh] if with_mesh else []
    latest = rrb.TextDocumentView(origin="/events", name="events")
    events = rrb.Tabs(latest, rrb.TextLogView(origin="/log", name="all events"))
    image = rrb.Spatial2DView(origin="/camera/image", name="camera")
    colours = rrb.Spatial2DView(origin="/colours", name="colours", background=dark)
    columns = [_curves(name, path, window_s, len(people)) for name, path in people.items()]
    content: rrb.Container
    if len(columns) <= 1:
        words = rrb.Vertical(colours, events) if columns else events
        beside = rrb.Horizontal(*meshes, words, column_shares=[*[2] * len(meshes), 3])
        seen = rrb.Vertical(image, beside, row_shares=[3, 2])
        content = rrb.Horizontal(seen, *columns, column_shares=[1] * (1 + len(columns)))
    else:
        seen = rrb.Horizontal(image, *meshes, colours, events, column_shares=[4, *[3] * len(meshes), 3, 2])
        content = rrb.Vertical(seen, rrb.Horizontal(*columns), row_shares=[1, 2])
    panels = (rrb.BlueprintPanel(state="collapsed"), rrb.SelectionPanel(state="collapsed"))
    return rrb.Blueprint(content, *panels, rrb.TimePanel(state="collapsed"), auto_views=False, auto_layout=False)


def _curves(name: str, path: str, window_s: float | None, people: int) -> rrb.Vertical:
    """One person's curves. The colours are everybody's, so that one picture of them is enough and hides no curve."""
    relative = rrb.TimeRangeBoundary.cursor_relative
    windows = None
    if window_s is not None:
        windows = [
            rrb.VisibleTimeRange(TIME, start=relative(seconds=-window_s), end=relative()),
            rrb.VisibleTimeRange(FRAME, start=relative(seq=-round(window_s * _FRAMES_A_SECOND)), end=relative()),
        ]

    def view(title: str, contents: list[str], low: float, high: float) -> rrb.TimeSeriesView:
        return rrb.TimeSeriesView(
            origin=f"/{path}",
            contents=contents,
            name=f"{name}: {title}" if people > 1 else title,
            time_ranges=windows,
            axis_y=rrb.ScalarAxis(range=(low, high), zoom_lock=True),
            plot_legend=rrb.PlotLegend(visible=False),
        )

    return rrb.Vertical(
        view("action units", [f"/{path}/action_units/AU{au}" for au in SHOWN_AUS], 0, 1.02),
        view("expression", [f"/{path}/expression/**"], 0, 1.02),
        view("valence, arousal, attention", [f"/{path}/affect/**", f"/{path}/attention"], -1.02, 1.02),
        view("neutral and events", [f"/{path}/neutral", f"/{path}/events/**"], -0.3, 5),
        row_shares=[4, 4, 3, 3],
        name=name,
    )
