"""What surrounds every page: the list of pages, the sidebar, the opening sentence, the small grey line of settings."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from core import zoo
from pages.parts import state

ROOT = Path(__file__).resolve().parents[2]
ICON = ROOT / "docs" / "icon.png"
# section -> (file below pages/, title, icon of links). A file's name is its address: never pass url_path (cold deep links break).
# Icons are not given to st.Page: browsers would fetch them from the internet for their tab.
PAGES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Explore": (("overview", "Overview", ":material/home:"), ("layers", "Layers", ":material/bar_chart:"),
                ("units", "Units", ":material/grid_view:")),
    "Cause": (("causes", "Causes", ":material/science:"), ("artifacts", "Artifacts", ":material/healing:")),
    "Edit": (("paint", "Paint", ":material/brush:"), ("compare", "Compare", ":material/compare:"),
             ("photo", "Photo", ":material/photo_camera:")),
    "Set up": (("models", "Models", ":material/tune:"),),
}


def present(name: str) -> bool:
    """Whether this installation has the page."""
    known = {file for listed in PAGES.values() for file, _, _ in listed}
    return name in known and (ROOT / "pages" / f"{name}.py").is_file()


def build_pages() -> dict[str, list[StreamlitPage]]:
    """The pages that exist, by section, in their fixed order; the first is the default."""
    found = {section: [st.Page(f"pages/{name}.py", title=title, default=name == "overview")
                       for name, title, _ in listed if present(name)] for section, listed in PAGES.items()}
    return {section: pages for section, pages in found.items() if pages}


def title_of(name: str) -> str:
    """Title of a page by its file name."""
    return next(title for listed in PAGES.values() for file, title, _ in listed if file == name)


def icon_of(name: str) -> str:
    """Icon of a page by its file name."""
    return next(icon for listed in PAGES.values() for file, _, icon in listed if file == name)


def route() -> StreamlitPage:
    """The page asked for; called by app.py only."""
    page = st.navigation(build_pages())
    state.put("frame.routed", True)
    return page


def tab_title(page: StreamlitPage) -> str:
    """What the browser's tab says."""
    return "GAN Dissection" if page.title == "Overview" else f"{page.title} · GAN Dissection"


def begin(title: str, sentence: str) -> None:
    """First line of every page: its title and one sentence saying what can be done here.

    On a server that has just started, Streamlit runs a deep-linked page alone, without app.py. Then this switches it to
    navigation and starts over, so that a link opened first shows the right page with its sidebar.
    """
    if not state.get("frame.routed"):
        st.navigation(build_pages())
        st.rerun()
    st.title(title, anchor=False)
    st.markdown(sentence)


def style() -> None:
    """The one rule the theme cannot say: narrower side margins, so that two strips of units fit on a laptop."""
    st.html("<style>.stMainBlockContainer{padding-left:clamp(1rem,4vw,3.5rem);padding-right:clamp(1rem,4vw,3.5rem)}</style>")


def sidebar() -> Any:
    """Model and layer, bound to the address on every page. Returns the place for the device line (see `device_line`)."""
    with st.sidebar:
        names = zoo.names()  # never a format_func on a widget bound to the address: the address would hold the formatted text
        st.selectbox("Model", names, key=state.MODEL_KEY, bind="query-params", help="The generator that all pages look into.")
        known = state.layers(state.model())
        if known:
            st.selectbox("Layer", known, index=known.index(state.default_layer(state.model())), key=state.LAYER_KEY,
                         bind="query-params",
                         help="Units of one layer are shown and edited together. Early layers are coarse, late ones fine.")
        else:
            st.caption("This model's layers are known once it has been opened: see the Models page.")
        place = st.empty()
    device_line(place)
    return place


def device_line(place: Any) -> None:
    """Where the generator runs; drawn again after the page, which may have loaded it."""
    where = state.device(state.model())
    card = zoo.card(state.model())
    info = next((i for i in card.layers if i.name == state.layer()), None)
    size = f"{info.name}: {info.units} units of {info.size[0]} × {info.size[1]}. " if info else ""
    place.caption(f"{escape(card.title)}. {size}" + (f"Generator on {where}." if where else ""))


def caption(*, model: str = "", layer: str = "", seeds: object = "", **settings: object) -> None:
    """Small grey line under a figure: what it was made from. Values are shown as plain text."""
    named: dict[str, object] = {"model": model, "layer": layer, "seeds": seeds, **settings}
    parts = [f"{key.replace('_', ' ')} {_plain(value)}" for key, value in named.items() if value != "" and value is not None]
    st.caption(" · ".join(parts))


def failed(error: Exception, what: str = "") -> None:
    """A failed state in plain words: what could not be done, and the error's own sentence."""
    st.error(f"{what + ': ' if what else ''}{escape(str(error))}", icon=":material/error:")


def escape(text: str) -> str:
    """Text of a visitor or of a file, made safe for markdown: no links, pictures, emphasis or maths."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()<>#+-.!|$~:" else c for c in text)


def _plain(value: object) -> str:
    if isinstance(value, range):
        return f"{value.start}–{value.stop - 1}" if len(value) > 1 else str(value.start)
    return escape(f"{value:g}" if isinstance(value, float) else str(value))
