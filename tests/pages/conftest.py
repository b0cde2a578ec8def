"""The dashboard in this process, looking at the planted generator: dissected once, with the answers known on paper."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(64)


@pytest.fixture(scope="session")
def toy_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store root that holds the toy's dissection (layer1, layer2) and pictures."""
    from core.dissect import dissect
    from core.store import Store
    from tests.toys import ToyGenerator, ToySegmenter

    root = tmp_path_factory.mktemp("toy") / "runs"
    dissect(ToyGenerator(), ToySegmenter(), ["layer1", "layer2"], SEEDS, level_seeds=range(1000, 1064),
            store=Store(root, shipped=()))
    return root


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy is the only known model; nothing of it is stored yet."""
    from core import segment, zoo
    from tests.toys import ToyGenerator, ToySegmenter

    card = zoo.Card("toy", "Planted toy", "toy", "toy.safetensors", default_layer="layer1", segmenters=("toy",), bundled=True)
    monkeypatch.setattr(zoo, "CARDS", {"toy": card})
    monkeypatch.setattr(zoo, "fingerprint", lambda name: "toy-generator-1")
    monkeypatch.setattr(zoo, "load", lambda name, device="auto": ToyGenerator())
    monkeypatch.setattr(segment, "load", lambda name, device="auto": ToySegmenter())


@pytest.fixture
def dissected(toy: None, toy_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy, with its dissection stored."""
    from core.store import Store
    from pages.parts import state

    monkeypatch.setattr(state, "store", lambda: Store(toy_runs, shipped=()))


@pytest.fixture(autouse=True)
def _clear_caches() -> Iterator[None]:
    import streamlit as st

    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def show() -> Callable[..., AppTest]:
    """show("units", unit="1") runs that page with those parameters in the address."""
    def run(page: str = "overview", **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in query.items():
            app.query_params[name.rstrip("_")] = value
        if page != "overview":
            app.switch_page(f"pages/{page}.py")
        return app.run()
    return run
