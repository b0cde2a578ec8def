"""Plotly figures in the house style: few lines, labelled axes, the paper's colours, readable from three metres.

Figures are byte-stable for the same input, carry no background of their own (light and dark themes show through), and leave the
fonts to the theme. Show one with `show`; pass `alt` text with it.
"""
from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.parts.colours import (
    ACCENT,
    BRUSH_COLOURS,
    CATEGORY_COLOURS,
    CATEGORY_ORDER,
    NEUTRAL,
    category_colour,
    label_colour,
    rgba,
)

__all__ = ["ACCENT", "BRUSH_COLOURS", "CATEGORY_COLOURS", "CATEGORY_ORDER", "NEUTRAL", "bars", "base", "category_colour",
           "histogram", "label_colour", "lines", "mark", "pointable", "rgba", "short", "show"]

GRID = "rgba(128,128,138,0.22)"
SIZE = 15


def base(x_title: str = "", y_title: str = "", *, height: int = 320, legend: bool = True) -> go.Figure:
    """An empty figure in the house style. Built in one go: Plotly checks every later update at length."""
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "tickfont": {"size": SIZE - 1}, "automargin": True}

    def titled(text: str) -> dict[str, Any]:
        return {"text": text, "font": {"size": SIZE}}

    return go.Figure(layout={
        "height": height, "margin": {"l": 8, "r": 12, "t": 30 if legend else 14, "b": 8}, "dragmode": False, "showlegend": legend,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "bargap": 0.22, "hovermode": "closest",
        "font": {"size": SIZE}, "xaxis": {"title": titled(x_title), "showgrid": False, **axis},
        "yaxis": {"title": titled(y_title), **axis},
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "font": {"size": SIZE - 1}}})


def bars(names: Sequence[str], values: Sequence[float], *, colours: Sequence[str] | str = CATEGORY_COLOURS["object"],
         x_title: str = "", y_title: str = "", custom: Sequence[Any] | None = None, horizontal: bool = False,
         hover: str = "", text: Sequence[str] | None = None, errors: Sequence[float] | None = None,
         height: int = 320) -> go.Figure:
    """One bar a name. `custom` goes into each bar's customdata, which is what a click gives back."""
    figure = base(x_title, y_title, height=height, legend=False)
    paint = list(colours) if not isinstance(colours, str) else colours
    data: dict[str, Any] = {"marker_color": paint, "customdata": list(custom) if custom is not None else None,
                            "text": list(text) if text is not None else None, "textposition": "outside", "cliponaxis": False}
    if hover:
        data["hovertemplate"] = hover + "<extra></extra>"
    numbers = [float(v) for v in values]
    spread = {"type": "data", "array": [float(e) for e in errors], "color": NEUTRAL} if errors is not None else None
    if horizontal:
        figure.add_bar(y=list(names), x=numbers, orientation="h", error_x=spread, **data)
        figure.update_yaxes(autorange="reversed")
    else:
        figure.add_bar(x=list(names), y=numbers, error_y=spread, **data)
    return figure


def lines(series: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, colours: Mapping[str, str] | None = None,
          bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None, dashes: Mapping[str, str] | None = None,
          x_title: str = "", y_title: str = "", markers: bool = False, height: int = 340, legend: bool = False) -> go.Figure:
    """Named lines name -> (x, y), with an optional shaded band name -> (low, high) of the same length behind each.

    Values that are not finite leave gaps. A single line has a legend only where asked for.
    """
    figure = base(x_title, y_title, height=height, legend=legend or len(series) > 1)
    spare = [*CATEGORY_COLOURS.values(), NEUTRAL]
    for number, (name, (x, y)) in enumerate(series.items()):
        colour = (colours or {}).get(name, spare[number % len(spare)])
        xs = [float(v) for v in x]
        if bands and name in bands:
            edges = [(v, float(a), float(b)) for v, a, b in zip(xs, *bands[name], strict=True) if math.isfinite(a + b)]
            figure.add_scatter(x=[v for v, _, _ in edges] + [v for v, _, _ in edges][::-1],
                               y=[b for _, _, b in edges] + [a for _, a, _ in edges][::-1], fill="toself",
                               fillcolor=rgba(colour, 0.18), line={"width": 0}, hoverinfo="skip", showlegend=False, mode="lines")
        ys = [float(v) if math.isfinite(v) else None for v in y]
        figure.add_scatter(x=xs, y=ys, name=name, mode="lines+markers" if markers else "lines",
                           line={"color": colour, "width": 2.5, "dash": (dashes or {}).get(name, "solid")}, marker_size=7)
    return figure


def histogram(counts: np.ndarray, edges: np.ndarray, *, x_title: str = "activation", y_title: str = "share of positions",
              colour: str = NEUTRAL, height: int = 240) -> go.Figure:
    """Counts (B,) over edges (B+1,) as touching bars of their share, on a square-root scale so that the tail is seen."""
    figure = base(x_title, y_title, height=height, legend=False)
    share = counts / max(1, counts.sum())
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    figure.add_bar(x=middle.tolist(), y=np.sqrt(share).tolist(), width=width.tolist(), marker_color=colour, marker_line_width=0,
                   customdata=share.tolist(), hovertemplate="%{x:.3g}: %{customdata:.2%}<extra></extra>")
    ticks = [t for t in (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0) if t <= max(0.01, float(share.max(initial=0)) * 1.1)]
    figure.update_yaxes(tickvals=[t ** 0.5 for t in ticks], ticktext=[f"{t:.3g}" for t in ticks])
    figure.update_layout(bargap=0)
    return figure


def pointable(picture: np.ndarray, names: Sequence[Sequence[str]], *, height: int = 380) -> go.Figure:
    """A small picture (H,W,3) whose pixels tell their name (H,W) under the pointer."""
    figure = base(height=height, legend=False)
    figure.add_image(z=picture, text=[list(row) for row in names], hovertemplate="%{text}<extra></extra>")
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def short(names: Sequence[str]) -> list[str]:
    """Layer names without what they begin with in common, for crowded axes: layer1, layer2 -> 1, 2."""
    common = os.path.commonprefix(list(names)).rstrip("0123456789")
    cut = [name[len(common):] for name in names]
    return cut if len(names) > 1 and all(cut) else list(names)


def mark(figure: go.Figure, x: float, text: str = "", *, colour: str = ACCENT, dash: str = "solid", row: int = 0) -> go.Figure:
    """A vertical line at x with a short text above it, in the given row where several lie close together."""
    figure.add_shape(type="line", x0=float(x), x1=float(x), yref="paper", y0=0, y1=1,
                     line={"color": colour, "width": 2, "dash": dash})
    if text:
        figure.add_annotation(x=float(x), y=1, yref="paper", yanchor="bottom", yshift=15 * row, text=text, showarrow=False,
                              font={"size": SIZE - 2, "color": colour})
    return figure


def show(figure: go.Figure, key: str, *, alt: str = "", on_click: Callable[[], None] | None = None) -> None:
    """The figure on the page. With `on_click`, a click on a bar or point runs the callback, which reads `clicked(key)`."""
    settings = {"displayModeBar": False, "responsive": True}
    if on_click is None:
        st.plotly_chart(figure, key=key, config=settings, alt=alt or None)
    else:
        st.plotly_chart(figure, key=key, config=settings, alt=alt or None, on_select=on_click, selection_mode="points")


def clicked(key: str) -> list[Any]:
    """Customdata of the bar or point of chart `key` that was clicked, [] when none; for use in an `on_click` callback."""
    from pages.parts import state

    chosen = state.get(key)
    points = chosen["selection"]["points"] if chosen else []
    if not points or "customdata" not in points[0]:
        return []
    data = points[0]["customdata"]
    return list(data) if isinstance(data, (list, tuple)) else [data]
