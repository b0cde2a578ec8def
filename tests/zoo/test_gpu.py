"""On a CUDA GPU: the same pictures and labels, half precision within the stated error, and less memory than the batch needs."""
from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.causal.optimise import ace
from core.causal.presets import PRESETS
from core.dissect import dissect
from core.image import to_u8
from core.segment.concepts import Painted, PixelSegmenter, from_saved, make_painted
from core.segment.upernet import Decoder, Encoder, UPerNetSegmenter, Vocabulary
from core.store import Store
from core.zoo.files import open_weights
from core.zoo.generator import Generator, generate
from core.zoo.precision import RANK_ERROR, HalfGenerator, halved, rank_error
from core.zoo.proggan import ProgGANNet
from core.zoo.published import SIZES_256
from tests.segment.test_upernet import LABELS

pytestmark = pytest.mark.gpu


def tell(*words: object) -> None:
    """A measured figure, shown by pytest -s."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published LSUN architecture, full width, random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("gpu") / "g.pth"
    torch.save({k: torch.randn_like(v) for k, v in ProgGANNet(list(SIZES_256)).state_dict().items()}, path)
    return path


def opened(file: Path, device: str) -> Generator:
    return open_weights(file, name="g", fingerprint="g", device=device)


@pytest.fixture(scope="module")
def cuda(file: Path) -> Generator:
    return opened(file, "cuda")


@pytest.fixture(scope="module")
def labels(file: Path, cuda: Generator) -> PixelSegmenter:
    upper = np.zeros((256, 256), bool)
    upper[:100] = True
    return from_saved(make_painted(cuda, [Painted(k, "upper", upper) for k in (0, 1)], name="upper",
                                   store=Store(file.parent / "concepts", shipped=())), "cuda")


@pytest.fixture
def little() -> Iterator[None]:
    """About 1.5 GB more of the GPU than what is used already."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 1.5 * 2**30) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_pictures_are_those_of_the_cpu(file: Path, cuda: Generator) -> None:
    a, b = (to_u8(generate(g, range(3))).astype(int) for g in (opened(file, "cpu"), cuda))
    different = np.abs(a - b)
    tell("largest difference", different.max(), "share different", (different > 0).mean())
    assert different.max() <= 1


def test_half_precision_is_taken_where_no_threshold_moves(cuda: Generator, labels: PixelSegmenter) -> None:
    layers = ["layer4", "layer7", "layer10"]
    half = HalfGenerator(cuda)
    z = cuda.z_for_seeds(range(64))
    errors = {}
    with torch.inference_mode():
        for layer in layers:
            full, fast = (torch.cat([g.head(part, layer) for part in z.split(8)]) for g in (cuda, half))
            errors[layer] = rank_error(full, fast).max().item()
    tell("rank error", errors)
    for layer in layers:
        assert isinstance(halved(cuda, [layer]), HalfGenerator) == (errors[layer] <= RANK_ERROR)
    safe = [layer for layer in layers if errors[layer] <= RANK_ERROR]
    assert safe, "half precision is of no use"
    found, seconds = {}, {}
    for name, g in (("full", cuda), ("half", halved(cuda, safe))):
        start = time.perf_counter()
        found[name] = dissect(g, labels, safe, range(200), level_seeds=range(1000, 1100))
        torch.cuda.synchronize()
        seconds[name] = round(time.perf_counter() - start, 2)
    tell("200 pictures and 100 for levels, seconds", seconds)
    for layer in safe:
        a, b = (found[name][layer] for name in ("full", "half"))
        tell(layer, "IoU differs by at most", np.abs(a.iou - b.iou).max())
        assert np.abs(a.iou - b.iou).max() < 0.01


def test_dissection_and_causes_go_on_when_memory_runs_out(file: Path, cuda: Generator, labels: PixelSegmenter, little: None,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    def done(g: Generator) -> tuple[np.ndarray, np.ndarray]:
        d = dissect(g, labels, ["layer4"], range(128), level_seeds=range(1000, 1128))["layer4"]
        setting = replace(PRESETS["quick"], pool=32, steps=2)
        return d.iou, ace(g, labels, "layer4", "upper", d.iou[:, 1], d.q99, setting=setting).score

    monkeypatch.setattr("core.zoo.batch.first_size", lambda generator: 128)  # a guess that is far too high
    monkeypatch.setattr("core.dissect.engine.BATCH_GPU", 128)
    tight = opened(file, "cuda")
    parts = done(tight)
    tell("fits at a time", tight._run.fits)  # type: ignore[attr-defined]
    assert 0 < tight._run.fits < 128  # type: ignore[attr-defined]
    torch.cuda.set_per_process_memory_fraction(1.0)
    whole = done(cuda)
    np.testing.assert_allclose(parts[0], whole[0], atol=1e-3)
    np.testing.assert_allclose(parts[1], whole[1], atol=5e-3)  # TF32 rounds other batch sizes differently; an H200 came to 0.0015


def test_unified_parsing_reads_the_same_as_on_the_cpu() -> None:
    torch.manual_seed(0)
    vocabulary = Vocabulary.read(LABELS, quad=True)
    encoder, decoder = Encoder(), Decoder(vocabulary.classes)
    images = torch.rand(4, 3, 256, 256) * 2 - 1
    maps = []
    for device in ("cpu", "cuda"):
        s = UPerNetSegmenter(encoder.to(device), decoder.to(device), vocabulary, name="u", fingerprint="u")
        maps.append((s(images).cpu(), s.scores(images, 2).cpu(), s.features(images).cpu()))
    same = (maps[0][0] == maps[1][0]).float().mean().item()
    tell("labels equal", same, "scores", (maps[0][1] - maps[1][1]).abs().max().item())
    assert same > 0.995
    torch.testing.assert_close(maps[0][1], maps[1][1], atol=5e-3, rtol=1e-2)
