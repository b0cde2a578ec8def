"""Measured evidence of the compare page: the benchmark with known holes, and the report's table filled by measurement."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core import benchmark, compare, inpaint, metrics, removals, zoo
from core.benchmark import BINS, Benchmark, Interval
from core.errors import GanLabError
from core.inpaint import holes
from core.jobs import Report
from core.removals import Removals
from pages.parts import charts, colours, frame, gallery, job_panel, pickers, state

SHOWN = ("hole_psnr", "hole_ssim", "hole_mae", "gmsd", "texture", "seam")
ANY = "all"
SMALL = benchmark.Plan(benchmark.default_methods(), size=128, scenes=4, photos=benchmark.PHOTOS[:4])
COLUMNS = (compare.GAN, compare.GAN_COMPOSITE, "patchmatch", "telea")
EFFECT, OUTSIDE, COMPUTING = "Effect: removed from the hole", "Changed outside", "Time: computing"


# --- known holes ------------------------------------------------------------------------------------------------------------
def known_holes() -> None:
    """Holes cut into intact pictures: how near each fill is to what was there, and which scores to believe."""
    try:
        found = benchmark.load(state.store())
    except GanLabError as error:
        frame.failed(error, "The stored benchmark cannot be read")
        return
    if found is None:
        st.info("No benchmark is stored yet. It cuts holes into intact pictures, lets every method fill them, and compares with "
                "what was there.", icon=":material/straighten:")
        job_panel.show(SMALL.run().key, "Measure known holes", _measure, button="Measure", note="A small one: about two minutes.")
        return
    st.markdown("Where the truth is known: holes are cut into intact pictures, filled without seeing what was there, and "
                "compared with it. **Removal is another matter:** there the old object is not the truth, and no such score "
                "exists.")
    lesson(found)
    st.subheader("Every method, by size and kind of hole", anchor=False)
    kind, bin, source = chosen()
    scores(found, kind=kind, bin=bin, source=source)
    left, right = st.columns(2, gap="large")
    with left:
        duels(found, kind=kind, bin=bin, source=source)
    with right:
        worst(found)
    plan = found.plan
    frame.caption(pictures=", ".join(plan.pictures), holes=len(found.cases), size=f"{plan.size} px", machine=found.machine,
                  measured=found.created, command="python -m core inpaint bench")


def _measure(report: Report) -> None:
    benchmark.measure(SMALL, store=state.store(), report=report)


def chosen() -> tuple[str, int, str]:
    """Kind of hole, size bin, source of pictures; "" and -1 = all."""
    with st.container(horizontal=True, gap="medium"):
        sizes = {ANY: -1, **{f"{low:.0%} to {high:.0%}": i for i, (low, high) in enumerate(BINS)}}
        size = st.segmented_control("Hole, of the picture", list(sizes), default=ANY, key="holes.bin", required=True)
        kind = st.segmented_control("Shape", [ANY, *holes.KINDS], default=ANY, key="holes.kind", required=True)
        source = st.segmented_control("Pictures", [ANY, "photos", "scenes"], default=ANY, key="holes.source", required=True)
    return "" if kind in (None, ANY) else kind, sizes[size or ANY], "" if source in (None, ANY) else source


def title(name: str) -> str:
    """A method's title."""
    return compare.title(name) if name in inpaint.REGISTRY or name in compare.TITLES else name


def short(name: str) -> str:
    """A method's title where there is little room."""
    return title(name).replace("PatchMatch, radius ", "PM ").replace("Navier–Stokes", "N–S")


def lesson(found: Benchmark) -> None:
    """PSNR and SSIM reward fog: two rankings of the same fills, and one hole to look at."""
    st.subheader("Which score would you believe?", anchor=False)
    by_psnr, by_ssim, by_texture = orders = [benchmark.order(found, k) for k in ("hole_psnr", "hole_ssim", "texture")]
    if any("harmonic" not in names for names in orders):
        return
    at = [names.index("harmonic") + 1 for names in orders]
    best = next((m for m in by_texture if m.startswith("patchmatch")), by_texture[0])
    st.markdown(f"The harmonic fill is fog: the smoothest surface that fits the edge. Over the same {len(found.cases)} holes it "
                f"is **number {at[0]} of {len(by_psnr)} by PSNR, number {at[1]} by SSIM** and **number {at[2]} by texture**; "
                f"{title(best)} is number {by_psnr.index(best) + 1}, {by_ssim.index(best) + 1} and {by_texture.index(best) + 1}. "
                "Scores that compare pixel by pixel prefer the mean of all possible fills to one good fill in another place. No "
                "single number orders these methods.")
    example(found, best)
    left, right = st.columns(2, gap="large")
    for place, metric in ((left, "hole_ssim"), (right, "texture")):
        with place:
            _bars(found, metric)


def example(found: Benchmark, best: str) -> None:
    """One hole on which SSIM prefers the fog, to look at."""
    number = benchmark.telling(found, "harmonic", best)
    if number is None:
        return
    names = ("harmonic", best)
    holed, *made = state.remember("holes.example", (found.run.key, number, best),
                                   lambda: benchmark.fills(found.plan, found.cases[number], names))
    one, two, three = st.columns(3, gap="medium")
    with one:
        gallery.show(holed, f"The hole, in {found.cases[number].picture}", side=256)
    for place, name, fill in zip((two, three), names, made, strict=True):
        with place:
            ssim, texture = (found.values(name, k)[number] for k in ("hole_ssim", "texture"))
            gallery.show(fill, f"{title(name)}: SSIM {ssim:.2f}, texture {texture:.2f}", side=256)


def _bars(found: Benchmark, metric: str) -> None:
    table = benchmark.summary(found, metric)
    names = benchmark.order(found, metric)
    shades = [charts.ACCENT if m == "harmonic" else colours.CATEGORY_COLOURS["object"] if m.startswith("patchmatch")
              else charts.NEUTRAL for m in names]
    what = metrics.REGISTRY[metric]
    figure = charts.bars([title(m) for m in names], [table[m].median for m in names], colours=shades, horizontal=True,
                         x_title=f"{what.title} (median)", text=[f"{table[m].median:.2f}" for m in names], height=300)
    figure.update_xaxes(range=[0, 1.18 * max(table[m].median for m in names)])
    if what.better == "one":
        charts.mark(figure, 1.0, "right", colour=charts.NEUTRAL, dash="dot")
    charts.show(figure, f"holes.bars.{metric}", alt=f"Methods from best to worst by {what.title}: {', '.join(map(title, names))}")


def scores(found: Benchmark, **where: Any) -> None:
    """Medians with intervals, a row a method."""
    rows = benchmark.as_rows(found, (*SHOWN, "cpu"), **where)
    told = [{"Method": title(r["method"]), **{_head(k): _cell(r, k) for k in (*SHOWN, "cpu")}, "holes": r.get("n", 0)}
            for r in rows]
    help = {_head(k): st.column_config.TextColumn(help=metrics.REGISTRY[k].meaning) for k in SHOWN}
    st.dataframe(pd.DataFrame(told), hide_index=True, column_config=help)
    st.caption("Median [95 % interval, bootstrapped over pictures]. Pictures differ far more than methods: overlapping "
               "intervals do not mean equal methods, since every method filled the same holes. The duels below use that. Compute: "
               f"processor time, the median of {benchmark.RUNS} runs after a warm-up, on every third hole.")
    st.download_button("CSV", pd.DataFrame(rows).to_csv(index=False), file_name="known-holes.csv", mime="text/csv",
                       key="holes.csv", icon=":material/download:")


def _head(name: str) -> str:
    if name == "cpu":
        return "Compute, s"
    metric = metrics.REGISTRY[name]
    arrow = {"higher": " ↑", "lower": " ↓", "one": " → 1"}[metric.better]
    return metric.title.removesuffix(" in the hole") + (f", {metric.unit}" if metric.unit not in ("", "×") else "") + arrow


def _cell(row: dict[str, Any], name: str) -> str:
    if name not in row:
        return "–"
    digits = 2 if name == "cpu" else metrics.REGISTRY[name].digits
    return f"{row[name]:.{digits}f} [{row[name + ' low']:.{digits}f}, {row[name + ' high']:.{digits}f}]"


def duels(found: Benchmark, **where: Any) -> None:
    """Pairwise wins on the same hole."""
    st.subheader("Duels on the same hole", anchor=False)
    metric = st.selectbox("Score", SHOWN, format_func=lambda k: metrics.REGISTRY[k].title, index=4, key="holes.metric")
    won = benchmark.wins(found, metric, **where)
    if not won.n:
        st.info("No hole of this kind has that score.", icon=":material/filter_alt_off:")
        return
    names = [short(m) for m in won.methods]
    sure = won.sure()
    cells = [[("" if i == j else f"{100 * won.share[i, j]:.0f}" + ("" if sure[i, j] else " ·")) for j in range(len(names))]
             for i in range(len(names))]
    figure = go.Figure(go.Heatmap(z=won.share, x=names, y=names, zmin=0, zmax=1, text=cells, texttemplate="%{text}", xgap=2,
                                  ygap=2, colorscale=[[0, "#D1495B"], [0.5, "#8A8A93"], [1, "#3E8E7E"]], showscale=False,
                                  hovertemplate="%{y} beats %{x} on %{z:.0%} of the holes<extra></extra>"))
    figure.update_layout(height=400, margin={"l": 8, "r": 8, "t": 8, "b": 8}, paper_bgcolor="rgba(0,0,0,0)",
                         plot_bgcolor="rgba(0,0,0,0)", font_size=14)
    figure.update_traces(textfont={"size": 14, "color": "#FFFFFF"})
    figure.update_yaxes(autorange="reversed", automargin=True, tickfont_size=14)
    figure.update_xaxes(automargin=True, tickangle=-35, side="top", tickfont_size=14)
    charts.show(figure, "holes.duels", alt=f"How often each method beats each other by {metrics.REGISTRY[metric].title}")
    st.caption(f"Row beats column on this percentage of {won.n} holes (PM: PatchMatch, N–S: Navier–Stokes). A dot: the 95 % interval "
               "includes one half, so it may be chance.")


def worst(found: Benchmark) -> None:
    """The five holes where a method is furthest behind the best one."""
    st.subheader("The five worst of a method", anchor=False)
    method = st.selectbox("Method", found.plan.methods, format_func=title, key="holes.worst",
                          index=list(found.plan.methods).index("patchmatch") if "patchmatch" in found.plan.methods else 0)
    st.caption("Truth, hole, fill: where it is furthest behind the best method, by mean absolute error.")
    for case, strip in found.worst(method):
        low, high = BINS[case.bin]
        gallery.show(strip, f"{case.picture}, {case.kind}, {low:.0%} to {high:.0%} of the picture", side=480)


# --- the report's table -----------------------------------------------------------------------------------------------------
def report_table() -> None:
    """The student report's three rows, extended and filled by measurement."""
    st.markdown("The report compared by eye on four photos: Photoshop's content-aware fill (“5 to 10 minutes”) against the GAN "
                "(“under 10 seconds”). That mixes a person's time with computing, and leaves out what comes once. Here the same "
                "table, measured: medians over many pictures, with a judge that took no part in choosing the units.")
    model = state.model()
    try:
        found = removals.load(state.store(), model, generator=zoo.fingerprint(model))
        holes_found = benchmark.load(state.store())
    except GanLabError as error:
        frame.failed(error, "The stored measurements cannot be read")
        return
    if found is None:
        st.info("Removal has not been measured for this model yet. `python -m core inpaint removals` does it, or here, small:",
                icon=":material/table_view:")
        job_panel.show(f"removals:{model}:{state.layer()}", f"Measure removal on {model}", _study(model, state.layer()),
                       button="Measure", note="Five classes on 16 pictures: some minutes.")
    told = [_photoshop(), *(_row(name, found) for name in COLUMNS)]
    st.table(pd.DataFrame({row.pop("Method"): row for row in told}))
    if found is not None:
        read_off(found)
        with st.expander("All methods and controls", icon=":material/table_rows:"):
            rows = [_row(name, found) for name in found.study.names]
            st.dataframe(pd.DataFrame(rows)[["Method", EFFECT, OUTSIDE, "Seam", "Texture", COMPUTING]], hide_index=True)
            st.caption("Median [95 % over seeds]. Random units and the untouched picture are controls: what any change, and none, scores. "
                       f"Computing: processor time, the median of {removals.RUNS} runs after a warm-up.")
            realism(found)
    if found is not None:
        by_class(found)
        study = found.study
        frame.caption(model=study.model, layer=study.layer, seeds=range(study.seeds), holes=len(found.seeds), units=study.units,
                      classes=", ".join(study.labels), measured=found.created, machine=found.machine,
                      command="python -m core inpaint removals")
    st.markdown("Filling touches nothing else and works on any photo; it can only take away. The generator is the only one that can "
                "*add*: a door, a tree, a dome. It works on pictures it can draw itself, redraws more than was asked unless it is "
                "composited, and stands on hours of training and a dissection.")
    if holes_found is not None:
        st.caption(f"How good the fills are where the truth is known: the tab before this one ({len(holes_found.cases)} holes).")
    pickers.go("paint", "Add something, which no fill can")


def read_off(found: Removals) -> None:
    """What the measurement says, in words made from its numbers."""
    gan, control, fog = (found.interval(n, "removal") if n in found.study.names else None
                         for n in (compare.GAN_COMPOSITE, compare.GAN_RANDOM, "harmonic"))
    said = []
    if gan is not None and control is not None:
        said.append(f"Switching the class's units off removes {gan.median:.0f} % of what the judge saw in the hole; as many random "
                    f"units remove {control.median:.0f} %.".replace("-", "−"))
        said.append("So these units do carry the class." if gan.low > control.high else "The intervals overlap: in this layer the "
                    "units cannot be told from random ones.")
        if fog is not None and fog.median > gan.median:
            said.append("Any fill removes more.")
    if fog is not None:
        said.append(f"Removal alone is no measure of quality either: fog (the harmonic fill) removes {fog.median:.0f} %, and its "
                    "texture gives it away.")
    if said:
        st.markdown(" ".join(said))


def realism(found: Removals) -> None:
    """How like the generator's own pictures without the class the results are; says why, where that is not known."""
    study = found.study
    told = [n for n, column in enumerate(found.realism.T) if np.isfinite(column).any()]
    if not told:
        most = max(int((found.label_of == n).sum()) for n in range(len(study.labels)))
        st.caption(f"Realism (a kernel distance between sets of pictures) says nothing with few: it is told from {removals.REALISTIC} "
                   f"holes of a class, and here are {most} at most. `python -m core inpaint removals --seeds 2000` measures more.")
        return
    rows = [{"Method": title(m), **{study.labels[n]: found.realism[i, n] for n in told}} for i, m in enumerate(study.names)]
    st.markdown("**Realism:** kernel distance (KID's, on the judge's features) to pictures the generator drew without the class. "
                "Lower is nearer.")
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _study(model: str, layer: str) -> Callable[[Report], None]:
    def work(report: Report) -> None:
        removals.of_model(state.store(), model, layer, seeds=16, report=report)
    return work


DRAWBACKS = {
    compare.GAN: "Redraws the whole picture; only what the generator can draw; something may take the thing's place.",
    compare.GAN_COMPOSITE: "Only what the generator can draw; an edge may show where the redrawn part ends.",
    compare.GAN_RANDOM: "Control: what any units do.",
    compare.BEFORE: "Control: what the judge says of an untouched picture.",
    "patchmatch": "Copies what is there: cannot invent; may bend lines or copy a thing you do not want.",
    "patchmatch5": "As radius 3; slower, larger structures hold.",
    "patchmatch7": "As radius 3; slowest, lines stay straight.",
    "telea": "Blur and creases in large holes.",
    "navier-stokes": "Blur in large holes.",
    "biharmonic": "Overshoots to dark and light stains in large holes.",
    "harmonic": "Fog.",
    "lama": "Invents what its training pictures (Places2) suggest; a file of your own, made for research.",
    "migan": "Invents what its training pictures (Places2) suggest, at 512 px; a file of your own, made for research.",
}


def _row(name: str, found: Removals | None) -> dict[str, str]:
    gan, control = name in compare.GANS, name == compare.BEFORE
    return {"Method": title(name), EFFECT: _told(found, name, "removal", 0, " %"), "Drawback": DRAWBACKS.get(name, ""),
            "Time: a person": "–" if control else "seconds: pick a class or paint a stroke",
            COMPUTING: _told(found, name, "cpu", 3, " s"), "Time: once": _once() if gan else "–" if control else "none",
            OUTSIDE: _told(found, name, "collateral", 1, " %"), "Seam": _told(found, name, "seam", 2),
            "Texture": _told(found, name, "texture", 2), "Can add things": "yes" if gan else "no",
            "Needs a mask": "no: units can act everywhere" if gan else "yes",
            "Any photo": "no: only its own world (see Photo)" if gan else "yes"}


def _photoshop() -> dict[str, str]:
    return {"Method": "Photoshop (report, 2019)", EFFECT: "judged by eye on four photos", "Drawback": "Debris, stains and ghosts "
            "where the selection was tight.", "Time: a person": "5 to 10 min", COMPUTING: "seconds", "Time: once": "a licence",
            OUTSIDE: "JPEG noise only", "Seam": "–", "Texture": "0.71 to 1.46 on those photos", "Can add things": "no",
            "Needs a mask": "yes", "Any photo": "yes"}


def _once() -> str:
    """Training cannot be read off here; the dissection's own seconds can."""
    found = state.dissection(state.model(), state.layer())
    saved = state.store().get(found.run.key) if found is not None else None
    return "training (hours)" + (f", dissection {saved.manifest['seconds'] / 60:.0f} min" if saved is not None else "")


def _told(found: Removals | None, name: str, metric: str, digits: int, unit: str = "") -> str:
    value: Interval | None = found.interval(name, metric) if found is not None and name in found.study.names else None
    if value is None:
        return "–"
    if np.isclose(value.low, value.high, atol=0.5 * 10**-digits):
        return f"{value.median:.{digits}f}{unit}"
    return f"{value.median:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]{unit}"


def by_class(found: Removals) -> None:
    """Removal success class by class: methods side by side."""
    st.subheader("Removed, class by class", anchor=False)
    shown = {compare.GAN: charts.ACCENT, compare.GAN_COMPOSITE: "#E79AA5", "patchmatch": colours.CATEGORY_COLOURS["object"],
             "telea": charts.NEUTRAL, compare.GAN_RANDOM: "#C9C9D0"}
    figure = charts.base("", "removed, % (median)", height=340)
    figure.update_layout(barmode="group")
    for name, colour in shown.items():
        if name in found.study.names:
            values = [found.interval(name, "removal", x) for x in found.study.labels]
            figure.add_bar(x=list(found.study.labels), y=[v.median if v else None for v in values], name=title(name),
                           marker_color=colour)
    counts = {x: int((found.label_of == i).sum()) for i, x in enumerate(found.study.labels)}
    charts.show(figure, "removals.classes", alt="Removal success of each method for each class")
    st.caption("Holes: " + ", ".join(f"{name} {n}" for name, n in counts.items()) + ". What is left over after a fill is what "
               "the judge still takes for the class.")
