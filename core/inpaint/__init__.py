"""Filling a hole in a picture: every method by name, behind one adapter.

    from core import inpaint
    out = inpaint.get("patchmatch")(image, mask)          # uint8 RGB, bool mask (True = fill) -> uint8 RGB
    inpaint.names(); inpaint.REGISTRY["telea"].about

A new method is a file with a `Fill`, and one entry here; the contract test then runs it on every edge case.
"""
from __future__ import annotations

from functools import partial

from core.errors import UnknownName
from core.inpaint import biharmonic, deep, diffusion, harmonic, patchmatch
from core.inpaint.base import (
    Filled,
    Hole,
    Inpainter,
    composite,
    default_feather,
    default_grow,
    fill_hole,
    make_hole,
    unusable,
)

__all__ = ["REGISTRY", "Filled", "Hole", "Inpainter", "composite", "default_feather", "default_grow", "fill_hole", "get",
           "make_hole", "names"]


def _patchmatch(name: str, radius: int, about: str) -> Inpainter:
    return Inpainter(name, f"PatchMatch, radius {radius}", patchmatch.patchmatch(radius), about, needs="PyPatchMatch",
                     missing=patchmatch.missing, avoids=True, imports=("patchmatch",))


REGISTRY: dict[str, Inpainter] = {
    m.name: m for m in (
        Inpainter("telea", "Telea", diffusion.telea, "Colour flows in from the edge. Instant; large holes turn into blur."),
        Inpainter("navier-stokes", "Navier–Stokes", diffusion.navier_stokes,
                  "Edges are continued like a flow. Instant; large holes turn into blur."),
        _patchmatch("patchmatch", 3, "Patches from elsewhere in the picture: content-aware fill. The usual choice."),
        _patchmatch("patchmatch5", 5, "Content-aware fill with larger patches: larger structures hold together."),
        _patchmatch("patchmatch7", 7, "Content-aware fill with the largest patches: straight lines stay straight; slow."),
        Inpainter("biharmonic", "Biharmonic", biharmonic.biharmonic,
                  "Smooth in value and slope. Good for scratches; overshoots in large holes.", max_side=512,
                  max_hole=biharmonic.MAX_HOLE, imports=("skimage.restoration",)),
        Inpainter("harmonic", "Harmonic", harmonic.harmonic,
                  "The smoothest fill there is: fog. The floor every other method must beat.", imports=("scipy.sparse",)),
        Inpainter("lama", "LaMa", deep.lama(), "A learned fill for large holes, from a file of your own. Trained on Places2.",
                  missing=partial(deep.missing, deep.LAMA), threads=True),
        Inpainter("migan", "MI-GAN", deep.migan(), "A small learned fill, from a file of your own. Trained on Places2.",
                  missing=partial(deep.missing, deep.MIGAN), threads=True),
    )
}


def names(*, usable: bool = True) -> list[str]:
    """Names of the methods, quick ones first; `usable=False` lists those that cannot run here too."""
    return [name for name, m in REGISTRY.items() if not (usable and m.missing())]


def get(name: str) -> Inpainter:
    """A method by name. Raises UnknownName, and MissingPackage or MissingWeights for one that cannot run here."""
    if name not in REGISTRY:
        raise UnknownName("inpainting method", name, REGISTRY)
    method = REGISTRY[name]
    reason = method.missing()
    if reason:
        raise unusable(method, reason)
    return method
