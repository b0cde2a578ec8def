"""Figures of the causal measurements (plotly), used by the page and written by the command line. No torch."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from core.causal.presets import MARKED
from core.causal.results import RANDOM, Band, Context, Curves, Mode

TITLES = {"ace": "by causal effect", "iou": "by IoU", "single": "by single effect", RANDOM: "at random"}
COLOURS = {"ace": "#D1495B", "iou": "#4B4CBF", "single": "#50BDAC", RANDOM: "#7A7A85"}
DASHES = {"ace": "solid", "iou": "dash", "single": "dot", RANDOM: "dashdot"}
GRID = "rgba(128,128,138,0.22)"


def curves_figure(curves: Curves, mode: Mode = "remove", *, height: int = 380) -> go.Figure:
    """Class area left (remove) or gained (insert) against the number of units, one line and band an order; n = 20 marked."""
    remove = mode == "remove"
    seeds = curves.seeds if remove else curves.insert_seeds
    draws = len(curves.random_removed if remove else curves.random_inserted)
    made_of = f"<br><span style='font-size:12px'>{len(seeds)} pictures, seeds {seeds[0]} to {seeds[-1]}; {draws} random orders</span>"
    figure = blank(("units off" if remove else f"units inserted into {curves.where}") + made_of,
                   f"{curves.label.name} area left" if remove else f"{curves.label.name} gained, % of picture", height)
    for order in (*curves.orders, RANDOM):
        band = curves.area_left(order) if remove else _percent(curves.gain(order))
        _line(figure, curves.counts, band, order)
    ticks = list(curves.counts)
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[str(n) for n in ticks])
    if remove:
        figure.update_yaxes(rangemode="tozero", tickformat=".0%")
    if MARKED in curves.counts:
        figure.add_vline(x=MARKED, line={"color": GRID, "width": 2, "dash": "dot"})
        figure.add_annotation(x=float(np.log10(MARKED)), y=1, yref="paper", yanchor="bottom", text=f"n = {MARKED}",
                              showarrow=False)
    return figure


def presets_figure(measured: Mapping[str, Curves], *, height: int = 380) -> go.Figure:
    """Removal by causal effect as learned with each preset, and at random."""
    first = next(iter(measured.values()))
    figure = blank("units off", f"{first.label.name} area left", height)
    for name, (colour, dash) in zip(measured, (("#D1495B", "solid"), ("#4B4CBF", "dash"), ("#50BDAC", "dot")), strict=False):
        _line(figure, measured[name].counts, measured[name].area_left("ace"), "ace", title=f"learned with {name}", colour=colour,
              dash=dash)
    _line(figure, first.counts, first.area_left(RANDOM), RANDOM)
    ticks = list(first.counts)
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[str(n) for n in ticks])
    figure.update_yaxes(rangemode="tozero", tickformat=".0%")
    return figure


def scatter_figure(iou: np.ndarray, effect: np.ndarray, *, effect_title: str, highlighted: Sequence[int] = (),
                   by: str = "ace", height: int = 380) -> go.Figure:
    """Every unit by agreement (IoU, across) and causal effect (up); customdata is the unit. Highlighted units, the first of an order
    named by TITLES, are in colour.
    """
    figure = blank("IoU with the class (agreement)", effect_title, height)
    chosen = set(int(u) for u in highlighted)
    rest = [u for u in range(len(iou)) if u not in chosen]
    for units, name, colour, size in ((rest, "other units", COLOURS[RANDOM], 8),
                                      (sorted(chosen), f"first {len(chosen)} {TITLES[by]}", COLOURS[by], 11)):
        if units:
            x, y = iou[units].astype(float).tolist(), effect[units].astype(float).tolist()
            figure.add_scatter(x=x, y=y, mode="markers", name=name, marker={"color": colour, "size": size, "opacity": 0.75},
                               customdata=[[u] for u in units],
                               hovertemplate="unit %{customdata[0]}<br>IoU %{x:.3f}, effect %{y:.3f}<extra></extra>")
    return figure


def side_figure(curves: Curves, order: str = "ace", n: int = 0, *, most: int = 14, height: int = 420) -> go.Figure:
    """What became of every class when the first n units are off: area after ÷ before, largest changes first."""
    n = n or curves.marked
    effects = curves.side_effects(order, n)[:most]
    figure = blank(f"area after ÷ before, {n} units off", "", height)
    colours = [COLOURS["ace"] if e.label.name == curves.label.name else COLOURS["iou"] for e in effects]
    figure.add_bar(y=[e.label.name for e in effects], x=[e.left - 1 for e in effects], base=1, orientation="h",
                   marker_color=colours, customdata=[[e.left, 100 * e.share] for e in effects], showlegend=False,
                   hovertemplate="%{y}: %{customdata[0]:.2f} of before<br>%{customdata[1]:.1f} % of the pictures<extra></extra>")
    figure.add_vline(x=1, line={"color": COLOURS[RANDOM], "width": 1})
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=True, gridcolor=GRID, tickformat=".1f")
    return figure


def context_figure(context: Context, *, min_cells: int = 8, most: int = 14, height: int = 420) -> go.Figure:
    """Gain of the class where it is inserted, by what was there before."""
    places = context.table(min_cells)[:most]
    figure = blank(f"{context.label.name} gained, % of the picture", "", height)
    gain = [100 * p.gain for p in places]
    error = {"type": "data", "symmetric": False, "array": [100 * p.hi - g for p, g in zip(places, gain, strict=True)],
             "arrayminus": [g - 100 * p.lo for p, g in zip(places, gain, strict=True)], "color": COLOURS[RANDOM]}
    figure.add_bar(y=[f"{p.label.name}" for p in places], x=gain, orientation="h", error_x=error, marker_color=COLOURS["single"],
                   showlegend=False, customdata=[[p.cells, p.pictures] for p in places],
                   hovertemplate="over %{y}: %{x:.2f} %<br>%{customdata[0]} cells of %{customdata[1]} pictures<extra></extra>")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=True, gridcolor=GRID)
    return figure


def blank(x_title: str, y_title: str, height: int) -> go.Figure:
    """An empty figure without a background, so that light and dark show through."""
    figure = go.Figure()
    figure.update_layout(height=height, margin={"l": 8, "r": 12, "t": 30, "b": 8}, dragmode=False, font_size=15,
                         hovermode="closest", paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", bargap=0.3,
                         legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0})
    figure.update_xaxes(title=x_title, showgrid=False, zeroline=False, automargin=True)
    figure.update_yaxes(title=y_title, gridcolor=GRID, zerolinecolor=GRID, automargin=True)
    return figure


def _line(figure: go.Figure, counts: Sequence[int], band: Band, order: str, *, title: str = "", colour: str = "",
          dash: str = "") -> None:
    x, colour = [float(n) for n in counts], colour or COLOURS[order]
    r, g, b = (int(colour[i:i + 2], 16) for i in (1, 3, 5))
    figure.add_scatter(x=x + x[::-1], y=[*band.hi.astype(float).tolist(), *band.lo.astype(float).tolist()[::-1]], fill="toself",
                       fillcolor=f"rgba({r},{g},{b},0.15)", line={"width": 0}, mode="lines", hoverinfo="skip", showlegend=False)
    figure.add_scatter(x=x, y=band.mean.astype(float).tolist(), mode="lines+markers", name=title or TITLES[order], marker_size=7,
                       line={"color": colour, "width": 2.5, "dash": dash or DASHES[order]})


def _percent(band: Band) -> Band:
    return Band(100 * band.mean, 100 * band.lo, 100 * band.hi)
