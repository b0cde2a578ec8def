"""Figures of the artifact test (plotly), used by the page and written by the command line. No torch."""
from __future__ import annotations

import plotly.graph_objects as go

from core.artifacts.results import ArtifactScores, Quality
from core.causal.figures import COLOURS, GRID, blank

NAMES = {"frechet": "Fréchet distance", "kernel": "kernel distance", "precision": "precision", "recall": "recall", "fid": "FID"}
BETTER = {"frechet": "lower", "kernel": "lower", "precision": "higher", "recall": "higher", "fid": "lower"}


def quality_figure(outcome: Quality, name: str = "frechet", *, height: int = 380) -> go.Figure:
    """One figure for untouched, units off and every random draw, on random pictures and on those that show the units most."""
    figure = blank("", f"{NAMES[name]}, {BETTER[name]} is better", height)
    places = {"random": "random pictures", "worst": "these units most on"}
    for which, place in places.items():
        draws = outcome.figures[which, name][2:]
        first = which == "random"
        figure.add_scatter(x=[place] * len(draws), y=draws.astype(float).tolist(), mode="markers", name="random units off",
                           marker={"color": COLOURS["random"], "size": 9, "opacity": 0.6}, showlegend=first,
                           hovertemplate="random units off: %{y:.4g}<extra></extra>")
        chosen = f"{len(outcome.units)} chosen units off"
        for title, value, colour, symbol in (("untouched", outcome.untouched(name, which), COLOURS["iou"], "diamond"),
                                             (chosen, outcome.off(name, which), COLOURS["ace"], "star")):
            figure.add_scatter(x=[place], y=[value], mode="markers", name=title, showlegend=first,
                               marker={"color": colour, "size": 15, "symbol": symbol},
                               hovertemplate=f"{title}: %{{y:.4g}}<extra></extra>")
    figure.add_hline(y=outcome.real[name], line={"color": COLOURS["single"], "width": 2, "dash": "dot"})
    figure.add_annotation(x=1, xref="paper", xanchor="right", y=outcome.real[name], yanchor="bottom", text="real against real",
                          showarrow=False, font={"color": COLOURS["single"]})
    return figure


def scores_figure(scores: ArtifactScores, *, marked: int = 20, height: int = 260) -> go.Figure:
    """All units from most to least suspicious, by score; the first `marked` in colour."""
    figure = blank("units, most suspicious first", "score", height)
    colours = [COLOURS["ace"] if k < marked else COLOURS["random"] for k in range(len(scores.order))]
    figure.add_bar(x=list(range(1, len(scores.order) + 1)), y=scores.score[scores.order].astype(float).tolist(),
                   marker_color=colours, marker_line_width=0, customdata=[[int(u)] for u in scores.order], showlegend=False,
                   hovertemplate="unit %{customdata[0]}: %{y:.2f}<extra></extra>")
    figure.update_layout(bargap=0)
    figure.update_yaxes(gridcolor=GRID, range=[0, 1])
    return figure
