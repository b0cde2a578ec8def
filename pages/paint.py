"""GANPaint: strokes switch units of a class on or off, and the generator repaints the picture."""
from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import streamlit as st

from core import zoo
from core.dissect import Dissection
from core.errors import BadInput, GanLabError, UnknownName
from core.image import encode, resize
from core.jobs import interactive
from core.paint import (
    AMOUNTS,
    CLASSES,
    LETTERS,
    USUAL,
    Effect,
    Painting,
    PaintResult,
    Stroke,
    all_brushes,
    dissection_for,
    from_link,
    good_starts,
    link_for,
    mask_of,
    measure,
    paint,
    paint_seeds,
    pair,
    plain,
    trials_sheet,
)
from core.paint.document import MAX_SEED
from core.segment.vocabulary import brush_labels, read_mapping
from core.units import Ranking, UnitSet
from core.zoo import published
from pages.parts import canvas, cards, colours, easel, frame, gallery, pickers, state, window, wipe
from pages.parts.cards import Card
from pages.parts.easel import Easel, Style

SECTIONS = ("Pictures", "Same strokes, other pictures", "All brushes", "Save and share", "Units used")
TOOLS = {"free": ":material/brush:", "line": ":material/horizontal_rule:", "rect": ":material/rectangle:",
         "polygon": ":material/pentagon:"}
TOOL_HELP = "Freehand, line, box or polygon. A polygon is closed by clicking its first corner again."
BY = {"ace": "average causal effect", "iou": "IoU", "set": "hand"}
OWN = "own"
SHOWN = "paint_shown"  # this widget's state is dropped with the page: without it, the canvas is new


# --- what is being painted ----------------------------------------------------------------------------------------------------
def here() -> Easel:
    return state.get(f"paint.easel.{state.model()}")


def keep(new: Easel) -> None:
    state.put(f"paint.easel.{state.model()}", new)


def change(make: Callable[[Easel], Easel]) -> None:
    """One change to the easel, after what the canvas sent along with it; what cannot be done is said, and nothing is lost."""
    try:
        keep(make(easel.up_to_date(here(), canvas.sent(f"paint_canvas_{state.model()}"))))
        state.put("paint.problem", "")
    except GanLabError as error:
        state.put("paint.problem", str(error))


def fresh(seed: int) -> Painting:
    """A picture without strokes, bound to the dissection at hand."""
    d = state.dissection(state.model(), state.layer())
    return Painting(state.model(), state.layer(), seed, dissection=d.run.key if d is not None else "")


def dissection_of(painting: Painting) -> Dissection | None:
    """The dissection that a painting's classes get their units from."""
    newest = state.dissection(painting.model, painting.layer)
    if newest is None or painting.dissection in ("", newest.run.key):
        return newest
    key = (zoo.fingerprint(painting.model), painting.layer, painting.dissection)
    return state.remember("painting's dissection", key, lambda: dissection_for(painting, state.store()))


def first_seed() -> int:
    d, pictures = state.dissection(state.model(), state.layer()), state.pictures(state.model())
    starts = starting_seeds(d) if d is not None and pictures is not None else ()
    return starts[0] if starts else 0


def starting_seeds(d: Dissection | None) -> tuple[int, ...]:
    pictures = state.pictures(state.model())
    if pictures is None or d is None:
        return tuple(range(16 if max(zoo.card(state.model()).image_size) <= 128 else 4))
    return state.remember("starts", (pictures.run.key,), lambda: good_starts(pictures, d.labels))


def arrive() -> None:
    """A canvas that is new on the page: opens what the address asks for, else goes on with the visitor's painting."""
    model, layer = state.model(), state.layer()
    query = st.query_params
    opened: Painting | None = None
    try:
        if "p" in query:
            opened = from_link(query["p"], state.store())
            if opened.model != model:
                state.put("paint.elsewhere", opened)
                opened = None
            elif opened.layer not in state.layers(model):
                raise UnknownName("layer", opened.layer, state.layers(model))
        elif query.get("seed", "").isdecimal() and len(query["seed"]) <= 10 and int(query["seed"]) <= MAX_SEED:
            opened = fresh(int(query["seed"]))
    except GanLabError as error:
        opened = None
        state.put("paint.problem", f"The link could not be opened: {error}")
    elsewhere = state.get("paint.elsewhere")
    if opened is None and elsewhere is not None and elsewhere.model == model:
        opened = elsewhere
        state.drop("paint.elsewhere")
    if here() is None:
        keep(easel.start(opened or fresh(first_seed())))
    elif opened is not None and opened != here().now and (opened.strokes or opened.seed != here().now.seed):
        keep(easel.step(here(), opened))
    state.put("paint.layer", layer)
    take_units(query.get("units", ""))
    for name, default in (("class", "tree"), ("set", "")):
        if (name in query and "units" not in query) or state.get("paint.brush") is None:
            wanted = query.get(name, default)
            if wanted:
                state.put("paint.brush", f"set:{wanted}" if name == "set" else wanted)
    state.put("paint.mounting", True)


def take_units(text: str) -> None:
    """Units named in the address ("3,17,40") become a brush of the present layer, kept in the basket."""
    info = next((i for i in zoo.card(state.model()).layers if i.name == state.layer()), None)
    d = state.dissection(state.model(), state.layer())
    count = info.units if info is not None else len(d.q99) if d is not None else 0
    units = tuple(dict.fromkeys(int(u) for u in text.split(",")[:count] if u.isdecimal() and len(u) < 6 and int(u) < count))
    if units:
        name = f"unit {units[0]}" if len(units) == 1 else f"units {', '.join(map(str, units[:3]))}{' …' if len(units) > 3 else ''}"
        state.add_to_basket(UnitSet(f"{name} of {state.layer()}", state.model(), state.layer(), units))
        state.put("paint.brush", f"set:{name} of {state.layer()}")


def follow_sidebar() -> None:
    """Another layer chosen in the sidebar is one more step of the same painting."""
    if state.get("paint.layer") != state.layer():
        state.put("paint.layer", state.layer())
        change(lambda e: easel.step(e, replace(e.now, layer=state.layer(), dissection=fresh(0).dissection)))


# --- pictures -----------------------------------------------------------------------------------------------------------------
def causal(name: str, painting: Painting) -> Ranking | None:
    """The causal ranking that a brush takes its units from, where there is one."""
    return state.ranking(painting.model, painting.layer, name, "ace")


def rankings(painting: Painting) -> dict[str, Ranking]:
    """Causal rankings that are stored for the painting's classes."""
    names = {s.brush for s in painting.strokes if painting.unit_set(s.brush) is None and s.order != "iou"}
    found = {name: causal(name, painting) for name in sorted(names)}
    return {name: ranking for name, ranking in found.items() if ranking is not None}


def all_rankings(painting: Painting) -> dict[str, Ranking]:
    """Causal rankings that are stored for the seven brushes and the painting's classes."""
    found = {name: causal(name, painting) for name in CLASSES}
    return {name: ranking for name, ranking in found.items() if ranking is not None} | rankings(painting)


def marked(painting: Painting) -> tuple[str, ...]:
    """All that a picture depends on besides the document."""
    d = dissection_of(painting)
    return (zoo.fingerprint(painting.model), d.run.key if d else "", *(r.run.key for r in rankings(painting).values()))


def painted(painting: Painting) -> PaintResult:
    d = dissection_of(painting)

    def make() -> PaintResult:
        with interactive():
            return paint(state.generator(painting.model), painting, d, rankings(painting))
    return state.remember("paint", (painting.to_json(), *marked(painting)), make)


def shown(painting: Painting) -> PaintResult:
    """What the page shows: before any stroke and before the generator is loaded, the stored picture does."""
    pictures = state.pictures(painting.model)
    if painting.visible or state.device(painting.model) or pictures is None or not pictures.has(painting.seed):
        return painted(painting)
    image = pictures.image(painting.seed)
    return PaintResult(painting, image, image, ()) if image.shape[:2] == zoo.card(painting.model).image_size else painted(painting)


def last_effect(painting: Painting) -> Effect | None:
    """What the newest visible stroke changed, against the painting without it."""
    index = max((i for i, s in enumerate(painting.strokes) if not s.hidden), default=None)
    if index is None:
        return None
    stroke = painting.strokes[index]

    def make() -> Effect:
        before, after = painted(painting.without(index)).image, painted(painting).image
        with interactive():
            return measure(before, after, mask_of(stroke, after.shape[:2]), stroke, segmenter())
    return state.remember("effect", (painting.to_json(), *marked(painting)), make)


def segmenter():  # type: ignore[no-untyped-def]
    """The bundled model's own segmenter, which is quick; other models' would hold a stroke up."""
    card = zoo.card(state.model())
    if not card.bundled or not card.segmenters:
        return None
    try:
        return state.segmenter(card.segmenters[0])
    except GanLabError:
        return None


def thumbnail(image: np.ndarray, side: int = 96) -> bytes:
    height, width = image.shape[:2]
    times = side // max(height, width)
    small = image.repeat(times, 0).repeat(times, 1) if times else \
        resize(image, (round(height * side / max(height, width)), round(width * side / max(height, width))))
    return encode(small, "JPEG", quality=85)


# --- brushes ------------------------------------------------------------------------------------------------------------------
def own_sets() -> dict[str, UnitSet]:
    """The visitor's unit sets of this model by name, with values to draw with; those that the painting brought along too."""
    out: dict[str, UnitSet] = {s.name: s for s in here().now.sets}
    for found in state.basket():
        if found.model != state.model() or not found.units:
            continue
        d = state.dissection(found.model, found.layer)
        if not found.values and d is not None:
            found = replace(found, values=tuple(float(d.q99[u]) for u in found.units))
        name, number = found.name, 2
        while name in out and replace(out[name], name="") != replace(found, name=""):
            name, number = f"{found.name} {number}", number + 1
        out[name] = replace(found, name=name)
    for name, found in published.brushes(state.model()).items():
        out.setdefault(f"{name}, published", replace(found, name=f"{name}, published"))
    return out


def brushes_by_label(d: Dissection | None) -> dict[str, str]:
    """Name of a class -> which of the seven brushes it is: its own, or for another vocabulary the one that the mapping file says."""
    try:
        return {label.name: brush for brush, label in (brush_labels(d.labels) if d is not None else {}).items()}
    except GanLabError:  # a mapping file of one's own that is damaged; `settings` says so
        return {label.name: label.name for label in d.labels if label.name in CLASSES} if d is not None else {}


def brush_cards(d: Dissection | None, sets: dict[str, UnitSet], chosen: str) -> list[Card]:
    brush_of = brushes_by_label(d)
    shown = dict(brush_of) if chosen.startswith("set:") else {**brush_of, chosen: brush_of.get(chosen, chosen)}
    out = []
    for name, brush in shown.items():
        title = f"Brush: {name}" + (f", as {brush}" if brush != name else "")
        out.append(Card(name, name, colour=colours.BRUSH_COLOURS.get(brush, colours.NEUTRAL), letter=LETTERS.get(brush, ""),
                        on=name == chosen, title=title + (f" (key {LETTERS[brush]})" if brush in LETTERS else "")))
    return out + [Card(f"set:{name}", f"{name} · {len(s.units)} units", colour=colours.NEUTRAL, on=f"set:{name}" == chosen,
                       title=f"Brush: your unit set {name} of {s.layer}") for name, s in sets.items()]


def pick_brush() -> None:
    state.put("paint.brush", cards.picked("paint_brushes"))


def pick_class() -> None:
    if (name := state.get("paint_other")) is not None:
        state.put("paint.brush", name)


def settings(d: Dissection | None, narrow: bool) -> tuple[Style, str, float]:
    """Brush, mode, tool, size, number of units, strength: the style of the next stroke, its tool and its width in pixels."""
    try:
        read_mapping()
    except GanLabError as error:
        frame.failed(error, "The file of GAN_DISSECTION_BRUSHES is not used")
    sets = own_sets()
    chosen = state.get("paint.brush")
    known = [label.name for label in d.labels[1:]] if d is not None else []
    if (chosen not in known) and not (chosen.startswith("set:") and chosen[4:] in sets):
        ready = {brush: name for name, brush in brushes_by_label(d).items()}
        chosen = ready.get("tree") or next(iter(ready.values()), known[0] if known else f"set:{next(iter(sets))}")
        state.put("paint.brush", chosen)
    cards.row(brush_cards(d, sets, chosen), "paint_brushes", label="Brushes", wrap=True, on_pick=pick_brush)
    unit_set = sets.get(chosen[4:]) if chosen.startswith("set:") else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        mode = st.segmented_control("Mode", ["draw", "remove"], default="draw", required=True, key="paint_mode",
                                    format_func=str.capitalize, persist_state="session", label_visibility="collapsed")
        tool = st.segmented_control("Tool", list(TOOLS), default="free", required=True, key="paint_tool", format_func=TOOLS.get,
                                    persist_state="session", label_visibility="collapsed", help=TOOL_HELP)
        if not narrow:
            timeline_buttons()
    side = max(zoo.card(state.model()).image_size) or 64
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        size = st.slider("Brush size (image pixels)", 1, side // 2, 3 * side // 16, key=f"paint_size_{side}", width=190,
                         persist_state="session")
        strength = st.slider("Strength", 0.0, 1.0, 1.0, 0.01, key="paint_strength", width=190, persist_state="session",
                             help="How far the units move towards their value: 0 nothing, 1 all the way.")
        amount = st.segmented_control("Units", [*AMOUNTS, OWN], default=USUAL, required=True, key="paint_amount",
                                      format_func=str, persist_state="session", disabled=unit_set is not None,
                                      help="How many of the class's units a stroke acts on, best first. The papers use "
                                           f"{USUAL}; classes that sit in many units, as sky and grass, need more.")
        with st.popover("More", icon=":material/tune:"):
            st.selectbox("Another class as brush", known, index=None, key="paint_other", on_change=pick_class,
                         placeholder="Choose a class")
            mean = st.toggle("Insert the mean where the class is present", key="paint_mean", persist_state="session",
                             disabled=unit_set is not None,
                             help="Otherwise drawing inserts each unit's 0.99 quantile, as the original does.")
    units = len(unit_set.units) if unit_set is not None else USUAL
    if unit_set is None and d is not None:
        units = int(amount) if amount != OWN else st.number_input("Number of units", 1, len(d.q99), min(USUAL, len(d.q99)),
                                                                  key="paint_units", persist_state="session", width=190)
    if narrow:  # where the finger is: right above the canvas
        with st.container(horizontal=True, gap="small"):
            timeline_buttons(keys=False)
    known_cause = unit_set is None and d is not None and causal(chosen, here().now) is not None
    value = "mean" if mean and unit_set is None else "q99"
    return Style(unit_set.name if unit_set else chosen, mode, min(units, len(d.q99)) if d is not None else units, strength, value,
                 "ace" if known_cause else "best" if unit_set else "iou", unit_set), tool, float(size)


def whole_picture(style: Style) -> None:
    stroke = Stroke(style.brush, style.mode, style.units, style.strength, shape="all", value=style.value, order=style.order)
    change(lambda e: easel.step(e, e.now.add(stroke, style.unit_set)))


# --- canvas and result --------------------------------------------------------------------------------------------------------
def on_stroke(key: str) -> None:
    change(lambda e: easel.arrived(e, canvas.sent(key)))


def move(step: str) -> None:
    def act(e: Easel) -> Easel:
        t = e.timeline
        if step == "reset":
            return easel.step(e, e.now.on(e.now.seed, keep=False))
        return easel.set_now(e, t.undo() if step == "undo" else t.redo())
    change(act)


def show_strokes() -> None:
    change(lambda e: easel.show(e, veiled=not state.get(SHOWN)))


def timeline_buttons(*, keys: bool = True) -> None:
    """Undo, redo, reset; the keys work while the page is open."""
    t = here().timeline
    st.button("Undo", icon=":material/undo:", shortcut="Ctrl+Z" if keys else None, key="paint_undo", disabled=not t.can_undo,
              on_click=move, args=("undo",))
    st.button("Redo", icon=":material/redo:", shortcut="Ctrl+Y" if keys else None, key="paint_redo", disabled=not t.can_redo,
              on_click=move, args=("redo",))
    st.button("Reset", icon=":material/restart_alt:", shortcut="X" if keys else None, key="paint_reset",
              disabled=not t.now.strokes, on_click=move, args=("reset",), help="Takes all strokes away. Undo brings them back.")


def under_canvas(style: Style) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.toggle("Show strokes", value=True, key=SHOWN, on_change=show_strokes)
        st.segmented_control("Canvas size", list(canvas.SIZES), default="M", required=True, key="paint_canvas",
                             persist_state="session", label_visibility="collapsed")
        st.button(f"{style.mode.capitalize()} {style.brush} everywhere", icon=":material/select_all:", key="paint_all",
                  on_click=whole_picture, args=(style,), type="tertiary",
                  help="One stroke over the whole picture, without drawing.")


def stage(style: Style, tool: str, size: float, narrow: bool) -> None:
    """The canvas and, beside it, the result."""
    painting = here().now
    result = shown(painting)
    scale = canvas.scale_for(result.image.shape[:2], state.get("paint_canvas") or "M", narrow=narrow)
    if state.get("paint.mounting"):
        keep(easel.mounted(here(), scale))
        state.put("paint.mounting", False)
    elif scale != here().scale:
        keep(easel.show(here(), scale=scale))
    new, colour = easel.with_style(here(), style)
    keep(new)
    side = round(scale * result.image.shape[1])
    row = st.container(horizontal=True, gap="large")  # side by side where both fit, else one below the other
    with row.container(width=side):
        key = f"paint_canvas_{painting.model}"
        canvas.draw(result.image, key=key, tool=tool, colour=colour, size=size, scale=scale, load=new.load,
                    on_change=lambda: on_stroke(key))
        if tool == "polygon":
            st.caption("Click the corners, then the first corner again to close the polygon.")
        under_canvas(style)
    with row.container(width=side):
        if not narrow:  # level with the canvas
            st.space(canvas.HEAD)
        wipe.wipe(result.before, result.image, "paint_result", at=0, max_side=side)
        effect = last_effect(painting)
        if effect is None:
            st.caption("Draw on the left picture: the generator repaints it when you lift the pen.")
        elif effect.refused:
            st.warning(frame.escape(effect.sentence), icon=":material/block:")
        else:
            st.caption(frame.escape(effect.sentence))
        for note in result.notes:
            st.caption(f":material/info: {frame.escape(note)}.")
    by = sorted({c.by for c in result.chosen}) or [style.order if style.unit_set is None else "set"]
    frame.caption(model=painting.model, layer=painting.layer, seed=painting.seed, strokes=len(painting.visible),
                  units_ranked_by=" and ".join(BY[b] for b in by))


# --- history ------------------------------------------------------------------------------------------------------------------
def pick_step() -> None:
    picked = cards.picked("paint_history")
    state.put("paint.step", int(picked) if picked.isdecimal() else None)


def act_on_step() -> None:
    index, act = cards.acted("paint_history")
    if index.isdecimal():
        change_step(int(index), act)


def change_step(index: int, act: str, strength: float = 1.0) -> None:
    def make(e: Easel) -> Easel:
        if act == "delete":
            return easel.step(e, e.now.without(index))
        if act == "hide":
            return easel.step(e, e.now.change(index, hidden=not e.now.strokes[index].hidden))
        return easel.step(e, e.now.change(index, strength=strength))
    change(make)


def change_strength(index: int, key: str) -> None:
    if (strength := state.chosen("paint_step_strength", key)) is not None:
        change_step(index, "strength", float(strength))


def history(before: np.ndarray) -> None:
    """A card for each stroke: where it is, what it does; hide, delete, change its strength."""
    painting = here().now
    if not painting.strokes:
        return
    chosen = state.get("paint.step")
    chosen = chosen if chosen is not None and chosen < len(painting.strokes) else None
    dimmed = (before * 0.6).astype(np.uint8)
    brush_of = brushes_by_label(dissection_of(painting))
    items = []
    for i, s in enumerate(painting.strokes):
        colour = colours.BRUSH_COLOURS.get(brush_of.get(s.brush, s.brush), colours.NEUTRAL)
        face = gallery.tinted(dimmed, mask_of(s, before.shape[:2]), colour, 0.8 if s.mode == "draw" else 0.4)
        items.append(Card(str(i), f"{i + 1} {'+' if s.mode == 'draw' else '−'} {s.brush}", picture=thumbnail(face),
                          on=i == chosen, dim=s.hidden,
                          title=f"Stroke {i + 1}: {s.mode} {s.brush}, {s.units} units, strength {s.strength:g}",
                          actions=(("hide", "show" if s.hidden else "hide", f"{'Show' if s.hidden else 'Hide'} stroke {i + 1}"),
                                   ("delete", "delete", f"Delete stroke {i + 1}"))))
    st.markdown("**History**")
    cards.row(items, "paint_history", label="Strokes, oldest first", side=96, on_pick=pick_step, on_act=act_on_step)
    if chosen is not None:
        s = painting.strokes[chosen]
        key = state.key_showing("paint_step_strength", s.strength)
        st.slider(f"Strength of stroke {chosen + 1}, {s.mode} {s.brush}", 0.0, 1.0, s.strength, 0.01, key=key, width=360,
                  on_change=change_strength, args=(chosen, key))


# --- below: pictures, other seeds, all brushes, saving ------------------------------------------------------------------------
def use_seed(seed: int, strokes: bool = False) -> None:
    change(lambda e: easel.step(e, e.now.on(seed) if strokes else fresh(seed)))


def pick_seed() -> None:
    picked = cards.picked("paint_seeds")
    if picked.isdecimal():
        use_seed(int(picked))


def pick_other() -> None:
    picked = cards.picked("paint_others")
    if picked.isdecimal():
        use_seed(int(picked), strokes=True)


def typed_seed(key: str) -> None:
    if (value := state.chosen("paint_seed", key)) is not None:
        use_seed(int(value))


def seed_picture(seed: int, layer: str) -> np.ndarray:
    pictures = state.pictures(state.model())
    if pictures is not None and pictures.has(seed):
        return pictures.image(seed)
    with interactive():
        return plain(state.generator(state.model()), seed, layer)


def pictures_section(d: Dissection | None) -> None:
    painting = here().now
    items = [Card(str(seed), str(seed), on=seed == painting.seed, title=f"Paint on picture {seed}",
                  picture=state.remember("thumbnail", (painting.model, *marked(painting)[:1], seed),
                                         lambda seed=seed: thumbnail(seed_picture(seed, painting.layer), 128)))
             for seed in starting_seeds(d)]
    cards.row(items, "paint_seeds", label="Good pictures to begin with", side=112, on_pick=pick_seed)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = state.key_showing("paint_seed", painting.seed)
        st.number_input("Seed", 0, MAX_SEED, painting.seed, 1, key=key, on_change=typed_seed, args=(key,), width=220)
        st.button("Random picture", icon=":material/casino:", key="paint_random",
                  on_click=lambda: use_seed(random.randrange(100_000)))
    st.caption("Another picture starts without strokes; Undo brings the painting back.")


def others_section(d: Dissection | None) -> None:
    painting = here().now
    if not painting.visible:
        st.info("Draw something first: then the same strokes are shown on a row of other pictures.", icon=":material/brush:")
        return
    first = st.number_input("First seed", 0, 2**32 - 9, 0, step=8, key="paint_row", persist_state="session", width=220)
    seeds = [s for s in range(first, first + 9) if s != painting.seed][:8]

    def make() -> list[PaintResult]:
        with interactive():
            return paint_seeds(state.generator(painting.model), painting, d, seeds, rankings(painting))
    results = state.remember("others", (painting.to_json(), first, *marked(painting)), make)
    gap = np.full((3, results[0].image.shape[1], 3), 255, np.uint8)
    items = [Card(str(r.painting.seed), f"seed {r.painting.seed}", title=f"Go on with these strokes on picture {r.painting.seed}",
                  picture=encode(np.concatenate([r.before, gap, r.image]).repeat(2, 0).repeat(2, 1), "JPEG")) for r in results]
    cards.row(items, "paint_others", label="The same strokes on other pictures", side=230, on_pick=pick_other)
    st.caption("Above each picture without, below with the strokes. Pick one to go on there.")


def brushes_section(d: Dissection | None) -> None:
    painting = here().now
    if d is None:
        st.info("All brushes are tried at once after a dissection of this layer.", icon=":material/search:")
        return
    places = [s for s in painting.strokes if s.shape != "all"]
    if not places:
        st.info("Draw one stroke: it is the region on which every brush is then tried.", icon=":material/brush:")
        return
    st.markdown("Every brush on the region of the last stroke: drawn and removed, each alone on the picture without that stroke.")
    index = max(i for i, s in enumerate(painting.strokes) if s.shape != "all")
    base = painting.without(index)
    if st.button("Try all brushes", icon=":material/grid_on:", key="paint_try"):
        with interactive():
            trials = all_brushes(state.generator(painting.model), base, painting.strokes[index], d, all_rankings(painting))
        title = f"{painting.model} · {painting.layer} · seed {painting.seed} · {painting.strokes[index].units} units"
        state.put("paint.sheet", (painting.to_json(), encode(trials_sheet(trials, title))))
    made = state.get("paint.sheet")
    if made is not None and made[0] == painting.to_json():
        st.image(made[1], alt="Every brush drawn and removed on one region, before and after")
        st.download_button("Download the sheet", made[1], f"all-brushes-{painting.seed}.png", "image/png", on_click="ignore",
                           icon=":material/download:")


def opened_file() -> None:
    sent = state.get("paint_file")
    if sent is None:
        return

    def make(e: Easel) -> Easel:
        painting = Painting.from_json(sent.getvalue())
        if painting.model != e.now.model:
            raise BadInput(f"this painting was made with the model {painting.model!r}; choose that model in the sidebar first")
        if painting.layer not in state.layers(painting.model):
            raise UnknownName("layer", painting.layer, state.layers(painting.model))
        return easel.step(e, painting)
    change(make)


def share_section() -> None:
    result = painted(here().now)
    painting = result.painting
    name = f"painting-{painting.model}-{painting.seed}"
    with st.container(horizontal=True):
        st.download_button("Picture", encode(result.image), f"{name}.png", "image/png", icon=":material/image:",
                           on_click="ignore")
        st.download_button("Before and after", encode(pair(result.before, result.image)), f"{name}-pair.png", "image/png",
                           icon=":material/compare:", on_click="ignore")
        st.download_button("Painting (JSON)", painting.to_json(), f"{name}.json", "application/json", on_click="ignore",
                           icon=":material/data_object:")
    st.markdown("**Link to this painting**: it opens the same picture.")
    base = str(st.context.url or "").split("?")[0]
    st.code(f"{base}?model={painting.model}&layer={painting.layer}&p={link(painting)}", language=None, wrap_lines=True)
    st.file_uploader("Open a painting", type=["json"], key="paint_file", on_change=opened_file, max_upload_size=1)
    st.markdown("The same picture from the command line:")
    st.code(f"python -m core paint {name}.json --out {name}.png", language="bash")


def units_section(result: PaintResult) -> None:
    rows = [{"stroke": i + 1, "does": f"{s.mode} {s.brush}", "layer": c.layer, "units": ", ".join(map(str, c.units)),
             "ranked by": BY[c.by],
             "set to": "0" if s.mode == "remove" else f"{c.values.min():.2f} … {c.values.max():.2f}", "strength": s.strength}
            for i, (s, c) in enumerate(zip(result.painting.visible, result.chosen, strict=True))]
    if rows:
        st.dataframe(rows, hide_index=True)
    else:
        st.info("Draw something first: then the units that each stroke moves are listed here.", icon=":material/brush:")


def link(painting: Painting) -> str:
    return state.remember("link", (painting.to_json(),), lambda: link_for(painting, state.store()))


# --- the page -----------------------------------------------------------------------------------------------------------------
@st.fragment
def studio() -> None:
    problem = state.get("paint.problem")
    if problem:
        st.error(frame.escape(problem), icon=":material/error:")
    elsewhere = state.get("paint.elsewhere")
    if elsewhere is not None and elsewhere.model != state.model():
        st.info(f"The link's painting was made with the model {frame.escape(elsewhere.model)}; choose it in the sidebar.",
                icon=":material/link:")
    painting = here().now
    d = dissection_of(painting)
    if d is None and not own_sets():
        st.info(f"{painting.layer} of {painting.model} has not been dissected yet, so it is not known which units draw what.",
                icon=":material/search:")
        pickers.go("layers", "Dissect it on the Layers page")
        return
    if d is None:
        st.caption(f":material/info: {painting.layer} of {painting.model} has not been dissected here: these are unit sets that are "
                   "known without it. A dissection adds a brush for every class.")
    if painting.layer != state.layer():
        st.caption(f":material/info: This painting is on {painting.layer}; the sidebar says {state.layer()}. "
                   "Choosing a layer there moves the painting to it.")
    saved = None
    try:
        saved = link(painting) if painting.strokes else None
    except GanLabError as error:  # a full disk must not stop anybody from painting
        st.warning(f"The address does not carry this painting: {frame.escape(str(error))}", icon=":material/link_off:")
    narrow = window.follow({"p": saved, "seed": painting.seed if saved is None else None}, "paint_window",
                           guess=window.likely_narrow())
    try:
        style, tool, size = settings(d, narrow)
        stage(style, tool, size, narrow)
        result = shown(here().now)
        history(result.before)
        tabs = st.tabs(list(SECTIONS), key="paint_section", on_change="rerun")
        for tab, section in zip(tabs, (lambda: pictures_section(d), lambda: others_section(d), lambda: brushes_section(d),
                                       share_section, lambda: units_section(result)), strict=True):
            if tab.open:
                with tab:
                    section()
    except GanLabError as error:
        frame.failed(error, "This picture could not be painted")


frame.begin("Paint", "Draw on a picture: each stroke switches units of a class on or off, and the generator repaints the scene "
            "to fit.")
if not state.layer():
    st.info(f"The layers of {frame.escape(state.model())} are not known yet, and nothing of it has been dissected.",
            icon=":material/search:")
    pickers.go("models", "Open it on the Models page")
else:
    if state.get(SHOWN) is None or state.get("paint.canvas") != state.model():
        state.put("paint.canvas", state.model())
        arrive()
    follow_sidebar()
    studio()
