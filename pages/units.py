"""Find a unit by what it draws; look at one in full; compare several; ask which units are active in a region."""
from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import probe, survey
from core.dissect import Dissection, Pictures
from core.errors import GanLabError
from core.image import encode, resize
from core.jobs import interactive
from pages.parts import canvas, charts, colours, frame, gallery, pickers, state

A_PAGE, REGION_UNITS, TILES, TILE, FIELD, PAIRS = 24, 12, 3, 128, 168, 4
VIEWS = ("Units", "Region", "Tray")


def label_of(d: Dissection, cut: survey.Cut, unit: int) -> tuple[str, str, float, bool]:
    """(label, category, IoU, over the cut) of a unit's best label."""
    label, iou = d.best(unit)
    return label.name, label.category, iou, bool(survey.passing(d, cut)[unit])


def strip(d: Dissection, pictures: Pictures, unit: int, count: int = TILES) -> bytes:
    """JPEG strip of the unit's top images with the activated region outlined."""
    def make() -> bytes:
        seeds = [int(s) for s in d.top_seeds[unit] if pictures.has(int(s))][:count]
        rank = {int(s): k for k, s in enumerate(d.top_seeds[unit])}
        return gallery.strip_bytes([pictures.image(s) for s in seeds], [d.top_acts[unit, rank[s]] for s in seeds],
                                   float(d.levels[unit]), tile=TILE)
    return state.remember("strip", (d.run.key, d.threshold, unit, count, TILE), make)


def open_unit(unit: int | None, page: int = 0) -> None:
    state.put("unit", unit)
    if page:
        state.put("page", page)


def verdict(name: str, category: str, iou: float, passes: bool) -> str:
    """What a unit is called, in markdown; a unit under the cut has no label."""
    return f"**{frame.escape(name)}** · {category} · IoU {iou:.3f}" if passes else \
        f"**no label** · nearest: {frame.escape(name)}, IoU {iou:.3f}"


# --- all units --------------------------------------------------------------------------------------------------------------
def grid(d: Dissection, pictures: Pictures | None, cut: survey.Cut) -> None:
    wanted = filters(d, cut, st.container(horizontal=True, vertical_alignment="bottom", gap="small"))
    units = survey.select(d, cut, wanted)
    if not units:
        st.info("No unit passes these filters. Widen them, or include units that match only partly.",
                icon=":material/filter_alt_off:")
        return
    pages = -(-len(units) // A_PAGE)
    number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    first = (min(number, pages) - 1) * A_PAGE
    shown = units[first:first + A_PAGE]
    with st.container(horizontal=True, gap="medium"):
        for unit in shown:
            card(d, pictures, cut, unit, wanted)
    frame.caption(model=state.model(), layer=d.layer, seeds=survey.seeds_text(d), cut=cut.title,
                  units=f"{len(units)} of {len(d.iou)}", outlined=survey.threshold_text(d))


def filters(d: Dissection, cut: survey.Cut, row: DeltaGenerator) -> survey.Filter:
    """Search, class, order and the rest, in the given place; drawn beside one unit too, so that they are kept."""
    counted = {label.name: len(units) for label, units in survey.distribution(d, cut)}
    names = [*sorted(counted, key=lambda n: -counted[n]), d.labels[0].name,
             *(x.name for x in d.labels[1:] if x.name not in counted)]
    text = row.text_input("Search", key="q", bind="query-params", placeholder="class or number", max_chars=60, width=FIELD,
                          icon=":material/search:")
    label = row.selectbox("Class", names, index=None, key="class", bind="query-params", placeholder="any class", width=FIELD)
    sort = row.selectbox("Sort by", survey.SORTS, key="sort", bind="query-params", width=FIELD)
    with row.popover("More", icon=":material/tune:", width=FIELD):
        category = st.pills("Category", survey.categories(d), key="category", bind="query-params")
        least = st.slider("IoU at least", 0.0, 0.5, 0.0, 0.01, key="iou", bind="query-params")
        near = st.toggle("Rank all units for the class", key="near", bind="query-params", disabled=not label,
                         help="Also units whose best label is another one, or that are under the cut, by IoU with the class.")
    return survey.Filter(label or "", category or "", text or "", float(least), bool(near and label), sort)


def card(d: Dissection, pictures: Pictures | None, cut: survey.Cut, unit: int, wanted: survey.Filter, note: str = "") -> None:
    name, category, iou, passes = label_of(d, cut, unit)
    if wanted.near:
        iou, name = float(d.iou[unit, d.column(wanted.label)]), wanted.label
    picked = unit in state.tray(state.model(), d.layer)
    with st.container(width=TILE * TILES + 8, gap="xsmall"):
        if pictures is not None:
            st.image(strip(d, pictures, unit), alt=f"Unit {unit}: top images, active region outlined; {name}, IoU {iou:.3f}")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(f"Unit {unit}", key=f"open.{unit}", on_click=open_unit, args=(unit,), help="Look at this unit in full")
            st.button("", key=f"pick.{unit}", icon=":material/check:" if picked else ":material/add:", type="tertiary",
                      help="Put back from the compare tray" if picked else "Add to the compare tray",
                      on_click=state.toggle_in_tray, args=(state.model(), d.layer, unit))
            st.markdown(verdict(name, category, iou, passes), width="stretch")
        if note:
            st.caption(note)


# --- one unit in full -------------------------------------------------------------------------------------------------------
def one_unit(d: Dissection, pictures: Pictures | None, cut: survey.Cut, unit: int) -> None:
    name, category, iou, passes = label_of(d, cut, unit)
    label = d.label(name)
    st.subheader(f"Unit {unit} of {d.layer}: {name if passes else 'no label'}", anchor=False)
    most = f", of at most {d.ceiling(label, unit):.2f} that a mask of its size can reach" if d.threshold == "quantile" else ""
    what = (f"Best match **{frame.escape(name)}** ({category}) with IoU **{iou:.3f}**{most}. "
            f"Counted as active: {survey.threshold_text(d)}.")
    if not passes:
        what += f" That does not pass {cut.title}, so the unit counts as having **no label**."
    st.markdown(what)
    if pictures is None:
        st.info("The pictures of this model are not stored, so only numbers are shown.", icon=":material/hide_image:")
    look(d, pictures, cut, unit)
    actions(d, unit, name)
    switch_off(d, (unit,), tuple(int(s) for s in d.top_seeds[unit][:PAIRS]))


@st.fragment
def look(d: Dissection, pictures: Pictures | None, cut: survey.Cut, unit: int) -> None:
    steps = list(range(d.level_grid.shape[1]))
    start = survey.nearest_step(d, unit, float(d.levels[unit]))
    here = (d.run.key, d.threshold, unit)
    if state.get("units.seen", here) != here:  # another unit begins at its own level; a level in the address is for the first
        state.put("level", start)
    state.put("units.seen", here)
    t = st.select_slider("Threshold: the unit counts as active above this level", steps, value=start, key="level",
                         bind="query-params",
                         format_func=lambda i: f"{d.level_grid[unit, i]:.4g}",
                         help="Moves the outlined regions, the line in the histogram, the IoU and the label together.")
    reading = survey.at_level(d, unit, int(t))
    with st.container(horizontal=True, gap="large"):
        st.metric("Label here", reading.label.name if reading.iou > cut.iou else d.labels[0].name,
                  help=f"Nearest class: {reading.label.name}. A label needs IoU > {cut.iou:g}.")
        st.metric("IoU", f"{reading.iou:.3f}")
        st.metric("Active", f"{100 * reading.share:.2g} %", help="Share of positions, over all pictures, above this level.")
        st.metric("Level", f"{reading.level:.3g}")
    left, right = st.columns([3, 2], gap="large")
    with right:
        charts.show(charts.mark(charts.histogram(d.hist[unit], d.hist_edges[unit]), reading.level, "threshold"),
                    key=f"hist.{d.layer}.{unit}", alt=f"Histogram of the activations of unit {unit} with the threshold marked")
        curve(d, cut, unit, reading)
        runners = " · ".join(f"{frame.escape(x.name)} {v:.3f}" for x, v in reading.runners_up)
        st.caption(f"Next labels at this level: {runners}")
    with left:
        if pictures is not None:
            panels(d, pictures, unit, reading)


def curve(d: Dissection, cut: survey.Cut, unit: int, reading: survey.Reading) -> None:
    """IoU against the threshold for the labels that matter here, with the defaults marked."""
    values, levels = d.iou_curve(unit), d.level_grid[unit]
    names = list(dict.fromkeys([d.best(unit)[0], reading.label, *(x for x, _ in reading.runners_up)]))[:4]
    tints = {x.name: colours.label_colour(x.name, x.id) for x in names}
    figure = charts.lines({x.name: (levels, values[d.column(x.name)]) for x in names}, colours=tints,
                          x_title="threshold (activation)", y_title="IoU", height=280)
    top = f"top {100 * float(d.run.params['quantile']):g} %"
    figure.add_hline(cut.iou, line={"color": colours.NEUTRAL, "width": 1, "dash": "dot"})
    charts.mark(figure, float(d.quantile_levels[unit]), top, colour=colours.NEUTRAL, dash="dash")
    charts.mark(figure, float(d.iqr_levels[unit]), "IQR", colour=colours.NEUTRAL, dash="dot", row=1)
    charts.mark(figure, reading.level)
    charts.show(figure, key=f"curve.{d.layer}.{unit}", alt=f"IoU of unit {unit} with its best labels against the threshold")


def panels(d: Dissection, pictures: Pictures, unit: int, reading: survey.Reading) -> None:
    """Mask, original, segmentation and overlay of every top image, as in the student report."""
    seeds = [(k, int(s)) for k, s in enumerate(d.top_seeds[unit]) if pictures.has(int(s))]
    if not seeds:
        st.info("None of this unit's top images is stored.", icon=":material/hide_image:")
        return
    kinds = survey.categories(d)
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = st.segmented_control("Segmentation", kinds, key="channel", default=None, label_visibility="collapsed")
        many = st.toggle(f"All {len(seeds)} top images", key="all_tops")
    kind = chosen or (reading.label.category if reading.label.category in kinds else kinds[0])
    st.caption(f"From left to right: mask, original, segmentation ({kind}), overlay. Strongest image first.")
    tints = {x.id: colours.label_colour(x.name, x.id) for x in d.labels[1:]}
    seen: set[int] = set()
    for k, seed in seeds if many else seeds[:4]:
        image, act = pictures.image(seed), d.top_acts[unit, k]
        classes = survey.of_category(d, pictures.segmentation(seed), kind)
        seen |= set(classes.ravel().tolist())
        big = gallery.fitted(image, 256)
        size = (big.shape[0], big.shape[1])
        row = gallery.strip([gallery.mask_picture(act, reading.level, size), big,
                             resize(gallery.coloured(classes, tints), size, nearest=True),
                             gallery.outlined(big, act, reading.level)], gap=8, background=128)
        st.image(encode(row, "JPEG"), width="stretch",
                 alt=f"Seed {seed}: mask, original, {kind} segmentation and overlay of unit {unit}")
    gallery.legend({x.name: tints[x.id] for x in d.labels[1:] if x.id in seen})
    if st.toggle("Read the classes by pointing", key="pointing"):
        classes = survey.of_category(d, pictures.segmentation(seeds[0][1]), kind)
        names = {x.id: x.name for x in d.labels}
        charts.show(charts.pointable(gallery.coloured(classes, tints), [[names[int(i)] for i in row] for row in classes]),
                    key="pointable", alt=f"Segmentation ({kind}) of seed {seeds[0][1]}; each point tells its class")
    frame.caption(model=state.model(), layer=d.layer, unit=unit, threshold=reading.level,
                  seeds=", ".join(str(s) for _, s in (seeds if many else seeds[:4])))


@st.fragment
def switch_off(d: Dissection, units: tuple[int, ...], seeds: tuple[int, ...]) -> None:
    """Intervention at once: the units set to zero in some pictures, above the pictures as they are."""
    what = f"unit {units[0]}" if len(units) == 1 else f"these {len(units)} units"
    if not st.toggle(f"Switch off {what} and see", key=f"off.{len(units) > 1}"):
        return
    try:
        generator = state.generator(state.model())
        with interactive():
            pairs = [probe.switched_off(generator, seed, d.layer, units) for seed in seeds]
    except GanLabError as error:
        frame.failed(error, "These pictures could not be made")
        return
    rows = {"as generated": [a for a, _ in pairs], f"{what} off": [b for _, b in pairs],
            "difference": [gallery.difference(a, b) for a, b in pairs]}
    for title, images in rows.items():
        st.caption(title)
        st.image(encode(gallery.strip([gallery.fitted(i, 192) for i in images], background=128), "JPEG"), alt=f"Seeds {seeds}: {title}")
    frame.caption(model=state.model(), layer=d.layer, units=", ".join(map(str, units)), value=0,
                  seeds=", ".join(map(str, seeds)), difference="largest channel, doubled")


def actions(d: Dissection, unit: int, name: str) -> None:
    """Where to take this unit."""
    picked = unit in state.tray(state.model(), d.layer)
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        st.button("Put back from the tray" if picked else "Add to the compare tray", key="tray.one",
                  icon=":material/check:" if picked else ":material/add:", on_click=state.toggle_in_tray,
                  args=(state.model(), d.layer, unit))
        pickers.go("causes", f"What causes {name}?", class_=name, unit=unit)
        pickers.go("paint", f"Paint {name}", class_=name, units=unit)


# --- region → units ---------------------------------------------------------------------------------------------------------
def region(d: Dissection, pictures: Pictures | None, cut: survey.Cut) -> None:
    """Draw on a picture; the units that stand out there come first."""
    left, right = st.columns([2, 3], gap="large")
    with left:
        seed = pickers.seed("seed")
        size = st.slider("Brush", 2, 32, 8, key="region.size", help="Width in image pixels")
    try:
        if pictures is not None and pictures.has(seed):
            image = pictures.image(seed)
        else:
            image = probe.picture(state.generator(state.model()), seed)
        with right:
            marks = canvas.draw(image, key="region", colour=f"{charts.ACCENT}99", size=size,
                                scale=canvas.scale_for((image.shape[0], image.shape[1]), "M"))
        if not marks:
            left.info("Draw over a part of the picture: a door, a tree, a window. The units that are most active there, against "
                      "the rest of the picture, are listed below.", icon=":material/draw:")
            return
        mask = canvas.mask(marks, (image.shape[0], image.shape[1]))
        with interactive():
            found = probe.units_in_region(state.generator(state.model()), seed, d.layer, mask)
    except GanLabError as error:
        frame.failed(error)
        return
    left.markdown(f"**{100 * mask.mean():.1f} %** of the picture is marked. The {REGION_UNITS} units that stand out there most:")
    with st.container(horizontal=True, gap="medium"):
        for firing in found[:REGION_UNITS]:
            card(d, pictures, cut, firing.unit, survey.Filter(),
                 note=f"mean here {firing.mean:.2f}, elsewhere {firing.outside:.2f}")
    frame.caption(model=state.model(), layer=d.layer, seeds=seed, order="mean inside minus mean outside, in standard deviations")


# --- compare tray -----------------------------------------------------------------------------------------------------------
def compare_tray(d: Dissection, pictures: Pictures | None, cut: survey.Cut) -> None:
    units = [u for u in state.tray(state.model(), d.layer) if u < len(d.iou)]
    if not units:
        st.info("The tray of this layer is empty. Add units with the plus sign under them; other pages find them as "
                f"“{state.TRAY}”.", icon=":material/add_box:")
        return
    series = {}
    for unit in units:
        label, _ = d.best(unit)
        share = 100 * d.share_curve(unit)
        shown = share > 0
        series[f"unit {unit}: {label.name}"] = share[shown], d.iou_curve(unit)[d.column(label.name)][shown]
    for unit in units:
        left, right = st.columns([1, 1], vertical_alignment="center")
        if pictures is not None:
            left.image(strip(d, pictures, unit), alt=f"Top images of unit {unit}")
        with right:
            st.markdown(f"**Unit {unit}** · " + verdict(*label_of(d, cut, unit)))
            st.caption("Next labels: " + " · ".join(f"{frame.escape(x.name)} {v:.3f}" for x, v in d.runners_up(unit)))
            with st.container(horizontal=True):
                st.button("Open", key=f"tray.open.{unit}", on_click=open_unit, args=(unit,))
                st.button("Remove", key=f"tray.drop.{unit}", on_click=state.toggle_in_tray, args=(state.model(), d.layer, unit))
    figure = charts.lines(series, x_title="% of all positions that are active (lower threshold →)", y_title="IoU with its best label",
                          legend=True)
    figure.update_xaxes(type="log", tickvals=[0.1, 0.3, 1, 3, 10, 30, 100])
    charts.show(figure, key="tray.curves", alt="IoU against the threshold for the units in the tray")
    switch_off(d, tuple(units), tuple(dict.fromkeys(int(d.top_seeds[u][0]) for u in units))[:PAIRS])
    with st.container(horizontal=True, vertical_alignment="center"):
        pickers.go("paint", "Paint with these", units=",".join(map(str, units)))
        st.button("Empty the tray", key="tray.clear", icon=":material/delete:", on_click=state.set_tray,
                  args=(state.model(), d.layer, ()))
    frame.caption(model=state.model(), layer=d.layer, seeds=survey.seeds_text(d), cut=cut.title)


frame.begin("Units", "Find a unit by what it draws, look at it closely, and take it along to switch it off or to paint with it.")
pickers.dissected(state.model(), state.layer())
shown_pictures = state.pictures(state.model())
rule = survey.CUTS["iou"]
pickers.dissected(state.model(), state.layer())
top = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
with top:
    dissection = pickers.dissected(state.model(), state.layer(), pickers.threshold(width=FIELD))
asked = top.number_input("Unit", min_value=0, max_value=len(dissection.iou) - 1, value=None, step=1, key="unit",
                          bind="query-params", placeholder="all", width=FIELD)
if asked is not None:
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    listed = survey.select(dissection, rule, filters(dissection, rule, row)) or [asked]
    at = listed.index(asked) if asked in listed else -1
    with top:
        st.button("All units", icon=":material/arrow_back:", key="back", on_click=open_unit,
                  args=(None, max(at, 0) // A_PAGE + 1))
        st.button("Previous", on_click=open_unit, args=(listed[max(at, 0) - 1],), key="previous")
        st.button("Next", on_click=open_unit, args=(listed[(at + 1) % len(listed)],), key="next")
    one_unit(dissection, shown_pictures, rule, int(asked))
else:
    view = top.segmented_control("View", VIEWS, default=VIEWS[0], required=True, key="view", bind="query-params",
                                 label_visibility="collapsed")
    {"Units": grid, "Region": region, "Tray": compare_tray}[view](dissection, shown_pictures, rule)
