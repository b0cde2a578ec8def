"""One mask, every method: GAN edits and inpainting side by side, on generated pictures, on photos, and where truth is known."""
from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from core import compare, invert, zoo
from core.compare import Board, GanEdit, Question
from core.dissect import Dissection, Pictures
from core.errors import BadInput, Busy, GanLabError
from core.image import decode
from core.inpaint import default_grow, samples
from core.jobs import interactive
from core.segment import Label
from pages.parts import answers, evidence, frame, gallery, masks, pickers, state, vote

TABS = ("Same picture, all methods", "Real photos", "Known holes", "The report's table")
SOURCES = ("Class", "Drawn", "File")
BEST = "the class's best"
PHOTO_SIDE = 1600
KINDS = ["png", "jpg", "jpeg", "webp"]


# --- same picture, all methods ----------------------------------------------------------------------------------------------
def same_picture() -> None:
    model, layer = state.model(), state.layer()
    dissection = pickers.dissected(model, layer)
    pictures = state.pictures(model)
    left, right = st.columns([2, 3], gap="large")
    with left:
        name = pickers.label(dissection, default="tree", title="Class to remove")
        seed = pickers.seed(default=compare.usual_seed(dissection, pictures, name), label="Picture (seed)")
        source = st.segmented_control("Mask", SOURCES, default="Class", key="mask", bind="query-params", required=True,
                                      help="Class: where the dissector sees it. Drawn: painted by hand. File: a saved PNG.")
        units, chosen_by = units_off(dissection, name)
        usual = default_grow(zoo.card(model).image_size)
        grow = int(st.slider("Mask grows by, px", 0, 12, usual, key="grow", bind="query-params",
                             help="The same for every method. Too tight a mask leaves a fringe of the old thing; too wide a "
                                  "one asks for more than is needed."))
    gan = GanEdit(model, layer, seed, units)
    with right:
        if source == "Class":
            key = compare.find(state.store(), gan, name, grow, generator=zoo.fingerprint(model))
            board = stored(key) if key else None
        else:
            key, board = "", None
        try:
            question = board.question if board else ask(gan, name, grow, source or "Class", pictures, dissection)
        except GanLabError as error:
            frame.failed(error, "There is nothing to compare yet")
            return
        if source != "Drawn":
            outlined = gallery.outlined(question.before, question.mask, side=384, dim=0.8)
            gallery.show(outlined, side=384, alt="The picture with its mask outlined")
        masks.save(question.mask, key="same", name=f"mask-{model}-{seed}.png")
    settings = {"model": model, "layer": layer, "seeds": seed, "class_": name, "mask": f"{source or 'Class'}".lower(),
                "units": f"{len(units)} {chosen_by}", "grown by": f"{grow} px", "judge": judge_name(model) or "none"}
    if board is None:
        board = measured(question, gan, at_once=source != "Drawn", chooser=dissection.run.inputs.get("segmenter", ""),
                         keep=source == "Class")
    if board is not None:
        results(board, "same", dissection.labels)
    frame.caption(**{k.rstrip("_"): v for k, v in settings.items()})  # type: ignore[arg-type]


def units_off(d: Dissection, name: str) -> tuple[tuple[int, ...], str]:
    """The units that the GAN edit switches off, and how they were chosen: the class's best, or a set of the basket."""
    sets = {s.name: s.units for s in state.basket_here()}
    picked = BEST
    if sets:
        picked = st.selectbox("Units", [BEST, *sets], key="units.of", help="The class's best, or a set you put into the basket.")
    if picked in sets:
        return sets[picked], f"of the basket, {picked}"
    count = int(st.number_input("Units switched off", 1, len(d.iou), min(20, len(d.iou)), key="n", bind="query-params",
                                help="The class's best units: by causal effect where it is known."))
    units, ranked_by = compare.best_units(d, state.ranking(state.model(), d.layer, name, "ace"), name, count)
    return units, f"by {ranked_by}"


def ask(gan: GanEdit, name: str, grow: int, source: str, pictures: Pictures | None, d: Dissection) -> Question:
    """The generator's picture of the seed with the chosen mask. Loads the generator. Raises GanLabError."""
    before = plain(gan.model, gan.seed)
    size = (before.shape[0], before.shape[1])
    if source == "Drawn":
        mask, avoid = masks.editor(before, key="same", about=f"{gan.model}:{gan.seed}", keep_out=True)
        if not mask.any():
            raise BadInput("paint over what should go, then compare")
        return Question(before, mask, name, grow, avoid=avoid)
    if source == "File":
        mask = masks.reuse(size, key="same")
        if mask is None:
            raise BadInput("put in a mask file: a PNG of the picture's size, white = fill")
        return Question(before, mask, name, grow)
    mask = class_mask(gan.model, before, d.label(name), gan.seed, pictures)
    if not mask.any():
        raise BadInput(f"the dissector sees no {name} in the picture of seed {gan.seed}; take another seed, or draw the mask")
    return Question(before, mask, name, grow)


def class_mask(model: str, before: np.ndarray, label: Label, seed: int, pictures: Pictures | None) -> np.ndarray:
    """Where the dissector sees the class: from the stored label maps, else by asking it."""
    if pictures is not None and pictures.has(seed) and pictures.segmentation(seed).shape[1:] == before.shape[:2]:
        return compare.mask_of(pictures.segmentation(seed), label.id)
    chooser = zoo.card(model).segmenters[0]
    maps = state.remember("compare.maps", (model, zoo.fingerprint(model), chooser, seed),
                          lambda: compare.label_maps(state.segmenter(chooser), before))
    return compare.mask_of(maps, label.id)


def plain(model: str, seed: int) -> np.ndarray:
    """The generator's picture of a seed."""
    def make() -> np.ndarray:
        generator = state.generator(model)
        with interactive():
            return compare.plain(generator, seed)
    return state.remember("compare.plain", (model, zoo.fingerprint(model), seed), make)


def judge_name(model: str) -> str:
    """The segmenter that only scores, "" for a model that has no second one."""
    known = zoo.card(model).segmenters
    return known[1] if len(known) > 1 else ""


def stored(key: str) -> Board | None:
    """A kept comparison."""
    return state.remember("compare.stored", (key,), lambda: compare.load(state.store(), key))


def measured(question: Question, gan: GanEdit, *, at_once: bool, chooser: str, keep: bool) -> Board | None:
    """The board of a comparison that runs or has run in this server; starts it at once, or on a button."""
    settings = repr((gan, question.label, question.grow)).encode()
    key = f"compare:{hashlib.sha256(settings).hexdigest()[:24]}:{compare.mark(question.before, question.mask, question.avoid)}"
    job = compare.job(key)
    names = compare.methods()
    pressed = False
    if not at_once and (job is None or job.state in ("cancelled", "failed")):
        pressed = st.button("Compare all methods", key="same.go", type="primary", icon=":material/compare:")
    if (job is None and at_once) or pressed:
        judge = state.segmenter(judge_name(gan.model)) if judge_name(gan.model) else None
        generator = state.generator(gan.model)
        run = compare.run_of(gan, question.label, question.grow, generator=generator.fingerprint, chooser=chooser,
                             judge=judge.fingerprint if judge else "")
        try:
            job = compare.submit(key, question, names, gan=gan, generator=generator, judge=judge,
                                 keep_as=(state.store(), run) if keep else None)
        except Busy as error:
            frame.failed(error)
            return None
    return followed(key, "same", len(names), at_once)


def followed(key: str, view: str, expected: int, at_once: bool = True) -> Board | None:
    """The board of a job when it is done; meanwhile its answers as they come in."""
    job = compare.job(key)
    if job is None:
        return None
    if job.active:
        answers.live(key, view, expected)
        return None
    if job.state == "failed":
        frame.failed(BadInput(job.error), "The comparison failed")
    if job.state == "cancelled":
        st.info("Cancelled; what was finished is kept.", icon=":material/cancel:")
    if job.state != "done" and at_once and st.button("Compare again", key=f"{view}.again", icon=":material/replay:"):
        compare.forget(key)
        st.rerun()
    return job.result if isinstance(job.result, Board) and job.result.answers else None


def results(board: Board, key: str, labels: tuple[Label, ...] = ()) -> None:
    """Everything about the answers, and a place below to put in one's own."""
    shown, below = st.container(), st.container()
    with below:
        board = put_in(board, key)
    with shown:
        everything(board, key, labels)


def everything(board: Board, key: str, labels: tuple[Label, ...]) -> None:
    """Pictures, a wipe between any two, all scores."""
    st.subheader("Every method, the same hole", anchor=False)
    view = answers.view_of(board, key, labels)
    answers.grid(board, view, key=key)
    if view.what == "Segmentation":
        seen = {int(i) for a in board.answers if a.labels is not None for i in np.unique(a.labels[0])}
        gallery.legend({x.name: view.labels[x.id] for x in labels[1:] if x.id in seen})
    left, right = st.columns([3, 4], gap="large")
    with left:
        st.subheader("Any two, one over the other", anchor=False)
        answers.slider(board, view, key=key)
    with right:
        st.subheader("All scores", anchor=False)
        answers.table(board, key=key)
        answers.downloads(board, key=key)
    vote.ask(board, view.part, key=key)


def put_in(board: Board, key: str) -> Board:
    """The board with a result made elsewhere as one more column, for this visitor only."""
    question = board.question
    with st.expander("Put in a result of your own (Photoshop, another program)", icon=":material/add_photo_alternate:"):
        st.markdown("Save the picture and the mask, fill the hole with any program, and put the result in here.")
        gallery.download(question.before, "picture.png", "Picture", key=f"{key}.before")
        left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
        sent = left.file_uploader("Result, at the picture's size", type=KINDS, key=f"{key}.own", max_upload_size=8)
        name = middle.text_input("Made with", "Photoshop", key=f"{key}.own.name", max_chars=40)
        minutes = right.number_input("Minutes of a person", 0.0, 600.0, 5.0, 0.5, key=f"{key}.own.minutes")
        if sent is None:
            return board
        try:
            judge = state.segmenter(judge_name(state.model())) if key == "same" and judge_name(state.model()) else None
            made = compare.own_answer(question, decode(sent.getvalue()), float(minutes or 0), name or "Own result", judge)
            return board.plus(made)
        except GanLabError as error:
            frame.failed(error, "The result cannot be used")
            return board


# --- real photos ------------------------------------------------------------------------------------------------------------
def real_photos() -> None:
    image, about, start, credit = photo()
    if image is None:
        return
    source = st.segmented_control("Mask", SOURCES[1:], default="Drawn", key="photo.mask", required=True,
                                  help="Drawn: painted by hand. File: a saved PNG.")
    left, right = st.columns([3, 2], gap="large")
    size = (image.shape[0], image.shape[1])
    with left:
        if source == "File":
            mask, avoid = masks.reuse(size, key="photo"), None
            mask = np.zeros(size, bool) if mask is None else mask
            gallery.show(gallery.outlined(image, mask, side=masks.ROOM, dim=0.8), side=masks.ROOM,
                         alt="The photo with its mask outlined")
        else:
            mask, avoid = masks.editor(image, key="photo", about=about, keep_out=True, start=start)
    with right:
        st.markdown("Put in a mask of the picture's size: white is filled." if source == "File" else
                    "Paint over what should go. Paint **keep out** over what must not be copied into the hole.")
        usual = default_grow(size)
        grow = int(st.slider("Mask grows by, px", 0, 40, usual, key=f"photo.grow.{usual}", help="The same for every method."))
        with st.container(horizontal=True):
            go = st.button("Compare all methods", key="photo.go", type="primary", icon=":material/compare:",
                           disabled=not mask.any())
            masks.save(mask, key="photo")
        st.caption(f"{credit} {image.shape[1]} × {image.shape[0]} px.")
    why = gan_note()
    if not mask.any():
        return
    question = Question(image, mask, grow=grow, avoid=avoid)
    key = f"photo:{compare.mark(image, mask, avoid)}:{grow}:" + ("" if why else zoo.fingerprint(state.model()))
    names = [n for n in compare.methods(gan=False, photo=not why) if n != compare.BEFORE]
    job = compare.job(key)
    if go and (job is None or not job.active):
        compare.forget(key)
        try:
            compare.submit(key, question, names, redrawer=None if why else redrawer())
        except GanLabError as error:
            frame.failed(error)
    board = followed(key, "photo", len(names), at_once=False)
    if board is not None:
        results(board, "photo")


def redrawer() -> compare.Redrawer:
    """What brings a photo into the chosen generator. Raises GanLabError."""
    name = state.model()
    return compare.Redrawer(state.generator(name), state.encoder(name), invert.load_domain(state.store(), name))


def gan_note() -> str:
    """What the GAN's column can and cannot be, on a photo; gives the reason when there is none."""
    title, why = frame.escape(zoo.card(state.model()).title), ""
    try:
        invert.encoder_card(state.model())
        told = (f"**The GAN's column** shows the photo as {title} redraws it. It knows its own world only: for a photo out of its "
                "domain that is another picture, and the column says so. To edit a photo with its units:")
    except GanLabError as error:
        why = str(error)
        told = f"**No GAN column here.** {title} draws its own world only, and nothing brings a photo into it yet: {frame.escape(why)}."
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(told)
        pickers.go("photo", "Bring a photo into the generator")
    return why


def photo() -> tuple[np.ndarray | None, str, tuple[masks.Mark, ...], str]:
    """The chosen picture, a name for it, marks to start with, and whose it is."""
    left, right = st.columns([1, 1], gap="large")
    known = samples.names()
    chosen = left.selectbox("Sample", known, format_func=lambda n: f"{samples.SAMPLES[n].title}: {samples.SAMPLES[n].thing}",
                            key="photo.sample", persist_state="session")
    sent = right.file_uploader("Or a photo of your own", type=KINDS, key="photo.file", max_upload_size=8,
                               help=f"It stays in this server's memory while you are here. Shrunk to {PHOTO_SIDE} px; "
                                    "`python -m core inpaint run` works at full size, to 25 megapixels.")
    try:
        if sent is not None:
            data = sent.getvalue()
            return decode(data, max_side=PHOTO_SIDE), hashlib.sha256(data).hexdigest(), (), "Your picture."
        if chosen is None:
            return None, "", (), ""
        image = samples.load(chosen)
        sample = samples.SAMPLES[chosen]
        outline = np.array(sample.outline) * (image.shape[1], image.shape[0])
        credit = f"{sample.title}: {sample.credit}. Good for {sample.good_for}."
        return image, f"sample:{chosen}", masks.from_outline(outline), credit
    except GanLabError as error:
        frame.failed(error, "The picture cannot be used")
        return None, "", (), ""


# --- the page ---------------------------------------------------------------------------------------------------------------
frame.begin("Compare", "Remove one thing from one picture with every method, and see what each costs, leaves and spoils.")
tabs = st.tabs(TABS, key="tab", bind="query-params", on_change="rerun")
for tab, body in zip(tabs, (same_picture, real_photos, evidence.known_holes, evidence.report_table), strict=True):
    if tab.open:
        with tab:
            try:
                body()
            except GanLabError as problem:
                frame.failed(problem)
