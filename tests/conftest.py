"""For every test: results go to a folder of their own, never to the project's cache."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# set before core.store is imported by anybody, and inherited by servers that tests start
os.environ["GAN_DISSECTION_CACHE"] = tempfile.mkdtemp(prefix="gan-dissection-tests-")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture
def store(tmp_path: Path) -> object:
    """An empty Store with no shipped runs."""
    from core.store import Store

    return Store(tmp_path / "runs", shipped=())


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder with no models in it, no folders of models elsewhere, and nothing remembered of either."""
    from core import store
    from core.zoo import own

    monkeypatch.setattr(store, "CACHE", tmp_path / "cache")
    for name in ("GAN_DISSECTION_MODELS", "GAN_DISSECTION_HOSTED", "GAN_DISSECTION_OFFLINE", "GAN_DISSECTION_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(own, "_lent", {})
    yield tmp_path / "cache"
    own._inspect.cache_clear()
