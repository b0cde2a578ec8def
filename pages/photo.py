"""A real photo in the generator: what it can redraw of it, and strokes on it that leave the rest of the photo untouched."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import invert, zoo
from core.dissect import Dissection
from core.errors import Busy, GanLabError
from core.image import MAX_BYTES, decode, encode
from core.inpaint import samples
from core.invert import Brought, Edited, EncoderCard, Inversion, Live, Loss, Step
from core.jobs import Job, Report, interactive, short
from core.paint import AMOUNTS, CLASSES, LETTERS, USUAL, Painting
from core.store import Run
from core.units import Ranking
from pages.parts import canvas, cards, charts, colours, easel, frame, gallery, pickers, state, window, wipe
from pages.parts.cards import Card
from pages.parts.easel import Style

if TYPE_CHECKING:
    from core.segment import Segmenter

SCENE, PHOTO, UPLOAD = SOURCES = ("Painted scene", "Photograph", "Your own")  # these and STEPS are what the address shows
STEPS = ("0", "50", "300")
TOOLS = {"free": ":material/brush: Free", "rect": ":material/rectangle: Box", "polygon": ":material/pentagon: Polygon"}
OFFERED, SIDE, KEEP = 8, 384, 4
SHOWN = "photo_shown"  # this widget's state is dropped with the page: without it, the canvas is new
OFF_DOMAIN = ("Edits will mostly draw what the generator knows, not what is here. Expect little, and read the table below before "
              "you trust a removal.")


@dataclass(frozen=True)
class Source:
    """A chosen picture: `target` as the generator sees it, and the picture it was cut from with the crop outlined (or None)."""

    name: str
    target: np.ndarray
    whole: bytes | None = None


# --- the picture --------------------------------------------------------------------------------------------------------------
def size() -> tuple[int, int]:
    """(h, w) of the generator's pictures, from its card where that says so."""
    known = zoo.card(state.model()).image_size
    return known if known != (0, 0) else state.generator(state.model()).image_size


def cut(name: str, photo: np.ndarray) -> Source:
    """The part of a photo that the generator can hold, and the whole with that part outlined."""
    top, left, bottom, right = invert.crop_box((photo.shape[0], photo.shape[1]), size())
    inside = np.zeros(photo.shape[:2], bool)
    inside[top:bottom, left:right] = True
    whole = None if inside.all() else encode(gallery.outlined(photo, inside, side=SIDE // 2), "JPEG")
    return Source(name, invert.prepare(photo, size()), whole)


def scene(number: int) -> Source:
    shape = size()
    return state.remember("photo.scene", (number, shape), lambda: Source(
        f"held-out scene {number}", invert.prepare(invert.sample_scene(number, max(shape)), shape)))


def photograph(name: str) -> Source:
    known = samples.SAMPLES[name]
    return state.remember("photo.sample", (name, size()),
                          lambda: cut(f"{known.title} ({known.credit})", samples.load(name, max_side=1024)))


def uploaded() -> None:
    """Keeps a new upload for this visitor: only what the generator can hold of it."""
    sent = state.get("photo_file")
    if sent is None:
        return
    try:
        state.put("photo.upload", cut("your picture", decode(sent.getvalue(), max_side=1024)))
        state.put("photo.problem", "")
    except GanLabError as error:
        state.put("photo.problem", str(error))


def pick_scene() -> None:
    if (picked := cards.picked("photo_scenes")).isdecimal():
        state.put("scene", int(picked))


def pick_photo() -> None:
    state.put("photo", cards.picked("photo_photos"))


def choose() -> tuple[Source | None, int]:
    """The picture to bring in (a painted scene that no training saw, a photograph, or an upload) and how many steps to take."""
    source = st.segmented_control("Picture", SOURCES, default=SCENE, required=True, key="source", bind="query-params",
                                  label_visibility="collapsed")
    if source == SCENE:
        place = st.container()
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            number = st.number_input("Scene", 0, len(invert.SCENES) - 1, 0, key="scene", bind="query-params", width=190,
                                     help="A thousand scenes that neither the generator nor its encoder was trained on.")
            steps = pick_steps()
        items = [Card(str(n), f"scene {n}", picture=gallery.png(scene(n).target, 128), on=n == number,
                      title=f"Held-out scene {n}") for n in range(OFFERED)]
        with place:
            cards.row(items, "photo_scenes", label="Painted scenes that no training saw", side=104, on_pick=pick_scene)
        return scene(int(number or 0)), steps
    if source == PHOTO:
        known = samples.names()
        wanted = state.get("photo") or st.query_params.get("photo", "")
        name = wanted if wanted in known else known[0]
        items = [Card(n, samples.SAMPLES[n].title, picture=gallery.png(photograph(n).target, 128), on=n == name,
                      title=samples.SAMPLES[n].title) for n in known]
        cards.row(items, "photo_photos", label="Photographs that come with scikit-image", side=104, on_pick=pick_photo)
        steps = pick_steps()
        return photograph(name), steps
    st.file_uploader("A picture of your own (PNG, JPEG or WEBP)", type=["png", "jpg", "jpeg", "webp"], key="photo_file",
                     on_change=uploaded, max_upload_size=MAX_BYTES // 2**20)
    if state.get("photo.problem"):
        st.error(f"This file cannot be used: {frame.escape(state.get('photo.problem'))}", icon=":material/error:")
    return state.get("photo.upload"), pick_steps() if state.get("photo.upload") is not None else 0


def pick_steps() -> int:
    return int(st.segmented_control(
        "Steps of optimisation", STEPS, default="50", required=True, key="steps", bind="query-params",
        help="The encoder gives a start at once; gradient descent on the latent and on one layer's activations comes closer."))


# --- bringing it in -----------------------------------------------------------------------------------------------------------
def encoder_card() -> tuple[EncoderCard | None, str]:
    """The model's encoder, or why there is none."""
    try:
        return invert.encoder_card(state.model()), ""
    except GanLabError as error:
        return None, str(error)


def judge() -> Segmenter | None:
    """The segmenter that only ever scores, where the model has one."""
    names = zoo.card(state.model()).segmenters
    try:
        return state.segmenter(names[-1]) if names else None
    except GanLabError:
        return None


def known(run: Run) -> Brought | None:
    """An inversion that ships, or that this visitor made."""
    mine: dict[str, Brought] = state.get("photo.found", {})
    if run.key in mine:
        return mine[run.key]
    made = invert.brought(state.store(), run)
    return None if made is None else remembered(made)


def remembered(made: Brought) -> Brought:
    """Keeps the last few inversions of this visitor."""
    mine = {**state.get("photo.found", {}), made.run.key: made}
    state.put("photo.found", dict(list(mine.items())[-KEEP:]))
    return made


def work(target: np.ndarray, run: Run, card: EncoderCard | None, live: Live | None = None,
         start: Brought | None = None) -> Callable[[Report], Brought]:
    """What one inversion does; what it needs is loaded before it is queued."""
    encoder = state.encoder(state.model()) if card else None
    return invert.bringing(state.generator(state.model()), target, run, encoder=encoder, judge=judge(), live=live, start=start)


def bring(source: Source, steps: int, card: EncoderCard | None, why: str) -> Brought | None:
    """Shows the inversion of the picture: a stored one, or the start and the rest as a job with a live picture.

    An encoder gives the start at once. Without one 64 pictures are tried, which takes a large generator half a minute: a job too.
    None while there is no start.
    """
    def run(n: int) -> Run:
        model = state.model()
        return invert.photo_run(source.target, model=model, layer=card.layer if card else state.default_layer(model), steps=n,
                                generator=zoo.fingerprint(model), encoder=card.fingerprint if card else "")
    leave({run(0).key, run(steps).key})
    made = known(run(steps))
    if made is None:
        with st.spinner("Opening the generator …"):
            made = known(run(0)) or (remembered(invert.at_once(work(source.target, run(0), card))) if card else None)
        if made is None and not optimise(source, run(0), None):
            made = known(run(0))  # it was quick
        if made is None or steps and optimise(source, run(steps), card, made):
            return made
    outcome(source, made, card, why)
    return made


def optimise(source: Source, run: Run, card: EncoderCard | None, start: Brought | None = None) -> bool:
    """The job of an inversion, or of its start: begun by itself, shown while it runs, stopped with a button. Whether it runs."""
    steps = run.params["steps"]
    title = f"{steps} steps on {source.name}" if steps else f"A start for {source.name}"
    job = short.get(run.key)
    failed = job is not None and job.state == "failed"
    if job is not None and failed:
        st.error(f"{frame.escape(title)} failed: {frame.escape(job.error)}", icon=":material/error:")
    elif state.get("photo.stopped") == run.key:
        st.info("Stopped: below is the start alone." if steps else "Stopped: there is no start yet.", icon=":material/stop_circle:")
    if failed or state.get("photo.stopped") == run.key:
        st.button(f"Optimise {steps} steps" if steps else "Look for a start", icon=":material/play_arrow:", key="photo_again",
                  on_click=again, args=(run.key,))
        return False
    if job is None or not job.active:
        live = Live()
        try:
            job = invert.begin(run.key, title, work(source.target, run, card, live, start), live)
        except Busy as error:
            st.warning(frame.escape(str(error)), icon=":material/hourglass_top:")
            return False
        state.put("photo.mine", run.key)
        if not steps and invert.soon(job).state == "done":
            return False
    elif state.get("photo.mine") != run.key:  # somebody else brings the same picture in: one watcher more
        job.watchers += 1
        state.put("photo.mine", run.key)
    left, right = st.columns([5, 1], vertical_alignment="center")
    # not in the fragment: there, a click waits for the end of the page's own run, and is forgotten when another begins before
    right.button("Cancel", key="photo_cancel", icon=":material/stop:", on_click=stop, args=(run.key,))
    watch(run.key, source.target, left)
    return True


def leave(now: set[str]) -> None:
    """Another picture was chosen: the job of the one before is this visitor's no longer."""
    if state.get("photo.mine", "") not in {"", *now}:
        short.cancel(state.get("photo.mine"))
        state.drop("photo.mine")


def stop(key: str) -> None:
    if state.get("photo.mine") == key:  # once: a click may be sent twice
        state.put("photo.stopped", key)
        state.drop("photo.mine")
        short.cancel(key)


def again(key: str) -> None:
    state.drop("photo.stopped")
    short.forget(key)


@st.fragment(run_every=1.5)
def watch(key: str, target: np.ndarray, row: DeltaGenerator) -> None:
    """The running job: progress (in a row of its own), the present reconstruction, the error curve."""
    job = short.get(key)
    if job is None or not job.active:
        state.drop("photo.mine")
        st.rerun()
    live = invert.watched(job)
    row.progress(job.done / job.total if job.total else 0.0, text=progress_text(job, key))
    one, two, three = st.columns([1, 1, 1.25], gap="medium")
    with one:
        gallery.show(target, "Photo", side=SIDE, stretch=True)
    if live.shot is not None:
        with two:
            gallery.show(live.shot, f"After {live.curve[-1].step} steps: {live.curve[-1].psnr:.1f} dB", side=SIDE, stretch=True)
        with three:
            curve(live.curve, "photo_live_curve")


def progress_text(job: Job, key: str) -> str:
    if job.state == "queued":
        return f"{frame.escape(job.title)}: waiting, {short.position(key)} before it"
    left = f", {job.eta:.0f} s left" if job.eta is not None else ""
    return f"{frame.escape(job.title)}: {job.done} of {job.total}{left} · {frame.escape(job.note)}"


# --- what came of it ----------------------------------------------------------------------------------------------------------
def curve(steps: tuple[Step, ...], key: str) -> None:
    figure = charts.lines({"PSNR": ([s.step for s in steps], [s.psnr for s in steps])}, x_title="optimisation steps",
                          y_title="PSNR, dB", markers=len(steps) < 20, height=250)
    charts.show(figure, key, alt=f"Reconstruction error by step, from {steps[0].psnr:.1f} to {steps[-1].psnr:.1f} dB")


def outcome(source: Source, made: Brought, card: EncoderCard | None, why: str) -> None:
    """Reconstruction beside the photo, the verdict, the losses."""
    found = made.found
    left, right = st.columns([2, 1.25], gap="medium")
    with left:
        one, two = st.columns(2, gap="medium")
        with one:
            height, width = found.target.shape[:2]
            gallery.show(found.target, f"{source.name[0].upper()}{source.name[1:]}, {width} × {height}", side=SIDE, stretch=True)
            if source.whole is not None:
                with st.popover("What was kept", icon=":material/crop:"):
                    gallery.show(source.whole, "The largest centred part of the generator's shape is used")
        with two:
            how = f"{found.steps} steps" if found.steps else "encoder only" if card else "best of 64 random pictures"
            gallery.show(found.image, f"Reconstruction, {how}: {found.psnr:.1f} dB", side=SIDE, stretch=True)
        if len(found.curve) > 1:
            curve(found.curve, "photo_curve")
    with right:
        verdict(found, why)
    losses(made.losses)
    frame.caption(model=state.model(), layer=found.layer, steps=found.steps, start="encoder" if card else "64 random latents",
                  seconds=round(found.seconds, 1), picture=source.name)


def verdict(found: Inversion, why: str) -> None:
    """In domain or out of domain, and where the picture lies among those the threshold was set on."""
    domain = invert.load_domain(state.store(), state.model())
    if why:
        st.info(f"{frame.escape(why[0].upper() + why[1:])}. Until then the start is the best of 64 random pictures, and there "
                "is no in-domain verdict.", icon=":material/info:")
        return
    if domain is None:
        st.info("No calibration is stored for this encoder, so there is no in-domain verdict. Make one with "
                "`python -m core.training bundle encoder`.", icon=":material/info:")
        return
    value = invert.reading(found.target, found.start)
    inside = domain.verdict(value) == "in domain"
    scenes, others = domain.wrong
    sentence = (f"the encoder alone explains {max(0.0, value):.0%} of this picture's detail; the line between scenes and other "
                f"photographs lies at {domain.threshold:.0%} (dotted), with {scenes} of {len(domain.inside)} scenes and {others} of "
                f"{len(domain.outside)} photographs on the wrong side.")
    if inside:
        st.success(f"**In domain**: {sentence}", icon=":material/check_circle:")
    else:
        st.warning(f"**Out of domain**: {sentence} {OFF_DOMAIN}", icon=":material/report:")
    figure = charts.base("share of detail explained by the encoder alone", "pictures", height=230)
    bins = {"start": -0.5, "end": 1.0, "size": 0.05}
    for name, values, colour in ((f"{len(domain.inside)} held-out scenes", domain.inside, charts.CATEGORY_COLOURS["part"]),
                                 (f"{len(domain.outside)} other photographs", domain.outside, charts.NEUTRAL)):
        figure.add_histogram(x=[max(-0.49, v) for v in values], xbins=bins, name=name, marker_color=colour, opacity=0.75)
    figure.update_layout(barmode="overlay", bargap=0.05)
    charts.mark(figure, domain.threshold, colour=charts.NEUTRAL, dash="dot")
    charts.mark(figure, max(-0.49, value), "this picture")
    charts.show(figure, "photo_domain",
                alt=f"Share of detail explained by the encoder: this picture {value:.2f}, threshold {domain.threshold:.2f}")
    figures = invert.load_quality(state.store(), state.model())
    if figures:
        st.caption("Median over held-out scenes: " + "; ".join(f.summary for f in figures) + ".")


def losses(rows: list[Loss] | None) -> None:
    """What the GAN cannot draw: classes that the reconstruction alone loses or invents."""
    st.markdown("**What the GAN cannot draw** (no edit yet)")
    if rows is None:
        st.caption("No segmenter is known for this model, so nobody can say which classes the reconstruction loses.")
        return
    gone = [r for r in rows if r.after < 0.5 * r.before]
    if gone:
        named = ", ".join(f"{frame.escape(r.label)} ({r.before:.1%} → {r.after:.1%})" for r in gone[:5])
        st.markdown(f"Lost by the reconstruction alone: {named}. Their absence after an edit is no removal.")
    else:
        st.markdown("No class loses half of its area in the reconstruction.")
    st.dataframe([{"class": r.label, "photo": r.before, "reconstruction": r.after, "change": r.after - r.before} for r in rows],
                 hide_index=True, height=215, column_config={name: st.column_config.NumberColumn(name, format="percent")
                                                             for name in ("photo", "reconstruction", "change")})


# --- painting on it -----------------------------------------------------------------------------------------------------------
def here() -> easel.Easel:
    return state.get("photo.easel")[1]


def keep(new: easel.Easel) -> None:
    state.put("photo.easel", (state.get("photo.easel")[0], new))


def canvas_key(picture: str) -> str:
    return f"photo_canvas_{picture[:12]}"


def change(make: Callable[[easel.Easel], easel.Easel]) -> None:
    """One change of the strokes, after what the canvas sent along with it; what cannot be done is said, and nothing is lost."""
    try:
        keep(make(easel.up_to_date(here(), canvas.sent(canvas_key(state.get("photo.easel")[0][1])))))
        state.put("photo.trouble", "")
    except GanLabError as error:
        state.put("photo.trouble", str(error))


def set_up(made: Brought, layer: str) -> None:
    """An easel for this picture; the strokes stay when the layer or the number of steps changes."""
    which = (state.model(), made.run.params["picture"])
    narrow = window.follow({}, "photo_window", guess=window.likely_narrow())
    scale = canvas.scale_for(made.found.target.shape[:2], "M", narrow=narrow)
    if state.get("photo.easel", (None,))[0] != which:
        state.put("photo.easel", (which, easel.mounted(easel.start(Painting(state.model(), layer, 0)), scale)))
    elif state.get(SHOWN) is None:  # the canvas is new on the page
        keep(easel.mounted(here(), scale))
    elif scale != here().scale:
        keep(easel.show(here(), scale=scale))
    if here().now.layer != layer:
        change(lambda e: easel.step(e, replace(e.now, layer=layer)))


def rankings(painting: Painting) -> dict[str, Ranking]:
    """Causal rankings that are stored for the strokes' classes."""
    names = sorted({s.brush for s in painting.strokes})
    found = {name: state.ranking(painting.model, painting.layer, name, "ace") for name in names}
    return {name: ranking for name, ranking in found.items() if ranking is not None}


def edited(made: Brought, painting: Painting, d: Dissection) -> Edited:
    """The photo with the strokes; the newest one is kept for this visitor."""
    if not painting.visible:
        return invert.untouched(made.found)
    key = made.key(painting, d)
    held = state.get("photo.edited")
    if held is None or held[0] != key:
        with interactive():
            held = (key, invert.edit(state.generator(painting.model), made.found, painting, d, rankings(painting)))
        state.put("photo.edited", held)
    return held[1]


def corrected(made: Brought, painting: Painting, d: Dissection) -> Edited | None:
    """The same with late layers adapted to the photo: a job; None until it is done."""
    key = made.key(painting, d)
    held = state.get("photo.corrected")
    if held is not None and held[0] == key:
        return held[1]
    try:
        job = invert.adapting(key, state.generator(painting.model), made.found, painting, d, rankings(painting))
    except Busy as error:
        st.warning(frame.escape(str(error)), icon=":material/hourglass_top:")
        return None
    if job.state == "done":
        state.put("photo.corrected", (key, job.result))
        return job.result
    if job.state == "failed":
        st.error(f"The late layers could not be adapted: {frame.escape(job.error)}", icon=":material/error:")
        return None
    wait(key)
    return None


@st.fragment(run_every=1.5)
def wait(key: str) -> None:
    job = short.get(key)
    if job is None or not job.active:
        st.rerun()
    st.progress(job.done / job.total if job.total else 0.0, text=progress_text(job, key))


def pick_class() -> None:
    if (name := state.get("photo_other")) is not None:
        state.put("photo.brush", name)


def pick_brush() -> None:
    state.put("photo.brush", cards.picked("photo_brushes"))


def brush_settings(d: Dissection, side: int) -> tuple[Style, str, float]:
    """Brush, mode, tool, size, number of units, strength of the next stroke."""
    names = [label.name for label in d.labels[1:]]
    shown = [c for c in CLASSES if c in names] or names[:8]
    chosen = state.get("photo.brush")
    if chosen not in names:
        chosen = "tree" if "tree" in shown else shown[0]
    items = [Card(c, c, colour=colours.BRUSH_COLOURS.get(c, colours.NEUTRAL), letter=LETTERS.get(c, ""), on=c == chosen,
                  title=f"Brush: {c}") for c in (shown if chosen in shown else [*shown, chosen])]
    cards.row(items, "photo_brushes", label="Brushes", wrap=True, on_pick=pick_brush)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        mode = st.segmented_control("Mode", ["remove", "draw"], default="remove", required=True, key="photo_mode",
                                    format_func=str.capitalize, persist_state="session")
        tool = st.segmented_control("Tool", list(TOOLS), default="free", required=True, key="photo_tool",
                                    format_func=TOOLS.__getitem__, persist_state="session")
        units = st.segmented_control("Units", AMOUNTS, default=USUAL, required=True, key="photo_units",
                                     persist_state="session", help="How many of the class's units a stroke acts on, best first.")
        width = st.slider("Brush size (pixels)", 1, side // 2, side // 6, key=f"photo_size_{side}", width=190,
                          persist_state="session")
        strength = st.slider("Strength", 0.0, 1.0, 1.0, 0.05, key="photo_strength", width=160, persist_state="session")
        st.selectbox("Another class", names, index=None, key="photo_other", placeholder="All classes", width=190,
                             on_change=pick_class)
    causal = state.ranking(d.run.params["model"], d.layer, chosen, "ace") is not None
    return Style(chosen, mode, min(int(units), len(d.q99)), strength, "q99", "ace" if causal else "iou"), tool, float(width)


def move(step: str) -> None:
    def act(e: easel.Easel) -> easel.Easel:
        t = e.timeline
        if step == "reset":
            return easel.step(e, e.now.on(0, keep=False))
        return easel.set_now(e, t.undo() if step == "undo" else t.redo())
    change(act)


def show_strokes() -> None:
    change(lambda e: easel.show(e, veiled=not state.get(SHOWN)))


def actions() -> bool:
    """Undo, redo, reset; whether the late layers are to be adapted."""
    t = here().timeline
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Undo", icon=":material/undo:", shortcut="Ctrl+Z", key="photo_undo", disabled=not t.can_undo, on_click=move,
                  args=("undo",))
        st.button("Redo", icon=":material/redo:", shortcut="Ctrl+Y", key="photo_redo", disabled=not t.can_redo, on_click=move,
                  args=("redo",))
        st.button("Reset", icon=":material/restart_alt:", key="photo_reset", disabled=not t.now.strokes, on_click=move,
                  args=("reset",))
        st.toggle("Show strokes", value=True, key=SHOWN, on_change=show_strokes)
        return st.toggle("Adapt late layers to the photo", key="photo_adapt", persist_state="session",
                         help="Learns a gain and an offset for every unit of the later layers, so that the edited picture agrees "
                              "with the photo outside the strokes; takes a few seconds for each change (Bau et al. 2019, §3.2).")


@st.fragment
def studio(made: Brought, d: Dissection, name: str) -> None:
    """Canvas and result side by side; below them the control: the reconstruction alone in the same strokes."""
    news = st.container()  # always there, so that what comes and goes in it never moves the canvas, which would empty it
    if state.get("photo.trouble"):
        news.error(frame.escape(state.get("photo.trouble")), icon=":material/error:")
    try:
        style, tool, width = brush_settings(d, max(made.found.target.shape[:2]))
        adapt = actions()
        painting = here().now
        result = edited(made, painting, d)
        if adapt and painting.visible:
            with news:
                result = corrected(made, painting, d) or result
    except GanLabError as error:
        frame.failed(error, "This photo could not be edited")
        return
    new, colour = easel.with_style(here(), style)
    keep(new)
    left, right = st.columns(2, gap="medium")
    with left:
        key = canvas_key(made.run.params["picture"])
        canvas.draw(result.image, key=key, tool=tool, colour=colour, size=width, scale=new.scale, load=new.load,
                    on_change=lambda: change(lambda e: easel.arrived(e, canvas.sent(key))))
    with right:
        st.space(canvas.HEAD)  # level with the canvas
        wipe.wipe(made.found.target, result.image, "photo_result", labels=("photo", "edited"), at=50 if painting.visible else 0,
                  max_side=round(new.scale * max(result.image.shape[:2])))
    if not painting.visible:
        st.caption("Draw on the left picture. Only pixels under a stroke change; all others stay those of the photo.")
        return
    compare(made, painting, result, name)


def compare(made: Brought, painting: Painting, result: Edited, name: str) -> None:
    """Photo, reconstruction only, edit: the same strokes, and how much of the brushes' classes each has left in them."""
    st.markdown("**Was it the edit?** The middle picture has the plain reconstruction in the same strokes: what is already "
                "missing there was lost by the generator, not removed by you.")
    scorer = judge()
    seen: list[dict[str, float]] = [{}, {}, {}]
    if scorer is not None:
        key = (made.run.key, painting.to_json(), sha256(result.image.tobytes()).hexdigest())
        pictures = [made.found.target, result.control, result.image]
        seen = state.remember("photo.shares", key, lambda: invert.shares(scorer, pictures, result.mask))
    brushes = [b for b in dict.fromkeys(s.brush for s in painting.visible) if b in seen[0]]
    for place, title, picture, share in zip(st.columns(3, gap="medium"), ("Photo", "Reconstruction only", "Edited"),
                                            (made.found.target, result.control, result.image), seen, strict=True):
        with place:
            gallery.show(picture, title, side=SIDE, stretch=True)
            st.caption(" · ".join(f"{frame.escape(b)} in the strokes: {share[b]:.0%}" for b in brushes) or "not scored")
    with st.container(horizontal=True):
        gallery.download(result.image, "photo-edited.png", "Edited picture", key="photo_download")
        gallery.download(gallery.strip([made.found.target, result.control, result.image]), "photo-comparison.png", "All three",
                         key="photo_download_all")
    frame.caption(model=painting.model, layer=painting.layer, picture=name, strokes=len(painting.visible),
                  units_ranked_by=" and ".join(sorted({{"ace": "average causal effect", "iou": "IoU"}.get(c.by, "hand")
                                                       for c in result.chosen})), scored_by="the judge, which chose nothing")


def paint_on(made: Brought, name: str) -> None:
    """The studio, when the layer can be edited and is dissected."""
    st.subheader("Edit it", anchor=False)
    news = st.container()
    order, layer = list(state.layers(state.model())), state.layer()
    if layer not in order or order.index(layer) < order.index(made.found.layer):
        news.info(f"A photo is known to the generator from {made.found.layer} on, so {layer} cannot be edited. Painting uses "
                  f"{made.found.layer} instead; choose it or a later layer in the sidebar.", icon=":material/info:")
        layer = made.found.layer
    d = state.dissection(state.model(), layer)
    if d is None:
        st.info(f"{layer} of {state.model()} has not been dissected yet, so it is not known which units draw what.",
                icon=":material/search:")
        pickers.go("layers", "Dissect it on the Layers page")
        return
    set_up(made, layer)
    studio(made, d, name)


# --- the page -----------------------------------------------------------------------------------------------------------------
frame.begin("Photo", "Bring a picture into the generator, see what it can and cannot redraw, and edit it there: nothing outside "
            "your strokes changes.")
try:
    card, why = encoder_card()
    source, steps = choose()
    if source is None:
        st.info("Choose a picture: the largest centred part of it is shrunk to what the generator draws. It stays in this "
                "session and is never written to disk.", icon=":material/upload:")
    else:
        with st.container():  # always there: see `studio`
            brought = bring(source, steps, card, why)
        if brought is not None:
            paint_on(brought, source.name)
except GanLabError as error:
    frame.failed(error, "The photo page cannot be shown")
    pickers.go("models", "Models")
