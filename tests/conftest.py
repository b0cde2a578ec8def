"""For every test: results go to a folder of their own, never to the project's cache."""
from __future__ import annotations

import os
import tempfile
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
