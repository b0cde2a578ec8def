"""Concepts for a model that no segmenter knows: paint where something is on a few pictures, or let clustering find regions."""
from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from core import zoo
from core.errors import BadInput, GanLabError
from core.jobs import interactive, short
from core.segment import saved
from core.units import UnitSet
from pages.parts import canvas, frame, gallery, job_panel, pickers, state, window

if TYPE_CHECKING:
    from core.jobs import Report
    from core.segment.concepts import Painted

COLOUR = "#D1495B"
TOOLS = {"free": ":material/brush:", "polygon": ":material/pentagon:", "rect": ":material/rectangle:"}
KEPT = "concepts.kept"
Regions = dict[tuple[int, str], np.ndarray]


def section() -> None:
    """The whole section; needs the generator, so it is opened here."""
    model = state.model()
    st.markdown("Paint where something is on a few pictures and give it a name. What you painted becomes labels: units are ranked by "
                "it at once, and a small classifier learns to find it on any picture of this model, so that dissection, causes "
                "and paint work with it.")
    try:
        generator = state.generator(model)
    except GanLabError as error:
        frame.failed(error, f"{model} could not be opened")
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        paint(generator)
    with right:
        kept = regions(model)
        tray(generator, kept)
        if kept:
            rank(generator, kept)
            learn(model, kept)
    with st.expander("No idea what to paint? Let clustering find regions", icon=":material/scatter_plot:"):
        clusters(model)
    stored(model)


def regions(model: str) -> Regions:
    """What this visitor painted for a model: (seed, concept) -> bool (H,W)."""
    return dict(state.get(KEPT, {}).get(model, {}))


def keep(model: str, new: Regions) -> None:
    """Replaces what was painted for a model."""
    state.put(KEPT, {**state.get(KEPT, {}), model: new})


def picture(generator: Any, seed: int) -> np.ndarray:
    """The picture of a seed, uint8 (H,W,3); made once."""
    def make() -> np.ndarray:
        import torch

        from core.image import to_u8

        with interactive(), torch.inference_mode():
            z = generator.z_for_seeds([seed])
            return to_u8(generator.span(z, None, None, z))[0]
    return state.remember("concepts.picture", (generator.name, generator.fingerprint, seed), make)


# --- painting -----------------------------------------------------------------------------------------------------------------
def paint(generator: Any) -> None:
    """One picture to paint on, and what to call it."""
    model = generator.name
    first, second, third = st.columns([2, 1, 2], vertical_alignment="bottom")
    name = first.text_input("Concept", key="concepts.name", placeholder="hair, window, stroke …", max_chars=40).strip()
    seed = int(second.number_input("Seed", 0, 2**32 - 1, key="concepts.seed", help="Each seed is another picture of the model."))
    image = picture(generator, seed)
    side = max(image.shape[:2])
    size = third.slider("Brush", 1, max(2, side // 3), max(1, side // 6), key=f"concepts.brush.{side}", help="Width in pixels.")
    tool = st.segmented_control("Tool", list(TOOLS), default="free", required=True, key="concepts.tool",
                                format_func=TOOLS.__getitem__, label_visibility="collapsed",
                                help="Freehand, polygon or box. A polygon is closed by clicking its first corner again.")
    kept = regions(model)
    here = kept.get((seed, name))
    shown = gallery.tinted(image, here, COLOUR) if here is not None and here.any() else image
    turn = state.get("concepts.turn", 0)
    try:
        marks = canvas.draw(shown, key=f"concepts.canvas.{model}.{seed}.{turn}", tool=str(tool), colour=f"{COLOUR}99", size=size,
                            scale=canvas.scale_for(image.shape[:2], "M", narrow=window.likely_narrow()))
        mask = canvas.mask(marks, image.shape[:2])
    except BadInput as error:
        frame.failed(error)
        return
    buttons = st.container(horizontal=True)
    buttons.button("Keep region", icon=":material/check:", type="primary", disabled=not name or not mask.any(), key="concepts.keep",
                   on_click=_keep, args=(model, seed, name, mask), help="Give the concept a name and paint it first.")
    buttons.button("Not on this picture", icon=":material/block:", disabled=not name, key="concepts.none", on_click=_keep,
                   args=(model, seed, name, np.zeros(image.shape[:2], bool)))
    buttons.button("Next picture", icon=":material/skip_next:", key="concepts.next", on_click=_next, args=(seed,))
    frame.caption(model=model, seeds=seed, picture=f"{image.shape[1]} × {image.shape[0]}")


def _keep(model: str, seed: int, name: str, mask: np.ndarray) -> None:
    now = regions(model)
    before = now.get((seed, name))
    keep(model, {**now, (seed, name): mask | before if before is not None and mask.any() else mask})
    state.put("concepts.turn", state.get("concepts.turn", 0) + 1)
    state.put("concepts.seed", seed + 1)


def _next(seed: int) -> None:
    state.put("concepts.turn", state.get("concepts.turn", 0) + 1)
    state.put("concepts.seed", seed + 1)


def tray(generator: Any, kept: Regions) -> None:
    """What has been painted so far, to be looked at and taken back."""
    if not kept:
        st.info("Nothing is painted yet. Two or three pictures a concept are enough to begin with; also say on which pictures it is "
                "not.", icon=":material/draw:")
        return
    for name in dict.fromkeys(name for _, name in kept):
        st.markdown(f"**{frame.escape(name)}**")
        mine = {seed: mask for (seed, n), mask in kept.items() if n == name}
        with st.container(horizontal=True, gap="small"):
            for seed, mask in mine.items():
                with st.container(width=104):
                    gallery.show(gallery.outlined(picture(generator, seed), mask, side=96), side=96, alt=f"{name} on seed {seed}")
                    st.button(f"{seed}", key=f"concepts.drop.{name}.{seed}", icon=":material/close:", type="tertiary",
                              help="Take this region back", on_click=_drop, args=(generator.name, seed, name))


def _drop(model: str, seed: int, name: str) -> None:
    keep(model, {k: v for k, v in regions(model).items() if k != (seed, name)})


def as_painted(kept: Regions) -> list[Painted]:
    """The regions as the core's records."""
    from core.segment.concepts import Painted

    return [Painted(seed, name, mask) for (seed, name), mask in kept.items()]


# --- what can be done with it ---------------------------------------------------------------------------------------------------
def rank(generator: Any, kept: Regions) -> None:
    """Units of the chosen layer by IoU with the painted regions, at once."""
    layer = state.layer()
    if not layer or not st.toggle("Rank units by what I painted", key="concepts.rank"):
        return
    from core.segment import concepts

    names = [n for n in dict.fromkeys(n for _, n in kept) if any(m.any() for (_, k), m in kept.items() if k == n)]
    try:
        with interactive(), st.spinner("Looking at the painted pictures …"):
            found = concepts.rank(generator, layer, [p for p in as_painted(kept) if p.concept in names]) if names else {}
    except GanLabError as error:
        frame.failed(error)
        return
    for name, ranking in found.items():
        best = ranking.top(8)
        st.markdown(f"**{frame.escape(name)}** in {frame.escape(layer)}: "
                    + ", ".join(f"{u} ({ranking.score[u]:.2f})" for u in best))
        st.button(f"Take the first {len(best)} units", key=f"concepts.take.{name}", icon=":material/add:", type="tertiary",
                  on_click=state.add_to_basket, args=(UnitSet(name, generator.name, layer, best),))
    frame.caption(model=generator.name, layer=layer, seeds=", ".join(str(s) for s in sorted({s for s, _ in kept})),
                  shown="unit (IoU with the painted regions)", level="as rare on 64 other pictures as what was painted")


def learn(model: str, kept: Regions) -> None:
    """A segmenter that knows the painted concepts on any picture of the model."""
    from core.segment import concepts

    name = st.text_input("Name of this set", "mine", key="concepts.set", max_chars=32)
    painted = as_painted(kept)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", name):
        st.caption("A set's name has letters, digits, '.', '_' and '-'.")
        return
    job = job_panel.show(f"concepts:{model}:{name}:{concepts.digest(painted)}", f"Learn {name}",
                         functools.partial(_learn, model, painted, name), button="Make it a segmenter", queue=short,
                         note="Learns to find the concepts on any picture of this model; under a minute.")
    if job is not None and job.state == "done":
        st.caption(":material/check: Learned, and listed below. Paint on more pictures to make it better.")


def _learn(model: str, painted: list[Painted], name: str, report: Report) -> None:
    from core.segment.concepts import make_painted

    report(0, 1, "opening the generator")
    make_painted(zoo.load(model), painted, name=name, store=state.store(), report=report)


def clusters(model: str) -> None:
    """Regions found in the activations of the chosen layer."""
    layer = state.layer()
    if not layer:
        return
    k = st.segmented_control("Clusters", (4, 6, 8, 12), default=6, required=True, key="concepts.k")
    st.caption(f"The activations of {layer} at every place of 64 pictures are sorted into {k} groups, which become labels. "
               "They have no names: look at them on the Units page.")
    job_panel.show(f"clusters:{model}:{layer}:{k}", f"Cluster {layer} into {k}",
                   functools.partial(_cluster, model, layer, int(k or 6)), button="Find regions", note="About a minute.",
                   queue=short)


def _cluster(model: str, layer: str, k: int, report: Report) -> None:
    from core.segment.concepts import make_clusters

    report(0, 1, "opening the generator")
    make_clusters(zoo.load(model), layer, k, name=f"{layer}-{k}".replace("/", "-"), store=state.store(), report=report)


def stored(model: str) -> None:
    """Sets that were made before for this model, how good they are, and the way on."""
    entries = saved.entries(model, state.store())
    if not entries:
        return
    st.markdown("##### Ready to use")
    for entry in entries:
        params = entry.manifest["run"]["params"]
        scores = [f"{frame.escape(n)} {np.mean(v):.2f} (n = {len(v)})" for n, v in entry.manifest.get("agreement", {}).items() if v]
        what = "share of pixels of unseen pictures given to the same cluster" if params.get("how") == "clusters" else \
            "IoU on painted pictures that it had not seen"
        st.markdown(f"**{frame.escape(str(params['name']))}** · {', '.join(frame.escape(x) for x in entry.manifest['labels'])}  \n"
                    + (f"{', '.join(scores)} · {what}" if scores else "painted on one picture: nothing to check it on"))
    newest = saved.saved_name(str(entries[0].manifest["run"]["params"]["name"]), entries[0].key)
    used = zoo.card(model).segmenters
    if used and used[0] == newest:
        st.caption("The newest set is the one that a dissection of this model uses.")
    pickers.go("layers", "Dissect this model", key="concepts.go")
