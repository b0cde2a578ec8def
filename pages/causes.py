"""Which units cause a class: ranking by average causal effect, tested by removal and insertion against controls."""
from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core import causal, probe, zoo
from core.causal import Context, Curves, Single, figures
from core.causal.presets import MARKED
from core.causal.results import RANDOM, place
from core.causal.study import Plan, study, two_segmenters
from core.dissect import Dissection
from core.errors import GanLabError
from core.jobs import Report, interactive
from core.scenes import BRUSHES
from core.units import Ranking, UnitSet
from pages.parts import charts, frame, gallery, pickers, state

ORDERS = {"causal effect (ACE)": "ace", "IoU": "iou", "single effect": "single"}
TITLES = {kind: title for title, kind in ORDERS.items()}
COSTS = {"quick": "About 3 minutes on a free core; the first class of a layer about 6.",
         "code": "The published program's constants: hours on a CPU, minutes on a GPU.",
         "paper": "The paper's constants: hours on a CPU, minutes on a GPU."}
ROW, TILE, LIVE = 4, 128, 6


def found_presets(label: str) -> dict[str, tuple[Ranking, Curves]]:
    """By preset, newest first: the causal ranking and the curves that test it."""
    read = partial(causal.by_preset, state.store(), state.model(), state.layer(), label)
    return state.stored("curves", state.model(), (state.layer(), label), read)


def found_context(learned: Ranking) -> Context | None:
    label, key = learned.label, learned.run.key
    read = partial(causal.load_context, state.store(), state.model(), state.layer(), label, ranking=key)
    return state.stored("context", state.model(), (state.layer(), label, key), read)


def found_single() -> Single | None:
    read = partial(causal.load_single, state.store(), state.model(), state.layer())
    return state.stored("single", state.model(), (state.layer(),), read)


def measured() -> list[str]:
    """Classes with stored curves in this layer."""
    runs = [e.manifest["run"] for e in state.store().find("curves", model=state.model(), layer=state.layer())]
    mark = zoo.fingerprint(state.model())
    return [str(run["params"]["label"]) for run in runs if run["inputs"].get("generator") == mark]


# --- measuring --------------------------------------------------------------------------------------------------------------
def run_study(model: str, layer: str, label: str, preset: str, report: Report) -> None:
    report(0, 1, "opening the models")
    study(model, layer, label, plan=Plan(causal.PRESETS[preset]), store=state.store(), report=report)


def offer(label: str, preset: str, *, again: bool = False) -> None:
    """The job that measures a class."""
    model, layer = state.model(), state.layer()
    pickers.job_panel.show(f"causes:{model}:{layer}:{label}:{preset}", f"Measure what causes {label} in {layer} ({preset})",
                           partial(run_study, model, layer, label, preset), button="Measure again" if again else "Measure it",
                           note=COSTS[preset], again=True)


# --- the answer -------------------------------------------------------------------------------------------------------------
def headline(c: Curves, order: str, n: int) -> None:
    """What the chosen number of units does, in one sentence, beside the control."""
    at = c.counts.index(n)
    left, chance = c.area_left(order), c.area_left(RANDOM)
    gain = c.gain(order)
    st.markdown(f"Switching off the first **{n}** units by {TITLES[order]} leaves **{100 * left.mean[at]:.0f} %** of the "
                f"{frame.escape(c.label.name)} ({100 * left.lo[at]:.0f} to {100 * left.hi[at]:.0f} %); {n} random units leave "
                f"{100 * chance.mean[at]:.0f} %. Inserted into {c.where}, they add {100 * gain.mean[at]:+.2f} % of the picture.")


def rows(c: Curves, what: str) -> None:
    """Kept pictures before and after, one above the other."""
    before, after = ("before", "removed") if what == "remove" else ("insert_before", "inserted")
    first, second = c.pictures(before)[:ROW], c.pictures(after)[:ROW]
    if not first:
        return
    both = [gallery.fitted(p, TILE) for p in (*first, *second)]
    doing = "off" if what == "remove" else f"inserted into {c.where}"
    gallery.show(gallery.png(gallery.sheet(both, len(first), background=128)),
                 alt=f"{len(first)} pictures before (above) and with {c.marked} units {doing} (below)", stretch=True)
    seeds = (c.seeds if what == "remove" else c.insert_seeds)[:len(first)]
    st.caption(f"Above: as generated. Below: the first {c.marked} units by causal effect {doing}. Seeds {', '.join(map(str, seeds))}, "
               f"the first {'that show the class' if what == 'remove' else 'of the range'}.")


def curve_charts(c: Curves) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Removal", anchor=False)
        charts.show(figures.curves_figure(c, "remove"), key="curve.remove", alt=curve_text(c, "remove"))
        rows(c, "remove")
    with right:
        st.subheader("Insertion", anchor=False)
        charts.show(figures.curves_figure(c, "insert"), key="curve.insert", alt=curve_text(c, "insert"))
        rows(c, "insert")
    draws, per = c.random_removed.shape[0], c.random_removed.shape[2]
    frame.caption(model=state.model(), layer=c.layer, class_=c.label.name,
                  removal=f"{len(c.seeds)} pictures that show it, of {c.scanned} from seed {int(c.run.params['first_seed'])}",
                  insertion=f"{len(c.insert_seeds)} pictures, {c.where} in each where there was none",
                  bands=f"95 % over pictures; for random 95 % over {draws} draws on {per} pictures each",
                  chosen_by=", ".join(c.run.params["choosers"]), scored_by=c.run.params["scorer"])
    if c.one_segmenter:
        st.warning("This model has only one segmenter here, so the network that chose the units also scores them. Effects may "
                   "look larger than they are.", icon=":material/balance:")


def curve_text(c: Curves, mode: str) -> str:
    n = min(c.counts, key=lambda k: abs(k - 20))
    at = c.counts.index(n)
    values = {o: (c.area_left(o) if mode == "remove" else c.gain(o)).mean[at] for o in (*c.orders, RANDOM)}
    return f"{mode} {c.label.name}, {n} units: " + ", ".join(f"{figures.TITLES[o]} {100 * v:.1f} %" for o, v in values.items())


# --- units ------------------------------------------------------------------------------------------------------------------
def open_point() -> None:
    chosen = charts.clicked("scatter")
    if chosen:
        state.put("causes.goto", int(chosen[0]))


def scatter(d: Dissection, ranking: Ranking, single: Single | None) -> None:
    """Agreement against effect, the first of a ranking in colour; a click opens the unit."""
    label, effect = ranking.label, single_effect(single, ranking.label)
    kinds = {"single effect": effect, "α (ACE)": ranking.score if ranking.kind == "ace" else None}
    known = [name for name, values in kinds.items() if values is not None]
    kind = known[0]
    if len(known) > 1:
        kind = st.segmented_control("Effect", known, default=kind, required=True, key="effect", label_visibility="collapsed")
    values = kinds[kind]
    title = "share of the class that vanishes, alone" if kind == "single effect" else "α"
    iou = d.iou[:, d.column(label)]
    figure = figures.scatter_figure(iou, np.asarray(values), effect_title=title, highlighted=ranking.top(MARKED), by=ranking.kind)
    charts.show(figure, key="scatter", on_click=open_point,
                alt=f"Every unit of {d.layer}: IoU with {label} against its causal effect")
    st.caption(f"Across: how well a unit agrees with the class. Up: how much of it the unit causes. Rank correlation "
               f"{causal.rank_correlation(iou, np.asarray(values)):.2f}. Far right and low: units that only go along. Click a "
               "point to open the unit.")


def single_effect(single: Single | None, label: str) -> np.ndarray | None:
    if single is None or not any(x.name == label and single.before[x.id] for x in single.labels[1:]):
        return None
    return single.effect(label)


def unit_table(d: Dissection, c: Curves, learned: Ranking, single: Single | None, order: str, n: int) -> tuple[int, ...]:
    """The first n units by the chosen order, each with its numbers."""
    effect = single_effect(single, c.label.name)
    units = tuple(c.units[order][:n])
    iou = d.iou[:, d.column(c.label.name)]
    by_iou = np.argsort(d.ranking(c.label.name).order) + 1
    table = pd.DataFrame([{"unit": u, "α (ACE)": learned.score[u], "IoU": iou[u], "IoU rank": by_iou[u],
                           **({"single effect": effect[u]} if effect is not None else {}), "best label": d.best(u)[0].name}
                          for u in units])
    number = partial(st.column_config.NumberColumn, format="%.3f", width=70)
    st.dataframe(table, hide_index=True, height=470, column_config={
        "unit": st.column_config.NumberColumn(width=50), "IoU rank": st.column_config.NumberColumn("rank", width=50, help="Place by IoU"),
        "α (ACE)": st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="%.2f", width=110), "IoU": number(),
        "single effect": number("alone", help="Share of the class's pixels that vanish when this unit alone is off")})
    return units


def alone_only(d: Dissection, single: Single, label: str) -> None:
    """The cheap answer, known for every class of the layer at once: what each unit does when it alone is off."""
    ranking = single.ranking(label)
    units = ranking.top(min(MARKED, len(ranking.order) // 4))
    st.header("Already known: each unit alone", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"Of the {frame.escape(label)} in {single.seeds[1] - single.seeds[0]} pictures, switching off **unit {units[0]}** "
                    f"alone takes **{100 * ranking.score[units[0]]:.1f} %**, more than any other unit. The first {len(units)}: "
                    f"{', '.join(map(str, units))}. What they do together, and against chance, is not measured.")
        if st.button(f"Add these {len(units)} units to the basket", key="to_basket", icon=":material/shopping_basket:"):
            put_into_basket(UnitSet(f"{label}: {len(units)} by {TITLES['single']}", state.model(), d.layer, units))
    with right:
        scatter(d, ranking, single)
    frame.caption(model=state.model(), layer=d.layer, class_=label, seeds=range(*single.seeds), seen_by=single.run.params["segmenter"])


def put_into_basket(new: UnitSet) -> None:
    state.add_to_basket(new)
    st.toast(f"{len(new.units)} units are in the basket: paint, artifacts and compare can use them")


def use(d: Dissection, label: str, order: str, units: tuple[int, ...], learned: Ranking) -> None:
    """The chosen units into the shared basket, and on to other pages."""
    values = causal.load_values(state.store(), learned)
    levels = tuple(float(values[u]) for u in units) if values is not None else ()
    new = UnitSet(f"{label}: {len(units)} by {TITLES[order]}", state.model(), d.layer, units, levels)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(f"Add these {len(units)} units to the basket", key="to_basket", icon=":material/shopping_basket:"):
            put_into_basket(new)
        pickers.go("paint", f"Paint with {label}", class_=label)
        pickers.go("artifacts", "Artifacts")
        st.download_button("Ranking as CSV", ranking_csv(d, label, learned), f"{label}-ranking.csv", "text/csv",
                           icon=":material/download:")


def ranking_csv(d: Dissection, label: str, learned: Ranking) -> str:
    effect = single_effect(found_single(), label)
    iou = d.iou[:, d.column(label)]
    rows_ = [{"unit": int(u), "label": label, "iou": float(iou[u]), "ace": float(learned.score[u]),
              "single_effect": float(effect[u]) if effect is not None else None} for u in learned.order]
    return pd.DataFrame(rows_).to_csv(index=False)


def learning(how: Mapping[str, Any]) -> str:
    """How α was learned."""
    removal = "everywhere" if how.get("removal") == "everywhere" else "in one cell"
    at = "their 0.99 quantile" if how.get("inserts") == "q99" else "their mean where the class is"
    return (f"{how['steps']} steps of {how['samples']} pictures, the best of {how['pool']} each to remove the class from and to put it "
            f"into; units damped {removal}, inserted into {place(how.get('block', 1))} at {at}"
            f"{', half precision' if how.get('half') else ''}")


def constants(found: dict[str, tuple[Ranking, Curves]]) -> None:
    """The presets that were measured, against each other."""
    said = [f"**{a.presets[0]}** against **{a.presets[1]}**: rank correlation of α {a.correlation:.2f}, {a.shared} of the first "
            f"{a.n} units in common; those of {a.presets[0]} leave {100 * a.left[0]:.0f} %, those of {a.presets[1]} "
            f"{100 * a.left[1]:.0f} %." for a in causal.agreements(found)]
    charts.show(figures.presets_figure({k: c for k, (_, c) in found.items()}), key="constants", alt=" ".join(said))
    st.markdown("  \n".join(said))


# --- what else ---------------------------------------------------------------------------------------------------------------
def side_effects(c: Curves, order: str, n: int) -> None:
    inside, outside = c.change(order, n)
    told = ", ".join(f"{e.label.name} {e.left:.2f}" for e in c.side_effects(order, n)[:6])
    charts.show(figures.side_figure(c, order, n), key="side", alt=f"What became of the classes with {n} units off: {told}")
    st.caption(f"Areas of all classes over the same pictures, 1 = as before. Pixels change by {inside:.1f} grey levels (of 255) "
               f"within the {c.label.name} and by {outside:.1f} outside it.")


def context_table(x: Context) -> None:
    told = ", ".join(f"{p.label.name} {100 * p.gain:.2f} %" for p in x.table()[:6])
    charts.show(figures.context_figure(x), key="context", alt=f"{x.label.name} gained by what was there before: {told}")
    st.caption(f"{len(x.units)} units inserted into {x.where} at each of {x.grid[0]} × {x.grid[1]} places of "
               f"{len(x.seeds)} pictures, one at a time ({x.gain.size} edits). Rows: what the scorer saw at the place before. "
               "Bars: 95 % over pictures.")


@st.fragment
def try_out(units: tuple[int, ...], label: str, layer: str) -> None:
    """The chosen units off, on a row of seeds of one's own."""
    start = int(st.number_input("First seed", 0, pickers.MAX_SEED - LIVE, 0, LIVE, key="row", bind="query-params"))
    key = (state.model(), layer, units, start)
    try:
        sheet = state.remember("causes.row", key, partial(row_sheet, state.model(), layer, units, start))
    except GanLabError as error:
        frame.failed(error, "The generator cannot be used")
        return
    gallery.show(sheet, alt=f"Six pictures before (above) and with {len(units)} units for {label} off (below)", stretch=True)
    frame.caption(model=state.model(), layer=layer, seeds=range(start, start + LIVE), units=len(units))


def row_sheet(model: str, layer: str, units: tuple[int, ...], start: int) -> bytes:
    generator = state.generator(model)
    with interactive():
        pairs = [probe.switched_off(generator, seed, layer, units) for seed in range(start, start + LIVE)]
    tiles = [gallery.fitted(p, TILE) for p in (*(b for b, _ in pairs), *(a for _, a in pairs))]
    return gallery.png(gallery.sheet(tiles, LIVE, background=128))


# --- the page ---------------------------------------------------------------------------------------------------------------
frame.begin("Causes", "Find the units that **cause** a class, not only those that agree with it, and see what removing or "
                      "inserting them does.")
goto = state.get("causes.goto")
if goto is not None:
    state.drop("causes.goto")
    st.switch_page("pages/units.py", query_params={"unit": str(goto)})

found = pickers.dissected(state.model(), state.layer())
ready = [name for name in measured() if any(x.name == name for x in found.labels)]
names = [*dict.fromkeys([*(b for b in BRUSHES if b in ready), *sorted(ready), *pickers.names_by_units(found)])]
one, two, three = st.columns([3, 3, 4], vertical_alignment="bottom")
with one:
    name = pickers.label(found, default=ready[0] if "tree" not in ready and ready else "tree", only=names)
presets = found_presets(name)
alone = found_single()
if not presets:
    done = f" Measured already: {', '.join(ready)}." if ready else ""
    st.info(f"What causes **{frame.escape(name)}** in {frame.escape(state.layer())} has not been measured yet. The measurement "
            "learns how much each unit matters, switches units off one by one, and tests the order against IoU and chance on "
            f"pictures it has not seen.{done}", icon=":material/science:")
    offer(name, "quick")
    if not two_segmenters(state.model()):
        st.caption("This model has one segmenter only: it would both choose the units and score them.")
    if alone is not None and single_effect(alone, name) is not None:
        alone_only(found, alone, name)
    st.stop()

setting = next(iter(presets))
if len(presets) > 1:
    setting = st.segmented_control("Learned with the constants of", list(presets), default=setting, required=True, key="learned",
                                   bind="query-params", help="quick: fewer pictures, larger places, the default. code: as in the "
                                                             "published program. paper: as in the paper.")
learned, curves = presets[setting]
kinds = [title for title, kind in ORDERS.items() if kind in curves.orders]
with two:
    order = ORDERS[st.selectbox("Units ordered by", kinds, key="order", bind="query-params")]
with three:
    counts = list(curves.counts)
    n = int(st.select_slider("Number of units", counts, 20 if 20 in counts else counts[-1], key="n", bind="query-params"))
headline(curves, order, n)
curve_charts(curves)

st.header("The units", anchor=False)
left, right = st.columns(2, gap="large")
with left:
    chosen = unit_table(found, curves, learned, alone, order, n)
with right:
    scatter(found, learned, alone)
use(found, name, order, chosen, learned)
how = learned.run.params
frame.caption(model=state.model(), layer=found.layer, class_=name, preset=how["preset"], learned=learning(how), chosen_by=how["segmenter"],
              single_effects=f"{alone.seeds[1] - alone.seeds[0]} pictures" if alone else "not measured")

st.header("What else happens", anchor=False)
left, right = st.columns(2, gap="large")
with left:
    st.subheader("Side effects", anchor=False)
    side_effects(curves, order, n)
with right:
    st.subheader("Where it can appear", anchor=False)
    context = found_context(learned)
    if context is not None:
        context_table(context)
    else:
        st.caption("Not measured for this class.")

st.header("Look at other pictures", anchor=False)
if st.toggle(f"Switch off the {n} chosen units on pictures of your own choice", key="live"):
    try_out(chosen, name, found.layer)

if len(presets) > 1:
    st.header("Does it depend on the constants?", anchor=False)
    constants(presets)

with st.expander("Measure again, or with the published constants"):
    preset = st.selectbox("Constants", list(causal.PRESETS), key="preset")
    offer(name, preset, again=True)
