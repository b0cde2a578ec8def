"""What a stroke changed, measured; and the sentence that says so when it changed almost nothing. Imports no torch.

Bau et al. found that the generator decides by context: a door that a layer asks for may be vetoed by the layers after it where
a door does not belong, so doors can be added to buildings and hardly ever to sky or trees (2019, §4.4; 2020, fig. 4).
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput
from core.image import check_mask, check_rgb, from_u8
from core.paint.document import Stroke

if TYPE_CHECKING:
    from core.segment import Segmenter

FAINT = 3.0     # mean change inside the stroke, in grey levels of 255, under which nothing is seen
GAIN = 0.02     # share of the stroke's pixels that the class must win (draw) or lose (remove)


@dataclass(frozen=True)
class Effect:
    """inside, outside: mean absolute change in grey levels (0..255) inside and outside the stroke. share_before, share_after:
    share of the stroke's pixels with the brush's class, None when nobody looked. context: what lay under the stroke before."""

    stroke: Stroke
    inside: float
    outside: float
    share_before: float | None = None
    share_after: float | None = None
    context: str = ""

    @property
    def refused(self) -> bool:
        """Whether the stroke did next to nothing of what was asked."""
        if self.stroke.strength == 0:
            return False
        if self.inside < FAINT:
            return True
        if self.share_before is None or self.share_after is None:
            return False
        if self.stroke.mode == "draw":
            return self.share_after - self.share_before < GAIN and self.share_before < 0.5
        return self.share_before >= GAIN and self.share_before - self.share_after < GAIN * self.share_before

    @property
    def sentence(self) -> str:
        """What happened, with the numbers."""
        what = self.stroke.brush
        numbers = f"mean change inside the stroke {self.inside:.1f} of 255"
        if self.share_before is not None and self.share_after is not None:
            numbers += f"; {what} in it {self.share_before:.0%} before, {self.share_after:.0%} after"
        if not self.refused:
            return numbers[0].upper() + numbers[1:] + "."
        if self.stroke.mode == "remove":
            nothing = self.share_before is not None and self.share_before < GAIN
            why = f"there is no {what} under the stroke" if nothing else \
                "other units still ask for it here, or its surroundings do; try more units or a larger stroke"
            return f"Removing {what} changed almost nothing: {why} ({numbers})."
        where = f" on {self.context}" if self.context and self.context != what else " here"
        how = "The generator refused" if self.inside < FAINT else "The picture changed, but the generator refused"
        return (f"{how} to draw {what}{where}: a layer can ask for {what}, but later layers veto it where the context does not "
                f"suit it, as Bau et al. found for doors in the sky. Try another place or more units ({numbers}).")


def measure(before: np.ndarray, after: np.ndarray, mask: np.ndarray, stroke: Stroke,
            segmenter: Segmenter | None = None) -> Effect:
    """Compares the picture without and with a stroke: uint8 (H,W,3) each, bool mask (H,W). Raises BadInput.

    With a segmenter that knows the brush as a class, also the class's share of the stroke's pixels.
    """
    before, after = check_rgb(before), check_rgb(after)
    mask = check_mask(mask, (before.shape[0], before.shape[1]))
    if after.shape != before.shape:
        raise BadInput(f"the two pictures have sizes {before.shape[:2]} and {after.shape[:2]}")
    change = np.abs(after.astype(np.int16) - before.astype(np.int16)).mean(axis=2)
    inside = float(change[mask].mean()) if mask.any() else 0.0
    outside = float(change[~mask].mean()) if not mask.all() else 0.0
    if segmenter is None or not mask.any():
        return Effect(stroke, inside, outside)
    seen = _segment(segmenter, np.stack([before, after]), mask.shape)
    label = next((x for x in segmenter.labels[1:] if x.name == stroke.brush), None)
    shares: tuple[float | None, float | None] = (None, None)
    if label is not None:
        first, second = ((s == label.id).any(axis=0)[mask].mean() for s in seen)
        shares = float(first), float(second)
    names = Counter(int(i) for i in seen[0][0][mask] if i)
    context = segmenter.labels[names.most_common(1)[0][0]].name if names else ""
    return Effect(stroke, inside, outside, *shares, context)


def _segment(segmenter: Segmenter, images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(2,H,W,3) uint8 -> (2,S,H,W) label ids at the pictures' size."""
    import torch

    with torch.no_grad():
        maps = segmenter(from_u8(images)).cpu().numpy()
    if maps.shape[2:] == tuple(shape):
        return np.asarray(maps)
    rows = (np.arange(shape[0]) * maps.shape[2]) // shape[0]
    columns = (np.arange(shape[1]) * maps.shape[3]) // shape[1]
    return np.asarray(maps[:, :, rows][:, :, :, columns])
