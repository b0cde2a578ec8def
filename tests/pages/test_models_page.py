"""The models page in this process: what may be fetched and brought, and what a hosted or an offline installation leaves out."""
from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from core import zoo
from core.store import Run, Store
from core.zoo.proggan import ProgGANNet
from tests.zoo.nets import randomised

Show = Callable[..., AppTest]
SIZES = (8, 8, 8)


@pytest.fixture(autouse=True)
def cache(own_cache: Path) -> Path:
    return own_cache


@pytest.fixture
def kitchen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bytes:
    """A small file that is the published LSUN kitchen as far as its hash says."""
    torch.save(randomised(ProgGANNet(list(SIZES))).state_dict(), tmp_path / "kitchen.pth")
    data = (tmp_path / "kitchen.pth").read_bytes()
    monkeypatch.setitem(zoo.CARDS, "lsun-kitchen", dataclasses.replace(zoo.CARDS["lsun-kitchen"], sizes=SIZES,
                                                                       sha256=hashlib.sha256(data).hexdigest()[:8]))
    return data


def offers(page: AppTest) -> tuple[int, int, int]:
    """How many buttons that fetch, fields for an address, and ways to bring a file there are."""
    assert not page.exception
    return (sum(b.label in ("Fetch", "Continue", "Try again") for b in page.button), len(page.text_input), len(page.file_uploader))


def test_everything_published_can_be_fetched_from_elsewhere_or_brought(show: Show) -> None:
    eight = len(zoo.published.CARDS)
    assert offers(show("models")) == (eight, eight, eight)


@pytest.mark.parametrize("view", ["Models", "Segmenters"])
def test_hosted_visitors_name_no_address_and_bring_no_file(show: Show, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    monkeypatch.setenv("GAN_DISSECTION_HOSTED", "1")
    page = show("models", show=view)
    assert offers(page) == (0, 0, 0)
    assert any("switched off on this installation" in c.value for c in page.caption)


def test_offline_a_file_can_still_be_brought(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_DISSECTION_OFFLINE", "1")
    assert offers(show("models")) == (0, 0, len(zoo.published.CARDS))


def test_brought_file_is_the_model_when_its_hash_is_right(show: Show, kitchen: bytes, cache: Path) -> None:
    page = show("models")
    page.file_uploader(key="models.file.lsun-kitchen").set_value([("any-name.pth", kitchen[:-1] + b"!", "application/octet-stream")]).run()
    assert any("any-name.pth is not the published file" in e.value.replace("\\", "") for e in page.error)
    assert "lsun-kitchen" not in zoo.names()
    page.file_uploader(key="models.file.lsun-kitchen").set_value([("any-name.pth", kitchen, "application/octet-stream")]).run()
    assert not page.error
    assert "lsun-kitchen" in zoo.names()
    assert (cache / "weights" / zoo.CARDS["lsun-kitchen"].file).read_bytes() == kitchen
    assert not any((b.key or "").endswith("fetch:lsun-kitchen") for b in page.button)


def test_path_or_nonsense_is_no_address(show: Show) -> None:
    page = show("models")
    for text in ("/etc/passwd", "file:///etc/passwd", "ftp://else.where/", "https://"):
        page.text_input(key="models.mirror.lsun-kitchen").set_value(text).run()
        assert any("a mirror is an http or https address" in e.value for e in page.error), text


def test_what_is_kept_of_a_run_that_was_cut_off_can_be_removed(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    store.put_partial(Run("dissect", {"layer": "layer1"}), {"a": np.zeros(1000)})
    page = show("models", show="Results")
    assert not any("cut off" in m.value for m in page.markdown)          # written a moment ago: it may be going on
    for path in store.root.glob("*/*.partial*"):
        os.utime(path, (0, 0))
    page = show("models", show="Results")
    assert any("1 run was cut off" in m.value for m in page.markdown)
    monkeypatch.setenv("GAN_DISSECTION_HOSTED", "1")
    assert not any("cut off" in m.value for m in show("models", show="Results").markdown)
    monkeypatch.delenv("GAN_DISSECTION_HOSTED")
    next(b for b in page.button if b.label == "Remove what is kept").click()
    page.run()
    assert not page.exception
    assert not any("cut off" in m.value for m in page.markdown)
    assert list(store.root.glob("*/*.partial*")) == []
