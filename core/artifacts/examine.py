"""What the artifacts page does with a known model: find suspicious units, and test switching some off.

    found = examine("scenes", "layer4", store=store)                       # ArtifactScores, on the chooser's features
    outcome = try_without("scenes", "layer4", found.top(20), store=store)    # Quality, on the judge's
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.causal.study import Stages, pair
from core.errors import BadInput
from core.jobs import Report, no_report
from core.store import Store

if TYPE_CHECKING:
    from core.artifacts.results import ArtifactScores, Quality

SUSPECTS = 20         # units switched off at first, as in Bau et al. 2019
REALS = 200           # real pictures that windows are compared with
QUALITY_REALS = 500


def examine(model: str, layer: str, *, images: int = 1000, tops: int = 8, store: Store, report: Report = no_report,
            device: str = "auto") -> ArtifactScores:
    """Artifact scores of a layer of a known model. Raises BadInput without a dissection."""
    from core import dissect, zoo
    from core.artifacts import reference
    from core.artifacts.scores import artifact_scores

    found = dissect.load(store, model, layer)
    if found is None:
        raise BadInput(f"{layer} of {model} has not been dissected yet; run first: python -m core dissect --model {model} "
                       f"--layers {layer}")
    generator = zoo.load(model, device)
    real = reference.pictures(model, generator.image_size, REALS)
    return artifact_scores(generator, pair(model, device=device)[0], found, real, reference=reference.source(model),
                           images=images, tops=tops, report=report, store=store)


def try_without(model: str, layer: str, units: Sequence[int], *, images: int = 250, draws: int = 10, store: Store,
               report: Report = no_report, device: str = "auto") -> Quality:
    """Quality of a known model with units off. Raises BadInput when there are no real pictures to compare with."""
    from core import zoo
    from core.artifacts import reference
    from core.artifacts.quality import quality
    from core.metrics import inception

    if not reference.source(model):
        raise BadInput(f"there are no real pictures to compare {model} with; put some into {reference.folder(model)}")
    generator = zoo.load(model, device)
    real = reference.pictures(model, generator.image_size, QUALITY_REALS)
    assert real is not None
    return quality(generator, pair(model, device=device)[1], layer, units, real, images=images, draws=draws,
                   reference=reference.source(model), inception=inception.load(generator.device), report=report, store=store)


def bundle(store: Store, *, model: str = "scenes", layer: str = "", images: int = 1000, report: Report = no_report) -> Quality:
    """What ships with the project: scores of the default layer, and the test of the 20 most suspicious units, into `store`.

    About 7 minutes on one core.
    """
    from core import zoo

    where = layer or zoo.card(model).default_layer
    stages = Stages(report, ("scores", "test"))
    found = examine(model, where, images=images, store=store, report=stages.at(0))
    return try_without(model, where, found.top(SUSPECTS), store=store, report=stages.at(1))
