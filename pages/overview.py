"""The idea in pictures: what a unit is, how it gets its name, and what happens to the picture when it is switched off."""
from __future__ import annotations

import numpy as np
import streamlit as st

from core import survey
from core.dissect import Dissection, Pictures
from core.errors import GanLabError
from core.image import resize
from core.jobs import interactive
from pages.parts import colours, frame, gallery, pickers, state

FAVOURITES = ("tree", "door", "grass", "dome", "window", "cloud")
TOUR = (("layers", "Layers", "Which classes the units of each layer stand for, and what changes with depth."),
        ("units", "Units", "Every unit with its top images; one unit in full, with a live threshold."),
        ("causes", "Causes", "Which units cause a class: rankings, curves, controls."),
        ("artifacts", "Artifacts", "Units that spoil pictures, and the pictures without them."),
        ("paint", "Paint", "Draw trees, doors or sky into a picture by switching units on."),
        ("compare", "Compare", "One region, every method: GAN edit and inpainting side by side."),
        ("photo", "Photo", "A photo of your own, brought into the generator."),
        ("models", "Models", "Models, downloads, stored runs and running jobs."))


def favourite(d: Dissection) -> str:
    """The class the page tells its story with: a well-known one that units of this layer stand for."""
    led = [x.name for x, _ in survey.distribution(d, survey.CUTS["iou"])]
    known = [x.name for x in d.labels[1:]]
    return next((n for n in FAVOURITES if n in led), next((n for n in FAVOURITES if n in known), led[0] if led else known[0]))


def one_unit(d: Dissection, pictures: Pictures, name: str) -> None:
    """A feature map becomes a region, the region is compared with the segmentation, the overlap is the IoU."""
    unit = d.units_for(name, 1)[0]
    column = d.column(name)
    seed = first_with(d, pictures, name)
    if not pictures.has(seed):
        return
    k = [int(s) for s in d.top_seeds[unit]].index(seed)
    image, act = gallery.fitted(pictures.image(seed), 256), d.top_acts[unit, k]
    size = (image.shape[0], image.shape[1])
    label = d.labels[column]
    seen = survey.of_category(d, pictures.segmentation(seed), label.category)
    truth = gallery.coloured(seen, {label.id: colours.label_colour(name, label.id)})
    steps = ((image, f"1 · Picture of seed {seed}", "The generator turns random numbers into this picture."),
             (gallery.heat(act, size), f"2 · Unit {unit}", f"One of the {len(d.iou)} feature maps of {d.layer}."),
             (gallery.outlined(image, act, float(d.levels[unit])), "3 · Its region", "Where it is among its own top 1 %."),
             (resize(truth, size, nearest=True), f"4 · {name}", "What a segmentation network sees there."))
    for place, (picture, title, text) in zip(st.columns(4), steps, strict=True):
        with place:
            st.image(gallery.png(picture), width="stretch", alt=f"{title}. {text}")
            st.markdown(f"**{title}**  \n{text}")
    iou = float(d.iou[unit, column])
    named = int(survey.passing(d, survey.CUTS["iou"]).sum())
    st.markdown(f"Over {d.run.params['images']} pictures, the overlap of 3 and 4 divided by their union is this unit's "
                f"**IoU with {name}: {iou:.2f}** (at most {d.ceiling(label, unit):.2f} is possible at this threshold). "
                f"{named} of the {len(d.iou)} units of {d.layer} have a class in this sense.")
    frame.caption(model=state.model(), layer=d.layer, unit=unit, seeds=seed, level=float(d.levels[unit]))


@st.fragment
def switch_off(d: Dissection, pictures: Pictures | None, name: str) -> None:
    """Intervention, live: the class's units set to zero in one picture."""
    left, right = st.columns([2, 3], gap="large")
    with left:
        seed = pickers.seed("seed", default=first_with(d, pictures, name), label="Picture (seed)")
        count = st.slider(f"Units for {name}, best first", 1, min(40, len(d.iou)), min(20, len(d.iou)), key="n")
        off = st.toggle(f"Switch off the {name} units", key="off")
        units = d.units_for(name, count)
        st.caption(f"Units {', '.join(map(str, units[:12]))}{' …' if len(units) > 12 else ''} of {d.layer} set to 0, everywhere.")
    with right:
        if not off and pictures is not None and pictures.has(seed):
            gallery.before_after(pictures.image(seed), pictures.image(seed), ("As generated", "All units on"), side=320)
        else:
            try:
                before, after = changed(seed, d.layer, units if off else ())
            except GanLabError as error:
                frame.failed(error, "This picture could not be made")
                return
            title = f"{count} {name} units off" if off else "All units on"
            gallery.before_after(before, after, ("As generated", title), side=320)
    frame.caption(model=state.model(), layer=d.layer, seeds=seed, units=f"{count} best for {name} by IoU", value=0 if off else "")


def changed(seed: int, layer: str, units: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    from core import probe

    generator = state.generator(state.model())
    with interactive():
        return probe.switched_off(generator, seed, layer, units)


def first_with(d: Dissection, pictures: Pictures | None, name: str) -> int:
    """A seed whose picture shows the class: of the top images of its best unit, the one by brightest daylight."""
    seeds = [int(s) for s in d.top_seeds[d.units_for(name, 1)[0]]]
    stored = [s for s in seeds if pictures is not None and pictures.has(s)]
    return max(stored, key=lambda s: float(pictures.image(s).mean())) if pictures is not None and stored else seeds[0]


frame.begin("GAN Dissection", "See which unit of a generator draws what, switch units off, and paint with them.")
model, layer = state.model(), state.layer()
album = state.pictures(model)
dissection = pickers.dissected(model, layer)
story = favourite(dissection)
if album is not None:
    with st.container(horizontal=True, gap="xsmall"):
        for first in album.seeds[:6]:
            st.image(gallery.png(gallery.fitted(album.image(int(first)), 128)), alt=f"Picture of seed {int(first)}")
    frame.caption(model=model, seeds=", ".join(str(int(s)) for s in album.seeds[:6]), choice="none, the first six")
    st.header("A unit, and how it gets its name", anchor=False)
    one_unit(dissection, album, story)
st.header("Does it matter? Switch it off", anchor=False)
st.markdown(f"A match is not yet a cause. Intervention is: set the units that match **{story}** to zero and let the rest of the "
            "generator finish the picture.")
switch_off(dissection, album, story)
st.header("Where to go", anchor=False)
with st.container(horizontal=True, gap="medium"):
    for page, title, text in TOUR:
        if frame.present(page):
            with st.container(width=300, border=True):
                pickers.go(page, title)
                st.caption(text)
