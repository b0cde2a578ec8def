"""Scores of a filled hole, by name.

    scores = metrics.score(metrics.Case(before, after, hole, truth=truth))      # {name: number}, nan = has no meaning here

With a truth (known holes) a fill is compared with what was there; without one (removal) only with its surroundings and with
what the judge sees. A metric is a file with a `Metric`, and one entry here.
"""
from __future__ import annotations

from core.metrics import agreement, collateral, gmsd, hole_mae, hole_psnr, hole_ssim, new_class, removal, seam, spill, texture
from core.metrics.base import Case, Metric

__all__ = ["REGISTRY", "Case", "Metric", "score"]

REGISTRY: dict[str, Metric] = {
    m.name: m for m in (
        hole_psnr.METRIC, hole_ssim.METRIC, hole_mae.METRIC, gmsd.METRIC, texture.METRIC, seam.METRIC, collateral.METRIC,
        collateral.AMOUNT, removal.METRIC, removal.WHOLE, spill.METRIC, new_class.METRIC, agreement.METRIC,
    )
}


def score(case: Case) -> dict[str, float]:
    """Every metric whose needs the case meets. An empty hole has no scores."""
    if not case.hole.any():
        return {}
    known = case.known()
    return {m.name: m.score(case) for m in REGISTRY.values() if m.needs <= known}
