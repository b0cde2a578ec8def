"""Units that spoil pictures: found, switched off, scored, and kept as a cleaned model.

    from core.artifacts import load_scores, load_quality, save_cleaned        # stored results, no torch
    from core.artifacts.scores import artifact_scores                          # automatic list, on the chooser's features
    from core.artifacts.quality import quality                                 # outcome, on the judge's features

A cleaned model is a named ablation set; `zoo.load(name)` opens it like any other (core/zoo/cleaned.py).
"""
from core.artifacts.results import FIGURES, MEANING, SCORES, ArtifactScores, Quality, load_quality, load_scores
from core.zoo.cleaned import Cleaned, cleaned, delete_cleaned, save_cleaned

__all__ = ["FIGURES", "MEANING", "SCORES", "ArtifactScores", "Cleaned", "Quality", "cleaned", "delete_cleaned", "load_quality",
           "load_scores", "save_cleaned"]
