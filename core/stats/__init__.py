"""Streaming statistics of activations: quantiles, top images, and counts from which every overlap score is read.

    Tail, Quantiles      levels of each unit: exact for top fractions, within a stated rank error for any fraction
    TopK                 the images in which each unit is strongest, with their maps
    LabelMap, CrossCounts    pixels by unit, label and level; sums of whole numbers, so any order of merging gives the same
    scores               IoU, IQR (information quality ratio) and agreement from those counts

Everything takes micro-batches (N,U,h,w); on a CPU the compiled loops of `core.kernels` do the work, elsewhere plain torch.
"""
from core.stats.counts import CrossCounts, LabelMap, label_map
from core.stats.grid import Padding, Resampling, dense, resampling
from core.stats.quantiles import Quantiles, Tail, hazen
from core.stats.topk import TopK

__all__ = ["CrossCounts", "LabelMap", "Padding", "Quantiles", "Resampling", "Tail", "TopK", "dense", "hazen", "label_map",
           "resampling"]
