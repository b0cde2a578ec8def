"""Spill: the class turning up where it was not, outside the hole."""
from __future__ import annotations

from core.metrics.base import Case, Metric, mean


def spill(case: Case) -> float:
    """Share of pixels outside the hole that carry the class in y but did not in x, in per cent; nan without a class."""
    assert case.labels_before is not None
    assert case.labels_after is not None
    had = (case.labels_before == case.label).any(axis=0)
    has = (case.labels_after == case.label).any(axis=0)
    return 100 * mean((has & ~had)[~case.hole]) if case.label else float("nan")


METRIC = Metric("spill", "Spill", "%", "lower", "Pixels outside the hole that newly show the class, as the judge sees it.",
                frozenset({"labels"}), spill, 1)
