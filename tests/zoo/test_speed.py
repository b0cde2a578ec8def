"""Memory that runs out halves the batch (in every verb: test_memory.py); half precision is used only where no threshold moves."""
from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from core.errors import BadInput
from core.zoo.batch import Halving, first_size
from core.zoo.generator import ChainGenerator
from core.zoo.precision import RANK_ERROR, HalfGenerator, halved, is_safe, rank_error
from core.zoo.proggan import ProgGANNet, freeze
from tests.zoo.nets import randomised


def tight(most: int, tried: list[int], says: Exception | None = None) -> Callable[[Tensor, Tensor | None], Tensor]:
    def work(part: Tensor, z: Tensor | None) -> Tensor:
        tried.append(len(part))
        if len(part) > most:
            raise says or torch.OutOfMemoryError("CUDA out of memory")
        return part * 2 if z is None else part * 2 + z

    return work


def test_batch_is_halved_until_it_fits_and_stays_so() -> None:
    tried: list[int] = []
    run, x = Halving(), torch.arange(20.0).view(10, 2)
    assert torch.equal(run(tight(3, tried), x), x * 2)
    assert tried == [10, 5, 3, 2, 3, 2]
    assert torch.equal(run(tight(3, tried), x, x), x * 3)
    assert tried[6:] == [3, 3, 3, 1], "nothing is tried again that did not fit"


@pytest.mark.parametrize("says", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(),
                                  RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")])
def test_a_single_picture_that_does_not_fit_is_said(says: Exception) -> None:
    with pytest.raises(BadInput, match="single picture"):
        Halving()(tight(0, [], says), torch.zeros(4, 2))


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        Halving()(tight(2, [], RuntimeError("shape mismatch")), torch.zeros(4, 2))


def test_with_gradients_whoever_holds_the_sum_is_told() -> None:
    x = torch.zeros(4, 2, requires_grad=True)
    with pytest.raises(torch.OutOfMemoryError):
        Halving()(tight(2, []), x)


def generator(sizes: list[int]) -> ChainGenerator:
    return ChainGenerator(randomised(ProgGANNet(sizes)), name="g", fingerprint="x", z_dim=sizes[0])


def test_first_size_shrinks_with_memory_and_with_the_network() -> None:
    small, large = generator([8, 8, 8]), generator([8, 8, 8, 8, 8, 8])
    assert first_size(small, 2**30) >= first_size(large, 2**30) >= first_size(large, 2**20) >= 1
    assert first_size(large, 1) == 1


def test_rank_error_reads_how_far_a_threshold_moved() -> None:
    acts = torch.arange(10_000.0).view(100, 1, 10, 10)
    moved = acts + 50  # half a percent of the samples
    assert rank_error(acts, acts).item() == 0
    assert rank_error(acts, moved).item() == pytest.approx(0.005, abs=2e-4)
    assert rank_error(acts, torch.full_like(acts, torch.nan)).item() == 1
    flat = torch.full((100, 1, 10, 10), -0.3)
    assert rank_error(flat, flat.half().float()).item() == 0


def test_float16_is_safe_where_bfloat16_is_not() -> None:
    g = generator([16, 24, 24, 16])
    layers = ["layer4"]
    fine, coarse = (HalfGenerator(g, dtype) for dtype in (torch.float16, torch.bfloat16))
    z = g.z_for_seeds(range(128))
    with torch.inference_mode():
        full = g.head(z, "layer4")
        errors = [rank_error(full, h.head(z, "layer4")).max().item() for h in (fine, coarse)]
    assert errors[0] <= RANK_ERROR < errors[1]
    assert is_safe(g, fine, layers, seeds=range(128))
    assert not is_safe(g, coarse, layers, seeds=range(128))
    assert halved(g, layers) is g, "on the CPU nothing is gained"


def test_dissection_goes_on_in_smaller_parts_when_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.dissect import dissect
    from tests.toys import ToyGenerator, ToySegmenter

    class Tight(ToyGenerator):
        """Holds two pictures at a time."""

        def span(self, x: Tensor, start: str | None, stop: str | None, z: Tensor | None = None) -> Tensor:
            if len(x) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().span(x, start, stop, z)

    whole, parts = (dissect(g, ToySegmenter(), ["layer1"], range(12), level_seeds=range(100, 112))["layer1"]
                    for g in (ToyGenerator(), Tight()))
    assert (whole.iou == parts.iou).all()
    assert (whole.levels == parts.levels).all()


def test_a_model_used_first_in_half_precision_is_whole_afterwards() -> None:
    torch.manual_seed(0)
    g = ChainGenerator(freeze(randomised(ProgGANNet([8, 8, 8]))), name="g", fingerprint="x", z_dim=8)
    torch.manual_seed(0)
    fresh = ChainGenerator(freeze(randomised(ProgGANNet([8, 8, 8]))), name="g", fingerprint="x", z_dim=8)
    z = g.z_for_seeds(range(4))
    HalfGenerator(g, torch.bfloat16).head(z, "layer4")  # the first use makes the kernels that are kept
    assert torch.equal(g.head(z, "layer4"), fresh.head(z, "layer4"))
