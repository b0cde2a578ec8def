"""As many pictures at a time as memory holds: every network of the project runs through here.

    run = Halving()
    images = run(lambda x, z: net(x), latents)      # whole; in halves when memory runs out, and in what fitted from then on

Generators and segmenters have one inside, so that whoever calls them, dissection, causes, artifacts or paint, needs to know nothing of it.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from core.errors import BadInput

if TYPE_CHECKING:
    from core.zoo.generator import Generator

LARGEST = 64
MAPS_ALIVE = 6
ERRORS = (torch.OutOfMemoryError, MemoryError, RuntimeError)


class Halving:
    """Runs work on the pictures it is given, or on fewer at a time where memory ran out before; `fits` = 0 while it never did."""

    def __init__(self) -> None:
        self.fits = 0

    def __call__(self, work: Callable[[Tensor, Tensor | None], Tensor], x: Tensor, z: Tensor | None = None) -> Tensor:
        """`work(x, z)` of x (N, …) and z (N, …) or None. Raises BadInput when not even one picture fits.

        Where gradients are asked for, halves would keep as much alive as the whole, so the error goes on to whoever sums the
        gradients (see `core.causal.optimise`).
        """
        if not self.fits or len(x) <= self.fits:
            try:
                return work(x, z)
            except ERRORS as error:
                if not ran_out(error):
                    raise
                if len(x) <= 1:
                    raise too_large() from error
                if torch.is_grad_enabled() and x.requires_grad:
                    raise
            self.fits = (len(x) + 1) // 2  # outside the handler, so that the failed attempt's tensors are gone
            if x.device.type == "cuda":
                torch.cuda.empty_cache()
        size = self.fits
        return torch.cat([self(work, x[at:at + size], None if z is None else z[at:at + size]) for at in range(0, len(x), size)])


def halving(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """For a method of (self, pictures (N, …), more): the same through a Halving of its own."""
    @wraps(method)
    def run(self: Any, images: Tensor, *more: Any) -> Tensor:
        mine: Halving = self.__dict__.setdefault("_halving", {}).setdefault(method.__name__, Halving())
        return mine(lambda x, _: method(self, x, *more), images)

    return run


def first_size(generator: Generator, free_bytes: int = 0) -> int:
    """Pictures at a time that should fit on a GPU: the largest map in float32, a handful of them alive, in half of the free memory.

    free_bytes 0 = asked from a CUDA GPU, or 8 GB on others. A guess: Halving corrects it.
    """
    free_bytes = free_bytes or (torch.cuda.mem_get_info(generator.device)[0] if generator.device.type == "cuda" else 8 * 2**30)
    maps = [info.units * info.size[0] * info.size[1] for info in generator.layers]
    largest = max([*maps, 3 * generator.image_size[0] * generator.image_size[1]])
    return max(1, min(LARGEST, int(free_bytes // 2 // (4 * largest * MAPS_ALIVE))))


def too_large() -> BadInput:
    """The error of a network that is too large for this machine."""
    return BadInput("a single picture does not fit into memory; choose a smaller model or another device")


def ran_out(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or on the CPU."""
    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "out of memory" in text or "can't allocate memory" in text \
        or "not enough memory" in text
