"""What causes what: units ranked by average causal effect, removal and insertion curves, side effects, context.

Method: Bau et al. 2019, §3.2.

    from core.causal import load_ranking, load_curves            # stored results, no torch
    from core.causal.optimise import ace                          # ace(generator, chooser, layer, "tree", iou, q99) -> Ranking
    from core.causal.single import single                         # every unit alone, all classes
    from core.causal.curves import curves                         # scored by the judge, random control included
    from core.causal.context import context                       # the door experiment

The chooser finds units, another segmenter (the scorer) measures what they do, on seeds of its own.
"""
from core.causal.presets import COUNTS, MARKED, PRESETS, Preset
from core.causal.results import (
    Agreement,
    Band,
    Context,
    Curves,
    Place,
    SideEffect,
    agreements,
    by_preset,
    load_context,
    load_curves,
    rank_correlation,
)
from core.causal.stored import Single, label_id, load_ranking, load_single, load_values

__all__ = ["COUNTS", "MARKED", "PRESETS", "Agreement", "Band", "Context", "Curves", "Place", "Preset", "SideEffect", "Single", "agreements",
           "by_preset", "label_id", "load_context", "load_curves", "load_ranking", "load_single", "load_values", "rank_correlation"]
