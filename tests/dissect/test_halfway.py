"""Batches are made ahead of the one that is counted."""
from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from core.dissect.halfway import Keeper
from core.store import Run

WAIT = 60


class Maker:
    """Notes what it is asked for; from the second batch on it waits until it may go on."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.asked: list[int] = []
        self.second, self.go_on = threading.Event(), threading.Event()

    def run(self, seeds: Sequence[int]) -> tuple[dict[str, Tensor], Tensor, np.ndarray]:
        self.asked.append(seeds[0])
        if len(self.asked) > 1:
            self.second.set()
            assert self.go_on.wait(WAIT)
        if seeds[0] == 13:
            raise MemoryError("no room for 13")
        return {"layer1": torch.full((1, 1, 1, 1), float(seeds[0]))}, torch.zeros(1, 3, 1, 1), np.zeros((1, 1, 1, 1), np.int64)


def keeper(maker: Maker) -> Keeper:
    return Keeper(None, Run("dissect", {}, version=3), maker)


def test_one_batch_is_made_ahead_and_all_come_in_order() -> None:
    maker = Maker()
    batches = keeper(maker).batches([(5,), (6,), (7,)])
    first = next(batches)
    assert maker.second.wait(WAIT)      # the second is begun while the caller holds the first
    assert maker.asked == [5, 6]        # and no more than that
    maker.go_on.set()
    assert [float(b.acts["layer1"]) for b in (first, *batches)] == [5, 6, 7]


def test_leaving_early_does_not_wait_for_the_batch_in_the_making() -> None:
    maker = Maker()
    batches = keeper(maker).batches([(5,), (6,), (7,)])
    next(batches)
    assert maker.second.wait(WAIT)
    batches.close()                     # would hang here: nobody lets the second go on
    maker.go_on.set()


def test_an_error_of_a_batch_comes_when_it_is_its_turn() -> None:
    maker = Maker()
    maker.go_on.set()
    batches = keeper(maker).batches([(5,), (13,), (7,)])
    assert float(next(batches).acts["layer1"]) == 5
    with pytest.raises(MemoryError, match="13"):
        next(batches)


def test_a_gpu_is_asked_for_one_batch_at_a_time() -> None:
    maker = Maker("cuda")
    maker.go_on.set()
    batches = keeper(maker).batches([(5,), (6,)])
    next(batches)
    assert maker.asked == [5]
    next(batches)
    assert maker.asked == [5, 6]
