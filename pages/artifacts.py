"""Units that spoil pictures: the automatic list, a person's ticks, what switching them off does, and the cleaned model."""
from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from core import artifacts, zoo
from core.artifacts import ArtifactScores, Quality, figures, reference
from core.artifacts.examine import SUSPECTS, examine, try_without
from core.dissect import Dissection
from core.errors import GanLabError
from core.jobs import Report
from core.units import UnitSet
from pages.parts import charts, frame, gallery, job_panel, pickers, state

A_PAGE, TILE, TILES, BIG, ROW = 20, 128, 3, 128, 4
NAMES = {"Fréchet": "frechet", "kernel": "kernel", "precision": "precision", "recall": "recall", "FID": "fid"}
SHOWN = {"with these units most on": "worst", "random pictures": "random"}
SET = "artifact units"      # the name under which ticked units go into the basket
DIGITS = {"frechet": 2, "kernel": 3, "precision": 3, "recall": 3, "fid": 1}


def found_scores() -> ArtifactScores | None:
    read = partial(artifacts.load_scores, state.store(), state.model(), state.layer())
    return state.stored("artifacts", state.model(), (state.layer(),), read)


def found_quality(units: tuple[int, ...] | None) -> Quality | None:
    """The test of exactly these units, or of whatever set was tested last (None)."""
    read = partial(artifacts.load_quality, state.store(), state.model(), state.layer(), units)
    return state.stored("quality", state.model(), (state.layer(), units), read) if units != () else None


# --- ticks ------------------------------------------------------------------------------------------------------------------
def key(name: str) -> str:
    return f"artifacts.{name}.{state.model()}.{state.layer()}"


def ticked(s: ArtifactScores) -> tuple[int, ...]:
    """Units this visitor holds to be artifact units; at first the automatic list, or the set that was tested last."""
    chosen = state.get(key("ticks"))
    if chosen is None:
        chosen = automatic(s)
        tested = found_quality(chosen) or found_quality(None)
        chosen = tested.units if tested is not None else chosen
    return tuple(sorted(chosen))


def automatic(s: ArtifactScores) -> tuple[int, ...]:
    """The most suspicious units, as many as are switched off at first."""
    return tuple(sorted(s.top(min(SUSPECTS, len(s.order) // 4))))


def tick(s: ArtifactScores, units: tuple[int, ...], on: bool) -> None:
    now = set(ticked(s))
    state.put(key("ticks"), tuple(sorted(now | set(units) if on else now - set(units))))


def judge_unit(s: ArtifactScores, unit: int, bad: bool) -> None:
    tick(s, (unit,), bad)
    state.put(key("judged"), (*state.get(key("judged"), ()), unit))
    step(s, 1)


def step(s: ArtifactScores, by: int) -> None:
    state.put(key("at"), (state.get(key("at"), 0) + by) % len(s.order))


# --- measuring --------------------------------------------------------------------------------------------------------------
def run_examine(model: str, layer: str, report: Report) -> None:
    report(0, 1, "opening the models")
    examine(model, layer, store=state.store(), report=report)


def run_quality(model: str, layer: str, units: tuple[int, ...], report: Report) -> None:
    report(0, 1, "opening the models")
    try_without(model, layer, units, store=state.store(), report=report)


# --- outcome ----------------------------------------------------------------------------------------------------------------
def outcome(q: Quality) -> None:
    """The answer in a sentence, the figure with its control, and pictures."""
    before, after = q.untouched("frechet"), q.off("frechet")
    mean, low, high = q.random("frechet")
    verdict = "get better" if after < before else "do not get better"
    control = "better than with every random choice" if after < low else "worse than with every random choice" if after > high else \
        "no different from random choices"
    st.markdown(f"With these **{len(q.units)}** units off, the Fréchet distance to real pictures goes from {before:.2f} to "
                f"**{after:.2f}**; with as many random units off it is {mean:.2f} ({low:.2f} to {high:.2f}; {q.images} pictures a set). "
                f"Lower is better: the pictures **{verdict}**; that is {control}.")
    left, right = st.columns(2, gap="large")
    with left:
        known = [title for title, name in NAMES.items() if name in q.names]
        name = NAMES[st.segmented_control("Figure", known, default=known[0], required=True, key="figure",
                                          label_visibility="collapsed")]
        charts.show(figures.quality_figure(q, name), key="quality", alt=quality_text(q, name))
    with right:
        which = SHOWN[st.segmented_control("Pictures", list(SHOWN), default=next(iter(SHOWN)), required=True, key="pictures_shown",
                                           label_visibility="collapsed")]
        rows = [gallery.fitted(p, BIG) for when in ("before", "after") for p in q.pictures(which, when)[:ROW]]
        gallery.show(gallery.png(gallery.sheet(rows, min(ROW, len(rows) // 2), background=128)), stretch=True,
                     alt=f"Pictures untouched (above) and with {len(q.units)} units off (below)")
        seeds = ", ".join(map(str, q.seeds[which][:ROW].tolist()))
        st.caption(f"Above: untouched. Below: {len(q.units)} units off. Seeds {seeds}.")
    frame.caption(model=state.model(), layer=q.layer, pictures=f"{q.images} a set from seed {q.run.params['seeds'][0]}",
                  real_pictures=q.reals, random_draws=q.draws, scored_by=q.run.params["scorer"],
                  most_on=f"the {q.images} of {q.run.params['seeds'][1] - q.run.params['seeds'][0]} pictures in which these units are most "
                          "active")
    with st.expander("All figures"):
        table = pd.DataFrame(q.table())
        st.dataframe(table, hide_index=True)
        st.download_button("As CSV", table.to_csv(index=False), "quality.csv", "text/csv", icon=":material/download:")


def quality_text(q: Quality, name: str) -> str:
    digits = DIGITS[name]
    return f"{figures.NAMES[name]}: untouched {q.untouched(name):.{digits}f}, units off {q.off(name):.{digits}f}, " \
           f"random units off {q.random(name)[0]:.{digits}f}, real against real {q.real[name]:.{digits}f}"


def test_this(s: ArtifactScores, units: tuple[int, ...]) -> None:
    """What is known of the ticked set, or the job that finds out."""
    known = found_quality(units)
    if known is not None:
        outcome(known)
        return
    if not units:
        st.info("No unit is ticked. Tick some below, and see what switching them off does.", icon=":material/check_box:")
        return
    if not reference.source(state.model()):
        st.info(f"There are no real pictures of this kind to compare with, so nothing can be scored. Put at least 500 into "
                f"`{reference.folder(state.model()).name}` below the cache folder `real`, and this page will use them.",
                icon=":material/image_search:")
        return
    st.markdown(f"**{len(units)}** units are ticked. What switching them off does to quality has not been measured for this set.")
    job_panel.show(f"quality:{state.model()}:{s.layer}:{','.join(map(str, units))}", f"Test {len(units)} units off",
                   partial(run_quality, state.model(), s.layer, units), button="Test these units", again=True,
                   note="About 6 minutes on one core: pictures with these units off, and with as many random ones, ten times.")
    other = found_quality(automatic(s)) or found_quality(None)
    if other is not None:
        st.subheader(f"Measured for {'the automatic list' if other.units == automatic(s) else 'another set'}", anchor=False)
        outcome(other)


# --- review -----------------------------------------------------------------------------------------------------------------
def strip(d: Dissection, unit: int, count: int, tile: int) -> bytes | None:
    pictures = state.pictures(state.model())
    if pictures is None:
        return None

    def make() -> bytes:
        rank = {int(s): k for k, s in enumerate(d.top_seeds[unit])}
        seeds = [s for s in rank if pictures.has(s)][:count]
        images, acts = [pictures.image(s) for s in seeds], [d.top_acts[unit, rank[s]] for s in seeds]
        return gallery.strip_bytes(images, acts, float(d.levels[unit]), tile=tile)

    return state.remember("artifact-strip", (d.run.key, unit, count, tile), make)


@st.fragment
def one_by_one(d: Dissection, s: ArtifactScores) -> None:
    """One unit at a time with keys, most suspicious first."""
    at = int(state.get(key("at"), 0))
    unit, chosen = int(s.order[at]), ticked(s)
    judged = len(set(state.get(key("judged"), ())))
    st.markdown(f"**Unit {unit}**, number {at + 1} of {len(s.order)} · {'ticked' if unit in chosen else 'not ticked'} · "
                f"{len(chosen)} ticked, {judged} looked at")
    picture = strip(d, unit, 8, BIG)
    if picture is not None:
        gallery.show(picture, alt=f"Pictures that drive unit {unit} most, active region outlined", stretch=True)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Spoils pictures", key="bad", icon=":material/thumb_down:", shortcut="J", on_click=judge_unit,
                  args=(s, unit, True))
        st.button("Fine", key="fine", icon=":material/thumb_up:", shortcut="K", on_click=judge_unit, args=(s, unit, False))
        st.button("Back", key="back", icon=":material/arrow_back:", shortcut="B", on_click=step, args=(s, -1))
        st.markdown(" · ".join(f"{name} {values[unit]:.2f}" for name, values in s.parts.items()))
    if st.button("Use these ticks above", key="use_ticks", icon=":material/arrow_upward:", type="tertiary"):
        st.rerun()


def listed(d: Dissection, s: ArtifactScores) -> None:
    """All units, most suspicious first, with a tick each."""
    order = [int(u) for u in s.order]
    pages = -(-len(order) // A_PAGE)
    number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    chosen = ticked(s)
    with st.container(horizontal=True, gap="medium"):
        for place, unit in list(enumerate(order))[(number - 1) * A_PAGE:number * A_PAGE]:
            with st.container(width=TILE * TILES + 12, gap="xsmall"):
                picture = strip(d, unit, TILES, TILE)
                if picture is not None:
                    st.image(picture, alt=f"Pictures that drive unit {unit} most, active region outlined")
                on = unit in chosen
                label = d.best(unit)[0].name
                st.checkbox(f"{place + 1}. unit {unit} · score {s.score[unit]:.2f} · nearest class {label}", value=on,
                            key=f"tick.{s.layer}.{unit}.{on}", on_change=tick, args=(s, (unit,), not on))


def review(d: Dissection, s: ArtifactScores) -> None:
    st.header("Which units are these?", anchor=False)
    meaning = "; ".join(f"**{name}**: {artifacts.MEANING[name]}" for name in artifacts.SCORES)
    real = {"own": "the model's own ordinary pictures, as there are no real ones here", "scenes": "painted scenes",
            "folder": "the pictures in your folder"}.get(s.reference, "the pictures given")
    st.markdown(f"The list is automatic, by the mean rank of realism and repair ({meaning}). Real means {real}. Untick what looks "
                "fine, tick what does not.")
    view = st.segmented_control("View", ["All units", "One by one"], default="All units", required=True, key="view",
                                bind="query-params", label_visibility="collapsed")
    if view == "One by one":
        st.caption("Keys: J spoils pictures, K fine, B back. The authors of the method went through 512 units in ten minutes.")
        one_by_one(d, s)
    else:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            k = int(st.number_input("Tick the first", 1, max(1, len(s.order) // 2), min(SUSPECTS, len(s.order) // 4), key="first",
                                    width=160))
            st.button("Tick exactly these", key="tick_first", on_click=only, args=(s, s.top(k)))
            st.button("Untick all", key="untick", on_click=only, args=(s, ()))
            for number, item in enumerate(state.basket_here()):
                if item.name != SET:
                    st.button(f"Tick {len(item.units)} of the basket: {item.name}", key=f"tick_set.{number}", on_click=only,
                              args=(s, item.units), icon=":material/shopping_basket:")
        listed(d, s)
    frame.caption(model=state.model(), layer=s.layer, pictures=s.images, real=s.reference, strongest=f"{s.tops.shape[1]} a unit",
                  features_of=s.run.params["segmenter"])


def only(s: ArtifactScores, units: tuple[int, ...]) -> None:
    state.put(key("ticks"), tuple(sorted(u for u in units if u < len(s.order))))


# --- the cleaned model ------------------------------------------------------------------------------------------------------
def keep(d: Dissection, units: tuple[int, ...]) -> None:
    st.header("Keep the cleaned model", anchor=False)
    st.markdown("Saved under a name, the model with these units off is a choice of model on every page.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", f"{state.model()}-cleaned", key="clean_name", max_chars=40)
        if st.button("Save", key="save", icon=":material/save:", disabled=not units):
            try:
                artifacts.save_cleaned(state.store(), name.strip(), state.model(), d.layer, units)
                st.toast(f"{name} is now in the list of models")
                state.put("artifacts.saved", name.strip())
                st.rerun()
            except GanLabError as error:
                frame.failed(error, "Not saved")
        if st.button(f"Add {len(units)} units to the basket", key="to_basket", icon=":material/shopping_basket:",
                     disabled=not units):
            state.add_to_basket(UnitSet(SET, state.model(), d.layer, units))
            st.toast(f"{len(units)} units are in the basket")
    saved = state.get("artifacts.saved")
    if saved in zoo.names():
        st.success(f"{frame.escape(saved)} is in the list of models.", icon=":material/check:")
        st.button(f"Switch to {saved}", key="switch", on_click=state.choose, kwargs={"model": saved})
    for item in artifacts.cleaned(state.store()).values():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{frame.escape(item.name)}**: {frame.escape(item.base)} with {len(item.units)} units of "
                        f"{frame.escape(item.layer)} off", width="stretch")
            if st.button("Delete", key=f"delete.{item.name}", type="tertiary", icon=":material/delete:"):
                artifacts.delete_cleaned(state.store(), item.name)
                st.rerun()


# --- the page ---------------------------------------------------------------------------------------------------------------
frame.begin("Artifacts", "Find the units that spoil pictures, switch them off, and see whether the pictures get better.")
dissection = pickers.dissected(state.model(), state.layer())
scores = found_scores()
if scores is None:
    st.info(f"The units of **{frame.escape(state.layer())}** have not been examined yet. For every unit, the pictures that drive "
            "it most are compared with real ones, with the unit on and off.", icon=":material/healing:")
    job_panel.show(f"artifacts:{state.model()}:{state.layer()}", f"Examine the units of {state.layer()}",
                   partial(run_examine, state.model(), state.layer()), button="Examine this layer", again=True,
                   note="About 6 minutes on one core.")
    st.stop()
units = ticked(scores)
test_this(scores, units)
review(dissection, scores)
keep(dissection, units)
