"""Brushes of models that are not the bundled one: those published for LSUN church, and the seven in another vocabulary."""
from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from core import store, zoo
from core.zoo import published
from core.zoo.proggan import ProgGANNet
from tests.zoo.nets import randomised

Show = Callable[..., AppTest]


def test_lsun_church_paints_at_once_with_the_published_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, show: Show) -> None:
    monkeypatch.setattr(store, "CACHE", tmp_path / "cache")
    sizes = (8, 8, 512, 8)  # layer4 has the published number of units
    card = zoo.CARDS["lsun-church"]
    path = tmp_path / "cache" / "weights" / card.file
    path.parent.mkdir(parents=True)
    torch.save(randomised(ProgGANNet(list(sizes))).state_dict(), path)
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(zoo.CARDS, "lsun-church", dataclasses.replace(card, sizes=sizes, sha256=sha[:8]))
    page = show("paint", model="lsun-church", layer="layer4")
    assert not page.exception
    page.button(key="paint_all").click().run()
    assert not page.exception
    painting = page.session_state["paint.easel.lsun-church"].now
    tree = published.brushes("lsun-church")["tree"]
    used = next(s for s in painting.sets if s.name == painting.strokes[0].brush)
    assert painting.strokes[0].brush.endswith(", published")
    assert used.units == published.brushes("lsun-church")[used.name.removesuffix(", published")].units
    assert len(used.values) == len(tree.units)
    assert any("Mean change inside the stroke" in str(c.value) for c in page.caption)


def test_a_class_of_another_vocabulary_is_the_brush_that_the_mapping_says(dissected: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                          show: Show) -> None:
    from pages.parts import cards

    shown: list[tuple[str, str]] = []
    row = cards.row

    def seen(items: list[cards.Card], key: str, **options: object) -> object:
        shown.extend((c.title, c.letter) for c in items if key == "paint_brushes")
        return row(items, key, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(cards, "row", seen)
    (tmp_path / "mine.json").write_text(json.dumps({"brick": ["cement", "wood"], "tree": ["tree"], "cloud": ["fog"]}))
    monkeypatch.setenv("GAN_DISSECTION_BRUSHES", str(tmp_path / "mine.json"))
    page = show("paint")
    assert not page.exception
    assert shown == [("Brush: wood, as brick (key B)", "B"), ("Brush: tree (key T)", "T")]
    (tmp_path / "mine.json").write_text("[")
    shown.clear()
    page = show("paint")
    assert not page.exception
    assert ("Brush: tree (key T)", "T") in shown
    assert any("mine.json" in str(w.value).replace("\\", "") for w in (*page.warning, *page.error))
