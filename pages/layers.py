"""How many units of each layer have a class, which classes they are, and what changes with depth."""
from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core import dissect, nulls, survey, tightness, trust, zoo
from core.dissect import Dissection
from core.image import encode
from core.jobs import Report
from core.segment import Label
from pages.parts import charts, frame, gallery, job_panel, pickers, state

TOPS = 4
LEAST_BARS = 10  # a chart of few classes keeps its bars as narrow as the others


def open_class(layer: str) -> None:
    """A click on a bar: go to the units of that class (after this run, in the page's own flow)."""
    found = charts.clicked(f"bars.{layer}")
    if found:
        state.put("layers.goto", (layer, str(found[0])))
        state.choose(layer=layer)


Groups = list[tuple[Label, tuple[int, ...]]]


def chart(d: Dissection, groups: Groups, highest: int) -> None:
    """Units per class of one layer, coloured by category, on the scale shared by all layers; neighbours stand level."""
    st.markdown(f"**{d.layer}**: {sum(len(units) for _, units in groups)} of {len(d.iou)} units have a class")
    st.caption(survey.sentence(groups))
    if not groups:
        st.caption("No unit of this layer passes the cut.")
        return
    figure = charts.bars([x.name for x, _ in groups], [len(units) for _, units in groups],
                         colours=[charts.category_colour(x.category) for x, _ in groups], y_title="units",
                         custom=[[x.name, x.category, float(d.iou[units[0], d.column(x.name)]), d.ceiling(x)]
                                 for x, units in groups],
                         hover="%{x} (%{customdata[1]}): %{y} units<br>best IoU %{customdata[2]:.3f} of at most "
                               "%{customdata[3]:.2f}<br>click to see them", height=300)
    figure.update_yaxes(range=[0, highest * 1.08], nticks=5)
    figure.update_xaxes(tickangle=-60, dtick=1, tickfont_size=13, range=[-0.5, max(len(groups), LEAST_BARS) - 0.5],
                        automargin=False)
    figure.update_layout(margin_b=84)  # the same under every chart, whatever its classes are called
    charts.show(figure, key=f"bars.{d.layer}", on_click=partial(open_class, d.layer),
                alt=f"Units per class in {d.layer}: " + ", ".join(f"{x.name} {len(u)}" for x, u in groups))


def depth(found: dict[str, Dissection], grouped: dict[str, Groups]) -> None:
    """Units and distinct labels per layer."""
    names, groups = charts.short(list(found)), list(grouped.values())
    share = [100 * sum(len(u) for _, u in g) / len(d.iou) for g, d in zip(groups, found.values(), strict=True)]
    left, right = st.columns(2)
    with left:
        figure = charts.base("layer", "% of the units", height=300)
        for category in survey.CATEGORIES:
            values = [100 * survey.tally(g).get(category, (0, 0))[0] / len(d.iou)
                      for g, d in zip(groups, found.values(), strict=True)]
            if any(values):
                figure.add_bar(x=names, y=values, name=category, marker_color=charts.category_colour(category))
        figure.update_layout(barmode="stack")
        figure.update_xaxes(type="category")
        charts.show(figure, key="depth.units", alt="Share of units with a class, per layer: " +
                    ", ".join(f"{n} {s:.0f} %" for n, s in zip(names, share, strict=True)))
    with right:
        figure = charts.base("layer", "distinct classes", height=300)
        for category in survey.CATEGORIES:
            values = [survey.tally(g).get(category, (0, 0))[1] for g in groups]
            if any(values):
                figure.add_scatter(x=names, y=values, name=category, mode="lines+markers", marker_size=8,
                                   line={"color": charts.category_colour(category), "width": 2.5})
        figure.update_yaxes(rangemode="tozero")
        figure.update_xaxes(type="category")
        charts.show(figure, key="depth.labels", alt="Distinct classes per layer, by category")


def through(found: dict[str, Dissection], chosen: dict[str, Dissection], name: str) -> None:
    """For one class, the best unit of every layer, with its top images for the chosen layers."""
    pictures = state.pictures(state.model())
    cells = survey.best_units(found, name)
    figure = charts.bars(charts.short([c.layer for c in cells]), [c.iou for c in cells], x_title="layer", y_title="IoU",
                         colours=charts.category_colour(next(iter(found.values())).label(name).category),
                         text=[f"unit {c.unit}" for c in cells], height=260)
    figure.update_xaxes(type="category")
    charts.show(figure, key="through.bars", alt=f"IoU of the best unit for {name} in each layer")
    with st.container(horizontal=True, gap="medium"):
        for cell in cells:
            d = found[cell.layer]
            if cell.layer not in chosen:
                continue
            with st.container(width=2 * 192 + 8, gap="xsmall"):
                if pictures is not None:
                    seeds = [(k, int(s)) for k, s in enumerate(d.top_seeds[cell.unit]) if pictures.has(int(s))][:TOPS]
                    tiles = [gallery.outlined(pictures.image(s), d.top_acts[cell.unit, k], float(d.levels[cell.unit]), side=192)
                             for k, s in seeds]
                    if tiles:
                        gallery.show(encode(gallery.sheet(tiles, 2, background=128), "JPEG"),
                                     alt=f"Top images of unit {cell.unit} of {cell.layer}, active region outlined")
                pickers.go("units", f"{cell.layer} · unit {cell.unit} · IoU {cell.iou:.3f}", layer=cell.layer, unit=cell.unit)


def tables(found: dict[str, Dissection], cut: survey.Cut) -> None:
    """Classes and units as tables, and as CSV."""
    classes = pd.DataFrame(survey.class_rows(found, cut))
    units = pd.DataFrame([row for d in found.values() for row in survey.unit_rows(d, cut)])
    blocked = [r["class"] for r in classes.to_dict("records") if not r.get("can pass", True) and r["% of pixels"] > 0]
    if blocked:
        st.caption(f"{frame.escape(', '.join(blocked))}: so common that no unit can pass {cut.title} at this threshold (see "
                   "the ceiling); units that follow such a class are found in the ranking of the Units page.")
    kind = st.segmented_control("Table", ("Classes", "Units"), default="Classes", required=True, key="table",
                                label_visibility="collapsed")
    table = classes if kind == "Classes" else units
    st.dataframe(table, hide_index=True, height=380, column_config={
        "% of pixels": st.column_config.NumberColumn(format="%.2f"), "ceiling": st.column_config.NumberColumn(
            format="%.3f", help="Highest IoU that a unit can reach with this class at this threshold"),
        "iou": st.column_config.NumberColumn("IoU", format="%.3f"), "iqr": st.column_config.NumberColumn("IQR", format="%.4f"),
        "level": st.column_config.NumberColumn(format="%.3f")})
    with st.container(horizontal=True):
        st.download_button("Classes as CSV", classes.to_csv(index=False), "classes.csv", "text/csv", icon=":material/download:")
        st.download_button("Units as CSV", units.to_csv(index=False), "units.csv", "text/csv", icon=":material/download:")


# --- how much of it is real -------------------------------------------------------------------------------------------------
def controls(found: nulls.Nulls, cut: survey.Cut, threshold: str) -> None:
    """Units that would pass the cut in a generator of random weights and with label maps of other pictures, and units that do
    better than these."""
    how = "quantile" if threshold == "quantile" else "iqr"
    titles: dict[nulls.Kind, tuple[str, str]] = {
        "real": ("as trained", charts.CATEGORY_COLOURS["object"]), "random": ("random weights", charts.NEUTRAL),
        "shuffled": ("label maps of other pictures", charts.rgba(charts.NEUTRAL, 0.45))}
    passing = {kind: [100 * found.share(n, kind, cut=cut.iou, min_iqr=cut.iqr, threshold=how) for n in found.layers]
               for kind in nulls.KINDS}
    better = {kind: [100 * found.beyond(n, kind, threshold=how) for n in found.layers] for kind in nulls.KINDS[1:]}
    said = ", ".join(f"**{sum(v) / len(v):.0f} %** {'' if kind == 'real' else 'with '}{titles[kind][0]}" for kind, v in passing.items())
    st.markdown(f"{cut.title} is passed by {said} (mean over the layers). A class that fills much of the picture is met by any "
                "unit, so what counts is how many units do better than chance: "
                f"**{better['random'][0]:.0f} %** of {frame.escape(found.layers[0])} and **{better['random'][-1]:.0f} %** of "
                f"{frame.escape(found.layers[-1])} have a higher information quality ratio (IQR) with their class than 95 in 100 "
                "units of random weights.")
    names = charts.short(found.layers)
    for place, title, series in zip(st.columns(2), ("% of units over the cut", "% of units beyond chance"), (passing, better),
                                    strict=True):
        with place:
            figure = charts.base("layer", title, height=300)
            for kind, shares in series.items():
                figure.add_bar(x=names, y=shares, name=("beyond " if series is better else "") + titles[kind][0],
                               marker_color=titles[kind][1])
            figure.update_xaxes(type="category")
            if series is better:
                figure.add_hline(100 * nulls.CHANCE, line={"color": charts.ACCENT, "width": 1.5, "dash": "dot"})
            charts.show(figure, key=f"evidence.nulls.{series is better}", alt=f"{title}, by layer: " + "; ".join(
                f"{titles[kind][0]} {', '.join(f'{v:.0f}' for v in shares)}" for kind, shares in series.items()))
    frame.caption(model=state.model(), seeds=runs_seeds(found), cut=cut.title, threshold="top 1 %" if how == "quantile" else "IQR",
                  **{"dotted line": f"{100 * nulls.CHANCE:.0f} %, what chance gives"})


def outlines(found: tightness.Tightness, name: str) -> None:
    """Do later layers outline things more tightly? Boundary F-score and area ratio by layer, with 95 % intervals."""
    ends = found.ends()
    if ends is not None:
        first, last = (found.overall_outline[n] for n in ends)
        verdict = {1: "Yes: later layers outline things more tightly.", -1: "No: earlier layers outline things more tightly.",
                   0: "Not measurably: the intervals overlap."}[found.trend()]
        st.markdown(f"**{verdict}** Boundary F-score {first[0]:.2f} ({first[1]:.2f}–{first[2]:.2f}) in "
                    f"{frame.escape(found.layers[ends[0]])}, {last[0]:.2f} ({last[1]:.2f}–{last[2]:.2f}) in "
                    f"{frame.escape(found.layers[ends[1]])}.")
    x = list(range(1, len(found.layers) + 1))
    rows = {f"all {len(found.shared)} shared classes": (found.overall_outline, found.overall_area)} if found.shared else {}
    if name in found.labels:
        column = found.labels.index(name)
        rows[name] = (found.outline[:, column], found.area[:, column])
    titles = ("boundary F-score", "active area / area of the class")
    for which, (place, title) in enumerate(zip(st.columns(2), titles, strict=True)):
        with place:
            figure = charts.lines({n: (x, values[which][:, 0]) for n, values in rows.items()}, x_title="layer", y_title=title,
                                  bands={n: (values[which][:, 1], values[which][:, 2]) for n, values in rows.items()},
                                  markers=True, height=300, legend=True)
            figure.update_xaxes(tickvals=x, ticktext=charts.short(found.layers))
            figure.update_yaxes(rangemode="tozero")
            charts.show(figure, key=f"evidence.tight.{which}", alt=f"{title} by layer with 95 % intervals")
    frame.caption(model=state.model(), seeds=runs_seeds(found), units=f"{found.run.params['units']} best of each layer and class",
                  level="highest IQR of unit and class", intervals="95 %, bootstrap over pictures")


def agreement(found: trust.Trust) -> None:
    """Where the dissector and the judge disagree, labels are to be read with care."""
    order = sorted(range(len(found.labels)), key=lambda c: -found.iou[c] if found.iou[c] == found.iou[c] else 1)
    seen = [c for c in order if found.iou[c] == found.iou[c]]
    tints = [charts.CATEGORY_COLOURS["object"] if found.iou[c] >= trust.LOW else charts.ACCENT for c in seen]
    figure = charts.bars([found.labels[c] for c in seen], [found.iou[c] for c in seen], y_title="IoU of the two label maps",
                         colours=tints, height=300)
    figure.update_xaxes(tickangle=-60, dtick=1, tickfont_size=12)
    charts.show(figure, key="evidence.trust", alt="Agreement of dissector and judge by class")
    if found.doubtful:
        st.markdown(f"Read with care, agreement below {trust.LOW:g}: **{frame.escape(', '.join(found.doubtful))}**.")
    frame.caption(model=state.model(), seeds=runs_seeds(found), segmenters=" and ".join(found.run.params["segmenters"]))


def runs_seeds(found: nulls.Nulls | tightness.Tightness | trust.Trust) -> str:
    seeds = found.run.params["seeds"]
    return f"{seeds[0]}–{seeds[1] - 1}" if isinstance(seeds, list) else f"{len(seeds['seeds'])} listed ones"


def measure(model: str, what: str, report: Report) -> None:
    """The job behind an empty part of this section."""
    from core import segment, zoo

    card, store = zoo.card(model), state.store()
    report(0, 1, "opening the generator")
    generator, chooser = zoo.load(model), segment.load(card.segmenters[0])
    if what == "trust":
        trust.trust(generator, chooser, segment.load(card.segmenters[1]), report=report, store=store)
    elif what == "nulls":
        nulls.nulls(generator, chooser, list(state.layers(model)), report=report, store=store)
    else:
        found = {name: d for name in state.layers(model) if (d := dissect.load(store, model, name)) is not None}
        tightness.tightness(generator, chooser, found, report=report, store=store)


def evidence(cut: survey.Cut, threshold: str, name: str) -> None:
    """Three checks, each shown when it is stored and otherwise offered."""
    model = state.model()
    st.subheader("Would random units look like this?", anchor=False)
    st.markdown("The same dissection of a generator with random weights, and of pictures paired with label maps of other "
                "pictures.")
    zero = state.stored("nulls", model, ("nulls",), partial(nulls.load, state.store(), model))
    if zero is not None:
        controls(zero, cut, threshold)
    else:
        offer("nulls", "Dissect random weights and shuffled pairs")
    st.subheader("Do later layers outline things more tightly?", anchor=False)
    st.markdown("For units of the same class: how well the outline of the active region follows the outline of the thing "
                "(1 = exactly), and how large the region is next to it (1 = equal).")
    tight = state.stored("tightness", model, ("tightness",), partial(tightness.load, state.store(), model))
    if tight is not None:
        outlines(tight, name)
    else:
        offer("tightness", "Measure outlines by layer")
    if len(zoo.card(model).segmenters) > 1:
        st.subheader("Do two segmenters see the same?", anchor=False)
        st.markdown("The dissector names the units; the judge was trained on other pictures and only ever checks.")
        both = state.stored("trust", model, ("trust",), partial(trust.load, state.store(), model))
        if both is not None:
            agreement(both)
        else:
            offer("trust", "Compare dissector and judge")


def offer(what: str, title: str) -> None:
    job_panel.show(f"{what}:{state.model()}", title, partial(measure, state.model(), what), button="Measure", again=True,
                   note=f"{title}: not stored for this model yet. Takes minutes on a CPU.")


frame.begin("Layers", "See which classes the units of each layer stand for, compare layers, and click a bar to open its units.")
target = state.get("layers.goto")
if target:
    state.drop("layers.goto")
    st.switch_page("pages/units.py", query_params={"class": target[1]})

pickers.dissected(state.model(), state.layer())
left, middle, right = st.columns([5, 2, 3], vertical_alignment="bottom")
with middle:
    how = pickers.threshold()
known = {name: state.dissection(state.model(), name, how) for name in state.layers(state.model())}
stored = {name: d for name, d in known.items() if d is not None}
some = [n for n in stored if n in (list(stored)[::3] if len(stored) > 4 else list(stored))]
picked = left.multiselect("Layers", list(stored), default=some, key="compare", bind="query-params", placeholder="choose layers")
rules = {cut.title: cut for cut in survey.CUTS.values()}
rule = rules[right.selectbox("A unit counts when", list(rules), key="cut", bind="query-params",
                             help="The cuts of Bau et al. 2020 (IoU) and 2019 (IoU with the information quality ratio).")]
chosen = {name: stored[name] for name in stored if name in picked}
if not chosen:
    st.info("Choose at least one layer.", icon=":material/layers:")
    st.stop()
gallery.legend({c: charts.category_colour(c) for c in survey.CATEGORIES
                if any(x.category == c for d in chosen.values() for x in d.labels)})
grouped = {name: survey.distribution(d, rule) for name, d in stored.items()}
most = max([1, *(len(units) for name in chosen for _, units in grouped[name])])
side_by_side = 2 if len(chosen) > 1 else 1
for start in range(0, len(chosen), side_by_side):
    for place, which in zip(st.columns(side_by_side, gap="large"), list(chosen)[start:start + side_by_side], strict=False):
        with place:
            chart(chosen[which], grouped[which], most)
basis = next(iter(chosen.values()))
frame.caption(model=state.model(), layer=", ".join(chosen), seeds=survey.seeds_text(basis), cut=rule.title,
              threshold=survey.threshold_text(basis))

st.header("What changes with depth", anchor=False)
st.markdown("Share of units that have a class, and how many different classes there are, from the first layer to the last.")
depth(stored, grouped)
frame.caption(model=state.model(), layer=f"all {len(stored)}", cut=rule.title)

st.header("One class through the layers", anchor=False)
any_layer = next(iter(stored.values()))
# not "class": a key that this page binds cannot be handed to the Units page
name = pickers.label(any_layer, key="about", default=next((n for n in ("tree", "door") if n in
                                                           {x.name for x in any_layer.labels}), ""))
through(stored, chosen, name)
frame.caption(model=state.model(), layer=f"all {len(stored)}", pictures="the unit's top seeds, region above its level outlined")

st.header("How much of it is real?", anchor=False)
evidence(rule, how, name)

st.header("Tables", anchor=False)
tables(chosen, rule)
