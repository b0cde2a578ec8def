"""Working through many latents in parts that fit into memory.

    images = in_parts(z, lambda part: g.span(part, None, None, part))     # halves the parts when memory runs out
"""
from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from core.errors import BadInput
from core.zoo.generator import Generator

DEFAULT_FREE = 2 * 2**30
LARGEST = 64
MAPS_ALIVE = 6


def first_size(generator: Generator, free_bytes: int = 0) -> int:
    """Pictures at a time that should fit: the largest map in float32, a handful of them alive, in half of the free memory.

    free_bytes 0 = asked from the GPU, or 2 GB on other devices. A guess: `in_parts` corrects it.
    """
    if not free_bytes:
        free_bytes = torch.cuda.mem_get_info(generator.device)[0] if generator.device.type == "cuda" else DEFAULT_FREE
    maps = [info.units * info.size[0] * info.size[1] for info in generator.layers]
    largest = max([*maps, 3 * generator.image_size[0] * generator.image_size[1]])
    return max(1, min(LARGEST, int(free_bytes // 2 // (4 * largest * MAPS_ALIVE))))


def parts(z: Tensor, work: Callable[[Tensor], Tensor], size: int) -> Iterator[Tensor]:
    """`work` on consecutive parts of z (N, …), at most `size` at a time; when memory runs out the size is halved and stays so.

    Raises BadInput when not even one fits.
    """
    at, size = 0, max(1, size)
    while at < len(z):
        part = z[at:at + size]
        try:
            done = work(part)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            if len(part) == 1:
                raise too_large() from error
            size = (len(part) + 1) // 2
            done = None
        if done is None:  # outside the handler, so that the failed attempt's tensors are gone
            if z.device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        yield done
        at += len(part)


def in_parts(z: Tensor, work: Callable[[Tensor], Tensor], size: int = LARGEST) -> Tensor:
    """All parts of `work` joined along the first axis; see `parts`."""
    return torch.cat(list(parts(z, work, size)))


def too_large() -> BadInput:
    """The error of a network that is too large for this machine."""
    return BadInput("a single picture does not fit into memory; choose a smaller model or another device")


def ran_out(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or on the CPU."""
    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "out of memory" in text or "can't allocate memory" in text \
        or "not enough memory" in text
