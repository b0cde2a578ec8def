"""Small choices that several pages offer: a seed, a class, a number of units; and links that carry choices along."""
from __future__ import annotations

import random
from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import frame, state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.dissect import Dissection

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


def go(page: str, label: str, *, model: str | None = None, layer: str | None = None, key: str = "", icon: str = "",
       **query: object) -> None:
    """A link to another page that carries choices in its address, such as `go("units", "Unit 7", unit=7)`.

    With `model` or `layer` other than the chosen ones it is a button that changes the sidebar first (give it a `key`).
    A page that this installation does not have gets no link.
    """
    if not frame.present(page):
        return
    text = {("class" if k == "label" else k): str(v) for k, v in query.items()}
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
