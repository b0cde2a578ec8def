"""Small choices that several pages offer: a seed, a class, a number of units; and links that carry choices along."""
from __future__ import annotations

import functools
import random
from typing import TYPE_CHECKING, Literal

import streamlit as st

from core import zoo
from core.errors import BadInput
from pages.parts import frame, job_panel, state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.dissect import Dissection
    from core.dissect.record import Threshold
    from core.jobs import Report

MAX_SEED = 2**32 - 1


def seed(key: str = "seed", default: int = 0, *, label: str = "Seed", help: str = "") -> int:
    """A seed, bound to the address, with a button that draws another one."""
    left, right = st.columns([4, 1], vertical_alignment="bottom", wrap=False)
    value = left.number_input(label, min_value=0, max_value=MAX_SEED, value=default, step=1, key=key, bind="query-params",
                              help=help or "The number a picture is made from: the same seed is the same picture everywhere.")
    right.button("", key=f"{key}.random", icon=":material/casino:", help="Another picture", on_click=_draw_seed, args=(key,))
    return int(value if value is not None else default)


def _draw_seed(key: str) -> None:
    state.put(key, random.randrange(1000))


def label(dissection: Dissection, key: str = "class", default: str = "", *, title: str = "Class",
          only: Sequence[str] | None = None, on_change: Callable[[], None] | None = None) -> str:
    """A class of the segmenter, bound to the address; those with most units in this layer come first."""
    names = list(only) if only is not None else names_by_units(dissection)
    start = names.index(default) if default in names else 0
    value = st.selectbox(title, names, index=start, key=key, bind="query-params", on_change=on_change or "rerun")
    return str(value) if value is not None else names[start]


def names_by_units(dissection: Dissection) -> list[str]:
    """All class names but "no label": those with most units over the cut first, then the others as the segmenter lists them."""
    led = {found.name: len(units) for found, units in dissection.distribution()}
    names = [found.name for found in dissection.labels[1:]]
    return sorted(names, key=lambda name: -led.get(name, 0))


THRESHOLDS: dict[str, Threshold] = {"IQR": "iqr", "top 1 %": "quantile", "IQR per class": "pair"}


def threshold(width: int | Literal["stretch"] = "stretch") -> Threshold:
    """Where a unit counts as active, bound to the address; the same choice on every page that asks."""
    chosen = st.selectbox("Threshold", list(THRESHOLDS), key="threshold", bind="query-params", width=width,
                          help="A unit is compared with classes where it is above a level. IQR: the level that tells most about "
                               "one class (information quality ratio). Top 1 %: the same share for every unit, which common "
                               "classes cannot match. IQR per class: a level for every unit and class (Bau et al. 2019, Eq. 2).")
    return THRESHOLDS[chosen]


def dissected(model: str, layer: str, threshold: Threshold = "quantile") -> Dissection:
    """The stored dissection of a layer. Without one the page explains, offers to run it, and ends here."""
    found = state.dissection(model, layer, threshold) if layer else None
    if found is not None:
        return found
    if not layer:
        st.info("The layers of this model are not known yet. Fetch or open it on the Models page.", icon=":material/tune:")
        go("models", "Models")
    else:
        offer_dissection(model, layer)
    st.stop()


def offer_dissection(model: str, layer: str) -> None:
    """The empty state of pages that show a dissection: what is missing, and a job that makes it."""
    if not zoo.card(model).segmenters:
        st.info(f"Nothing names yet what the pictures of **{frame.escape(model)}** show, so its units cannot be dissected. Paint a "
                "concept on two or three pictures, let clustering find regions, or fetch a segmenter.", icon=":material/draw:")
        with st.container(horizontal=True):
            go("models", "Paint concepts", show="Concepts")
            go("models", "See segmenters", show="Segmenters")
        return
    st.info(f"**{frame.escape(layer)}** of **{frame.escape(model)}** has not been dissected yet. A dissection looks at what "
            "every unit is active on, over many pictures; it is made once, kept, and then every page shows it at once.",
            icon=":material/biotech:")
    left, right = st.columns(2, vertical_alignment="bottom")
    every = f"all {len(state.layers(model))} layers"
    what = left.segmented_control("Layers", (every, layer), default=every, required=True, key="offer.layers")
    images = right.segmented_control("Pictures", (200, 1000, 5000), default=1000, required=True, key="offer.images")
    names = list(state.layers(model)) if what == every else [layer]
    job_panel.show(f"dissect:{model}:{','.join(names)}:{images}", f"Dissect {what} of {model} on {images} pictures",
                   functools.partial(_dissect, model, names, images), button="Dissect this model", again=True,
                   note="Minutes on a CPU, seconds on a GPU; every picture is made and segmented once, whatever the layers. "
                        "The page can be closed meanwhile.")


def _dissect(model: str, layers: list[str], images: int, report: Report) -> None:
    from core import segment
    from core.dissect import dissect

    report(0, images, "opening the generator")
    chooser = zoo.card(model).segmenters
    if not chooser:
        raise BadInput(f"no segmenter is known for {model!r}; choose one on the Models page")
    dissect(zoo.load(model), segment.load(chooser[0]), layers, range(images), report=report, store=state.store())


def go(page: str, label: str, /, *, model: str | None = None, layer: str | None = None, key: str = "", icon: str = "",
       **query: object) -> None:
    """A link to another page that carries choices in its address, such as `go("units", "Unit 7", unit=7)`; `class_` is "class".

    With `model` or `layer` other than the chosen ones it is a button that changes the sidebar first (give it a `key`); then
    `query` must not name keys that widgets of the present page bind.
    A page that this installation does not have gets no link.
    """
    if not frame.present(page):
        return
    text = {("class" if k in ("class_", "label") else k): str(v) for k, v in query.items()}
    wanted = {name: value for name, value, now in (("model", model, state.model()), ("layer", layer, state.layer()))
              if value is not None and value != now}
    symbol = icon or frame.icon_of(page)
    if not wanted:
        st.page_link(f"pages/{page}.py", label=label, icon=symbol, query_params=text)
        return
    pressed = st.button(label, key=key or f"go.{page}.{label}.{sorted(text.items())}.{sorted(wanted.items())}", icon=symbol,
                        type="tertiary", on_click=state.choose, kwargs=wanted)
    if pressed:
        st.switch_page(f"pages/{page}.py", query_params=text)
