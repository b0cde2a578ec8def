"""A machine that holds two pictures at a time: everything goes on, more slowly, with the same results."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.causal.optimise import ace
from core.causal.presets import PRESETS
from core.causal.study import Plan, measure
from core.dissect import dissect
from core.errors import BadInput
from core.invert import invert
from core.paint import Painting, Stroke, paint_seeds
from core.segment.concepts import Painted, PixelSegmenter, from_saved, make_painted
from core.store import Store
from core.zoo.files import open_weights
from core.zoo.generator import generate
from core.zoo.modules import adapt
from core.zoo.proggan import ProgGANNet
from tests.zoo.nets import branched, randomised

SIZES = (12, 12, 12, 12)
conv2d = nn.functional.conv2d


@contextmanager
def room(most: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Every convolution of more than `most` pictures runs out of memory; how many did is counted."""
    refused: list[int] = []

    def tight(x: Tensor, *more: Any, **named: Any) -> Tensor:
        if x.ndim == 4 and len(x) > most:
            refused.append(len(x))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return conv2d(x, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(nn.functional, "conv2d", tight)
        patch.setattr(nn.Conv2d, "_conv_forward", lambda self, x, w, b: tight(x, w, b, self.stride, self.padding, self.dilation,
                                                                              self.groups))
        yield refused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(randomised(ProgGANNet(list(SIZES))).state_dict(), tmp_path / "g.pth")
    return tmp_path / "g.pth"


def opened(file: Path) -> tuple[Any, PixelSegmenter]:
    """A fresh generator and segmenter, which have not yet learned what fits."""
    g = open_weights(file, name="g", fingerprint="g", device="cpu")
    upper = np.zeros(g.image_size, bool)
    upper[:12] = True
    painted = [Painted(seed, "upper", upper) for seed in (0, 1)]
    return g, from_saved(make_painted(g, painted, name="halves", store=Store(file.parent / "concepts", shipped=())), "cpu")


def dissected(g: Any, s: Any, store: Store | None = None) -> Any:
    return dissect(g, s, ["layer4"], range(16), level_seeds=range(100, 116), store=store)["layer4"]


def studied(g: Any, s: Any, tmp: Path) -> Any:
    plan = Plan(setting=PRESETS["quick"].__class__(**{**vars(PRESETS["quick"]), "pool": 16, "steps": 2}), single=2, images=4, draws=2,
                random_images=2, context=2)
    found = measure(g, s, s, dissected(g, s), "upper", plan=plan, store=Store(tmp, shipped=()))
    return [found.rankings[0].score, found.curves.area_left("ace").mean, found.context.table()[0].gain]


def painted(g: Any, s: Any) -> Any:
    d = dissected(g, s)
    painting = Painting("g", "layer4", 3, (Stroke("upper", "draw", 5, 1.0, 8, ((5.0, 5.0), (25.0, 10.0))),))
    return np.stack([r.image for r in paint_seeds(g, painting, d, range(6))])


ACTS: dict[str, Callable[[Any, Any, Path], Any]] = {
    "pictures": lambda g, s, tmp: generate(g, range(9)).numpy(),
    "dissection": lambda g, s, tmp: [dissected(g, s).iou, dissected(g, s).levels],
    "causes": studied,
    "painting": lambda g, s, tmp: painted(g, s),
    "photo": lambda g, s, tmp: invert(g, np.full((*g.image_size, 3), 90, np.uint8), layer="layer4", steps=3).image,
}


@pytest.mark.parametrize("act", list(ACTS))
def test_results_are_the_same_in_smaller_parts(act: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ACTS[act](*opened(file), tmp_path / "whole")
    g, s = opened(file)
    with room(2, monkeypatch) as refused:
        parts = ACTS[act](g, s, tmp_path / "parts")
    assert refused, "memory did run out"
    for a, b in zip(*((x if isinstance(x, list) else [x]) for x in (whole, parts)), strict=True):
        np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), atol=1 if np.asarray(a).dtype == np.uint8 else 1e-4)


def test_gradients_are_summed_in_smaller_parts(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    g, s = opened(file)
    iou = np.linspace(0, 1, 12).astype(np.float32)
    setting = replace(PRESETS["quick"], pool=16, steps=3, inserts="mean")
    whole = ace(g, s, "layer4", "upper", iou, setting=setting)
    with room(3, monkeypatch) as refused:
        parts = ace(*opened(file), "layer4", "upper", iou, setting=setting)
    assert refused
    np.testing.assert_allclose(parts.score, whole.score, atol=1e-4)


def test_code_with_hooks_backs_off_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [adapt(branched()[0], name="b", fingerprint="b", z_dim=6) for _ in range(2)]
    assert type(made[0]).__name__ == "HookedGenerator"
    layer = made[0].layers[0].name
    z = made[0].z_for_seeds(range(7))
    whole = made[0].tail(made[0].head(z, layer), layer, z)
    with room(2, monkeypatch) as refused:
        parts = made[1].tail(made[1].head(z, layer), layer, z)
    assert refused
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=1e-5)


def test_not_even_one_picture(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    g, s = opened(file)
    with room(0, monkeypatch), pytest.raises(BadInput, match="single picture does not fit"):
        dissected(g, s)
