"""Content-aware fill: the hole is put together from patches found elsewhere in the picture.

Barnes et al., "PatchMatch" (SIGGRAPH 2009), in the library PyPatchMatch. The random search is seeded by one number for the
whole process, so a lock keeps visitors' seeds apart.
"""
from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np

from core.inpaint.base import Fill

_seed_and_fill = threading.Lock()


@lru_cache(maxsize=1)
def missing() -> str:
    """"" when the library can be used, else why not."""
    try:
        from patchmatch import patch_match
    except ImportError as error:
        return f"it cannot be imported: {str(error)[:120]}"
    return "" if patch_match.patchmatch_available else "its compiled library does not load on this machine"


def patchmatch(radius: int) -> Fill:
    """The method with patches of (2·radius + 1)² pixels."""

    def fill(image: np.ndarray, hole: np.ndarray, *, avoid: np.ndarray | None, seed: int) -> np.ndarray:
        """See core.inpaint.base.Fill."""
        from patchmatch import patch_match

        with _seed_and_fill:
            patch_match.set_random_seed(seed)
            return np.asarray(patch_match.inpaint(image, hole, global_mask=avoid, patch_size=radius))

    return fill
