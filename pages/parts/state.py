"""Everything the pages remember, at one address: choices, baskets, loaded models, read results.

No other file touches `st.session_state` or `st.cache_*`. Torch is imported only inside `generator` and `segmenter` (and by the
thread that `warm` starts after the first page is drawn), so shipped results appear without it.
"""
from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from core import zoo
from core.errors import GanLabError
from core.store import Store
from core.units import Kind, Ranking, UnitSet

if TYPE_CHECKING:
    from core.dissect import Dissection, Pictures
    from core.dissect.record import Threshold
    from core.segment import Segmenter
    from core.zoo.encoder import Encoder
    from core.zoo.generator import Generator

T = TypeVar("T")
MODEL_KEY, LAYER_KEY = "model", "layer"


# --- values of this visitor -------------------------------------------------------------------------------------------------
def get(key: str, default: Any = None) -> Any:
    """A value of this visitor, or `default`. Own keys are dotted ("paint.strokes"); widgets have plain ones."""
    return st.session_state.get(key, default)


def put(key: str, value: Any) -> None:
    """Keeps a value for this visitor. A drawn widget's key can be set in a callback only."""
    st.session_state[key] = value


def drop(key: str) -> None:
    """Forgets a value of this visitor."""
    st.session_state.pop(key, None)


def set_once(key: str, value: Any) -> None:
    """Gives a widget its first value unless it has one (from the visitor or from the address)."""
    st.session_state.setdefault(key, value)


def key_showing(name: str, value: Any) -> str:
    """The key of a widget that shows `value` (pass it as its first value), which also changes without that widget: then another key.

    Were the new value put under the old key, whatever the browser sends before it has seen that, such as the canvas's answer to the
    same change, would bring the old value back as if the visitor had chosen it. `chosen` tells the one from the other.
    """
    turn = get(f"{name}.turn", 0)
    if get(f"{name}.{turn}", value) != value:
        turn += 1
        put(f"{name}.turn", turn)
    return f"{name}.{turn}"


def chosen(name: str, key: str) -> Any:
    """In the callback of a widget of `key_showing`: what the visitor chose; None when the widget is no longer the one shown."""
    return get(key) if key == f"{name}.{get(f'{name}.turn', 0)}" else None


# --- model and layer (sidebar) ----------------------------------------------------------------------------------------------
def model() -> str:
    """Name of the model chosen in the sidebar."""
    chosen = st.session_state.get(MODEL_KEY)
    return chosen if chosen in zoo.names() else zoo.names()[0]


def layer() -> str:
    """Name of the layer chosen in the sidebar; "" for a model whose layers are not known yet."""
    known = layers(model())
    chosen = st.session_state.get(LAYER_KEY)
    return chosen if chosen in known else default_layer(model())


def layers(name: str) -> tuple[str, ...]:
    """Layers of a model, without loading it: from its card, else from its stored dissections."""
    listed = tuple(info.name for info in zoo.card(name).layers)
    if listed:
        return listed
    stored = {str(e.manifest["run"]["params"].get("layer", "")) for e in store().find("dissect", model=name)}
    return tuple(sorted(stored - {""}))


def default_layer(name: str) -> str:
    """The layer a model opens with."""
    known = layers(name)
    wanted = zoo.card(name).default_layer
    return wanted if wanted in known else (known[len(known) // 2] if known else "")


def choose(*, model: str | None = None, layer: str | None = None) -> None:
    """Changes the sidebar's choices; only in a callback, before the sidebar is drawn."""
    if model is not None:
        st.session_state[MODEL_KEY] = model
    if layer is not None:
        st.session_state[LAYER_KEY] = layer


# --- stored results (no torch) ----------------------------------------------------------------------------------------------
def store() -> Store:
    """The store of results: the writable one and what ships with the project."""
    return Store()


def _stamp(kind: str) -> tuple[str, ...]:
    """Names of the stored runs of this kind: changes when one is added or removed, so that read results are looked up again.

    Not the folder's time: locks and half-done runs beside them change that every few seconds.
    """
    here = store()
    folders = [root / kind for root in (here.root, *here.shipped)]
    return tuple(sorted(entry.name for folder in folders if folder.is_dir() for entry in os.scandir(folder) if len(entry.name) == 64))


def dissection(model: str, layer: str, threshold: Threshold = "quantile") -> Dissection | None:
    """The stored dissection of a layer with the most pictures, read at a kind of threshold, or None."""
    return _dissection(model, layer, threshold, _mark(model), _stamp("dissect")) if layer else None


def pictures(model: str) -> Pictures | None:
    """The stored thumbnails and segmentations of a model, by seed, or None."""
    return _pictures(model, _mark(model), _stamp("pictures"))


def ranking(model: str, layer: str, label: str, kind: Kind = "iou") -> Ranking | None:
    """Units of a layer ordered for a label: by IoU from the dissection, otherwise as stored ("ace", "single"); or None."""
    if kind == "iou":
        found = dissection(model, layer)
        return found.ranking(label) if found is not None else None
    return _ranking(model, layer, label, kind, _mark(model), _stamp("ace"), _stamp("single"))


def stored(kind: str, model: str, key: tuple[Any, ...], read: Callable[[], T]) -> T:
    """`read()` of a stored result, kept until a run of this kind is added or removed or the model's weights change.

    `key` says which result; read-only for everybody.
    """
    return _remembered(f"stored.{kind}", (model, *key, _mark(model), *_stamp(kind)), read)


def _mark(model: str) -> str:
    try:
        return zoo.fingerprint(model)
    except GanLabError:
        return ""


@st.cache_resource(max_entries=36, show_spinner=False)
def _dissection(model: str, layer: str, threshold: Threshold, mark: str, stamp: tuple[str, ...]) -> Dissection | None:
    from core import dissect

    if threshold != "quantile":
        plain = _dissection(model, layer, "quantile", mark, stamp)
        return plain.at(threshold) if plain is not None else None
    found = dissect.load(store(), model, layer)
    return found.at("quantile") if found is not None and found.threshold != "quantile" else found


@st.cache_resource(max_entries=2, show_spinner=False)
def _pictures(model: str, mark: str, stamp: tuple[str, ...]) -> Pictures | None:
    from core import dissect

    return dissect.load_pictures(store(), model)


@st.cache_resource(max_entries=64, show_spinner=False)
def _ranking(model: str, layer: str, label: str, kind: Kind, mark: str, *stamps: tuple[str, ...]) -> Ranking | None:
    from core import causal

    return causal.load_ranking(store(), model, layer, label, kind=kind)


# --- loaded models ----------------------------------------------------------------------------------------------------------
def generator(name: str) -> Generator:
    """A generator, loaded once for everybody. Raises MissingWeights, BadFile."""
    return _generator(name, zoo.fingerprint(name))


def segmenter(name: str = "") -> Segmenter:
    """A segmenter by name ("" = the one that goes with the chosen model), loaded once for everybody."""
    if not name:
        known = zoo.card(model()).segmenters
        if not known:
            raise GanLabError(f"no segmenter is known for {model()!r}; choose one on the Models page")
        name = known[0]
    return _segmenter(name)


def encoder(name: str) -> Encoder:
    """The encoder of a model, beside its generator, loaded once for everybody. Raises MissingWeights, BadFile."""
    from core import invert

    return _encoder(name, invert.encoder_card(name).fingerprint, str(generator(name).device))


def device(name: str) -> str:
    """Where a loaded generator runs ("cpu", "cuda:0"); "" while it is not loaded."""
    return _devices().get(name, "")


@st.cache_resource(max_entries=2, show_spinner="Opening the generator …")
def _generator(name: str, mark: str) -> Generator:
    opened = zoo.load(name)
    _devices()[name] = str(opened.device)
    return opened


@st.cache_resource(max_entries=3, show_spinner="Opening the segmenter …")
def _segmenter(name: str) -> Segmenter:
    from core import segment

    return segment.load(name)


@st.cache_resource(max_entries=2, show_spinner=False)
def _encoder(name: str, mark: str, where: str) -> Encoder:
    from core import invert

    return invert.load_encoder(name, where)


@st.cache_resource(show_spinner=False)
def _devices() -> dict[str, str]:
    return {}


@st.cache_resource(show_spinner=False)
def warm() -> threading.Timer:
    """Once a server: a little after the first page is drawn, imports what the first edit will need."""
    timer = threading.Timer(2.0, _import_heavy)
    timer.daemon = True
    timer.start()
    return timer


def _import_heavy() -> None:
    import core.edits
    import core.zoo.files  # noqa: F401


# --- small results of this server, by a short key ---------------------------------------------------------------------------
def remember(name: str, key: tuple[Any, ...], make: Callable[[], T]) -> T:
    """`make()` once for everybody and kept by (name, key), at most 512 of them; for pictures and other small things.

    `key` must name everything that `make` depends on, in plain values; arrays are never hashed.
    """
    return _remembered(name, key, make)


@st.cache_resource(max_entries=512, show_spinner=False)
def _remembered(name: str, key: tuple[Any, ...], _make: Callable[[], Any]) -> Any:
    return _make()


# --- the basket of units ----------------------------------------------------------------------------------------------------
def basket() -> list[UnitSet]:
    """The visitor's sets of units, shared by all pages."""
    return list(st.session_state.get("basket.sets", []))


def basket_here() -> list[UnitSet]:
    """Those of the present model and layer."""
    return [s for s in basket() if (s.model, s.layer) == (model(), layer()) and s.units]


def set_basket(sets: list[UnitSet]) -> None:
    """Replaces the basket."""
    st.session_state["basket.sets"] = list(sets)


def add_to_basket(new: UnitSet) -> None:
    """Adds a set; one of the same name, model and layer is replaced."""
    kept = [s for s in basket() if (s.name, s.model, s.layer) != (new.name, new.model, new.layer)]
    set_basket([*kept, new])


# --- the compare tray: single units picked on the Units page ----------------------------------------------------------------
TRAY = "picked units"


def tray(model: str, layer: str) -> tuple[int, ...]:
    """Units picked one by one in this layer; they are the basket's set of the name TRAY."""
    return next((s.units for s in basket() if (s.name, s.model, s.layer) == (TRAY, model, layer)), ())


def set_tray(model: str, layer: str, units: tuple[int, ...]) -> None:
    """Replaces the picked units of a layer; () removes the set."""
    set_basket([s for s in basket() if (s.name, s.model, s.layer) != (TRAY, model, layer)])
    if units:
        add_to_basket(UnitSet(TRAY, model, layer, units))


def toggle_in_tray(model: str, layer: str, unit: int) -> None:
    """Picks a unit, or puts it back."""
    now = tray(model, layer)
    set_tray(model, layer, tuple(u for u in now if u != unit) if unit in now else (*now, unit))
