"""Strokes on a photo: unit edits on its activations, put back into the photo so that nothing outside the strokes changes.

    made = edit(generator, found, painting, dissection, rankings)
    made.image      # the photo with the edit inside the strokes
    made.control    # the photo with the plain reconstruction inside the same strokes: what is lost without any edit
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core import image as pictures
from core.errors import BadInput
from core.invert.descent import Inversion
from core.jobs import Report, no_report

if TYPE_CHECKING:
    from torch import Tensor

    from core.dissect import Dissection
    from core.edits import UnitEdit
    from core.paint.brushes import Chosen, Rankings
    from core.paint.document import Painting
    from core.zoo.generator import Generator

FEATHER = 0.03
LR, PENALTY = 0.01, 0.01


@dataclass(frozen=True)
class Edited:
    """An edited photo, all uint8 (H,W,3): `raw` is what the generator draws, `image` has it inside `mask` (H,W) only; `control`
    has the reconstruction without edit there. chosen: what each visible stroke did."""

    image: np.ndarray
    control: np.ndarray
    raw: np.ndarray
    mask: np.ndarray
    chosen: tuple[Chosen, ...]


def edit(generator: Generator, found: Inversion, painting: Painting, dissection: Dissection | None, rankings: Rankings = None, *,
         feather: int | None = None, correction: int = 0, report: Report = no_report) -> Edited:
    """The photo with the painting's strokes; a painting of `found.layer` or of a later layer. Its seed is not used.

    feather: pixels of soft edge inside the strokes (None: 3 % of the long side). correction: steps of the image-specific
    correction (0 = none). Raises BadInput, UnknownName.
    """
    import torch

    from core.paint.raster import union
    from core.paint.render import plan

    if not painting.visible:
        return untouched(found)
    chosen, edits = plan(generator, painting, dissection, rankings)
    mask = union(painting.visible, generator.image_size)
    if correction:
        raw = correct(generator, found, edits, ~mask, steps=correction, report=report)
    else:
        with torch.no_grad():
            layer, acts, z = edited_acts(generator, found, edits)
            raw = pictures.to_u8(generator.tail(acts, layer, z))[0]
    control = composite(found.target, found.image, mask, feather)
    return Edited(composite(found.target, raw, mask, feather), control, raw, mask, chosen)


def untouched(found: Inversion) -> Edited:
    """The photo without a stroke. No torch."""
    return Edited(found.target, found.target, found.image, np.zeros(found.target.shape[:2], bool), ())


def edited_acts(generator: Generator, found: Inversion, edits: tuple[UnitEdit, ...]) -> tuple[str, Tensor, Tensor]:
    """The last edited layer, its activations (1,U,h,w) with all edits, and z. An edit before `found.layer` is a BadInput."""
    import torch

    from core.edits import apply
    from core.zoo.generator import layer_info

    names = [info.name for info in generator.layers]
    places = [names.index(layer_info(generator, e.layer).name) for e in edits]
    here = names.index(found.layer)
    if min(places) < here:
        raise BadInput(f"the photo is known from {found.layer} on, so {names[min(places)]}, which comes before, cannot be "
                       f"edited; choose {found.layer} or a later layer")
    z = torch.from_numpy(np.array(found.z)).to(generator.device)
    x = torch.from_numpy(np.array(found.acts)).to(generator.device)
    for place in sorted(set(places)):
        if place > here:
            x, here = generator.span(x, names[here], names[place], z), place
        for one in (e for e, p in zip(edits, places, strict=True) if p == place):
            x = apply(x, one)
    return names[here], x, z


def composite(photo: np.ndarray, made: np.ndarray, mask: np.ndarray, feather: int | None = None) -> np.ndarray:
    """`made` inside the mask, the photo outside of it bit for bit; uint8 (H,W,3) each, mask bool (H,W).

    The edge is soft on its inner side only: over `feather` pixels (None: 3 % of the long side) the weight of `made` rises from
    the mask's rim. Where the mask touches the picture's own rim there is no edge.
    """
    photo, made = pictures.check_rgb(photo), pictures.check_rgb(made)
    mask = pictures.check_mask(mask, (photo.shape[0], photo.shape[1]))
    if made.shape != photo.shape:
        raise BadInput(f"the two pictures have sizes {photo.shape[:2]} and {made.shape[:2]}")
    width = round(FEATHER * max(mask.shape)) if feather is None else feather
    if width < 0:
        raise BadInput(f"a soft edge has 0 pixels or more, got {width}")
    out = photo.copy()
    if mask.all():
        return made.copy()
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[mask]  # 1 on the rim
    rise = np.clip(depth / (width + 1), 0, 1)[:, None]
    weight = rise * rise * (3 - 2 * rise)
    out[mask] = np.rint(photo[mask] * (1 - weight) + made[mask] * weight).astype(np.uint8)
    return out


def correct(generator: Generator, found: Inversion, edits: tuple[UnitEdit, ...], keep: np.ndarray, *, steps: int = 40,
            report: Report = no_report) -> np.ndarray:
    """Image-specific correction: late layers adapted so that the edited picture equals the photo where `keep` (H,W) is True.

    Every layer after the last edited one gets a gain and an offset per unit, learned with a masked L1 loss and a penalty (Bau et
    al. 2019, *Semantic photo manipulation*, §3.2, with per-unit modulations in place of weight perturbations). The generator
    itself is not touched. Returns uint8 (H,W,3); where no layer is left to adapt, the plain edited picture.
    """
    import torch

    keep = pictures.check_mask(keep, generator.image_size)
    goal = pictures.from_u8(found.target).to(generator.device)
    weight = torch.from_numpy(keep.astype(np.float32)).to(generator.device)
    with torch.no_grad():
        layer, start, z = edited_acts(generator, found, edits)
    names = [info.name for info in generator.layers]
    late = generator.layers[names.index(layer) + 1:]
    gains = [torch.zeros(1, info.units, 1, 1, device=generator.device, requires_grad=True) for info in late]
    offsets = [torch.zeros(1, info.units, 1, 1, device=generator.device, requires_grad=True) for info in late]

    def make() -> Tensor:
        x, here = start, layer
        for info, gain, offset in zip(late, gains, offsets, strict=True):
            x, here = generator.span(x, here, info.name, z) * (1 + gain) + offset, info.name
        return generator.tail(x, here, z)

    if late and keep.any():
        optimiser = torch.optim.Adam([*gains, *offsets], lr=LR)
        for step in range(steps):
            report(step, steps)
            penalty = torch.stack([t.square().mean() for t in (*gains, *offsets)]).sum()
            loss = ((make() - goal).abs().mean(1) * weight).sum() / weight.sum() + PENALTY * penalty
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        report(steps, steps)
    with torch.no_grad():
        return pictures.to_u8(make())[0]
