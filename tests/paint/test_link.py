"""A link carries the painting, whole or not at all, and what is kept for visitors is bounded."""
from __future__ import annotations

import base64
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput, StoreError
from core.paint import Painting, Stroke, from_link, link_for, to_link
from core.paint import link as link_module
from core.store import Store
from tests.paint.strategies import paintings


@settings(max_examples=60, deadline=None)
@given(paintings())
def test_a_link_gives_the_same_painting_back(painting: Painting) -> None:
    text = to_link(painting)
    assert from_link(text) == painting
    assert len(text) <= link_module.MAX_LINK
    assert text.replace("-", "a").replace("_", "a").isalnum()


def freehand(strokes: int, points: int) -> Painting:
    """Strokes whose points hardly compress."""
    import random

    rng = random.Random(1)
    return Painting("scenes", "layer4", 7, tuple(
        Stroke("tree", points=tuple((rng.uniform(0, 64), rng.uniform(0, 64)) for _ in range(points))) for _ in range(strokes)))


def test_a_painting_of_twenty_strokes_fits_in_the_address() -> None:
    assert len(to_link(freehand(20, 10))) < link_module.MAX_LINK


def test_a_long_painting_is_kept_under_its_key(store: Store) -> None:
    long = freehand(60, 40)
    with pytest.raises(BadInput, match="characters"):
        to_link(long)
    text = link_for(long, store)
    assert len(text) == 65
    assert from_link(text, store) == long
    assert link_for(long, store) == text
    assert len(store.list("painting")) == 1


def test_what_is_kept_for_visitors_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "MAX_KEPT", 3)
    paintings = [freehand(60, 40).on(seed) for seed in range(6)]
    texts = [link_for(p, store) for p in paintings]
    assert len(store.list("painting")) == 3
    assert from_link(texts[-1], store) == paintings[-1]
    with pytest.raises(StoreError, match="not kept here"):
        from_link("s" + "0" * 64, store)


def test_the_bytes_kept_are_bounded_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "MAX_KEPT_BYTES", 200_000)
    for seed in range(8):
        link_for(freehand(60, 40).on(seed), store)
    assert sum(e.bytes for e in store.list("painting")) <= 200_000
    assert len(store.list("painting")) >= 1


def packed(raw: bytes) -> str:
    deflate = zlib.compressobj(9, wbits=-15)
    return "1" + base64.urlsafe_b64encode(deflate.compress(raw) + deflate.flush()).decode().rstrip("=")


@pytest.mark.parametrize("text", [
    "", "1", "2abc", "1!!!!", "s123", "../../etc/passwd", "s" + "g" * 64, "1" + "A" * 4000, packed(b"[]"), packed(b"{"),
    packed(b"0" * 10_000_000), packed(b'["m","l",1,[],[[0,1,1]]]'), packed(b'["m","l",1,[["tree"]],[[0,1,1]]]'),
    packed(b'["m","l",1,[],[[true]]]'), packed(b'["m","l",1,[],[],[],"",[]]'),
    packed(b'["m","l",1,[],[],[],"no key"]'), packed(b"[" * 50_000),
    packed(b'["m","l",1,[["t","draw",1,1,1,"free","q99","best",false]],[[-1,1,1]]]'),
    packed(b'["m","l",1,[["t","draw",1,1,1,"free","q99","best",false]],[[0,1.5,1]]]'),
    packed(b'["m","l",1,[["t","draw",1,NaN,1,"free","q99","best",false]],[[0,1,1]]]'),
    packed(b'["m","l",1,[["t","draw",1,1,1,"free","q99","best",false]],[[0,' + b"9" * 400 + b",1]]]"),
])
def test_damaged_and_hostile_links_are_refused(text: str, store: Store) -> None:
    with pytest.raises(BadInput):
        from_link(text, store)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_no_text_does_anything_but_open_or_be_refused(text: str) -> None:
    try:
        opened: Any = from_link("1" + text)
    except BadInput:
        return
    assert isinstance(opened, Painting)


def test_a_cut_link_is_refused() -> None:
    text = to_link(freehand(5, 10))
    with pytest.raises(BadInput, match="damaged|cut off"):
        from_link(text[:-9])
