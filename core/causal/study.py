"""Everything the causes page shows of one class, in one piece of work: ranking, single effects, curves, context.

    study("scenes", "layer4", "tree", store=store, report=report)      # stored; load_ranking, load_curves, … find it

Each part is stored as it is finished, so a cancelled study goes on where it stopped. A dissection of the layer must be there.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.causal.presets import PRESETS, Preset
from core.causal.stored import label_id
from core.errors import BadInput, UnknownName
from core.jobs import Report, no_report
from core.store import Store
from core.units import Ranking

if TYPE_CHECKING:
    from core.causal.results import Context, Curves
    from core.causal.stored import Single
    from core.dissect import Dissection
    from core.segment.base import Segmenter
    from core.zoo.generator import Generator


@dataclass(frozen=True)
class Plan:
    """How much is measured: pictures of each part, random draws and the pictures of each, pictures of the context table."""

    setting: Preset = PRESETS["quick"]
    single: int = 16
    images: int = 20
    draws: int = 10
    random_images: int = 6
    context: int = 50


@dataclass(frozen=True)
class Study:
    """What was measured of one class."""

    rankings: tuple[Ranking, ...]
    single: Single
    curves: Curves
    context: Context


def pair(model: str, label: str = "", device: str = "auto") -> tuple[Segmenter, Segmenter]:
    """(chooser, scorer) of a model: its first segmenter, and the next one that knows the label; the same where there is only one.

    Raises BadInput when the model has no segmenter.
    """
    from core import segment, zoo

    names = zoo.card(model).segmenters
    if not names:
        raise BadInput(f"no segmenter is known for {model!r}; fetch one, or paint concepts of your own, on the Models page")
    chooser = segment.load(names[0], device)
    for name in names[1:]:
        scorer = segment.load(name, device)
        if not label or any(x.name == label for x in scorer.labels):
            return chooser, scorer
    return chooser, chooser


def two_segmenters(model: str) -> bool:
    """Whether the model has a scorer besides its chooser. No torch."""
    from core import zoo

    return len(zoo.card(model).segmenters) > 1


def study(model: str, layer: str, label: str, *, plan: Plan = Plan(), store: Store, report: Report = no_report,  # noqa: B008
          device: str = "auto") -> Study:
    """Ranking, single effects, curves and context of a class of a known model. Raises BadInput without a dissection."""
    from core import dissect, zoo

    found = dissect.load(store, model, layer)
    if found is None:
        raise BadInput(f"{layer} of {model} has not been dissected yet; run first: python -m core dissect --model {model} "
                       f"--layers {layer}")
    chooser, scorer = pair(model, label, device)
    return measure(zoo.load(model, device), chooser, scorer, found, label, plan=plan, store=store, report=report)


def measure(generator: Generator, chooser: Segmenter, scorer: Segmenter, dissection: Dissection, label: str, *, plan: Plan,
            store: Store, report: Report = no_report) -> Study:
    """The same with everything given. `chooser` finds units, `scorer` says what they do."""
    from core.causal.context import context
    from core.causal.curves import curves
    from core.causal.optimise import ace
    from core.causal.single import single

    layer = dissection.layer
    label_id(chooser.labels, label)
    label_id(scorer.labels, label)
    stages = Stages(report, ("ranking", "single effects", "curves", "context"))
    column = dissection.column(label)
    learned = ace(generator, chooser, layer, label, dissection.iou[:, column], dissection.q99, setting=plan.setting,
                  report=stages.at(0), store=store)
    alone = single(generator, chooser, layer, images=plan.single, report=stages.at(1), store=store)
    values = dissection.q99
    rankings = [learned, dissection.ranking(label)]
    if alone.before[label_id(alone.labels, label)]:
        rankings.append(alone.ranking(label))
    drawn = curves(generator, scorer, rankings, values, images=plan.images, draws=plan.draws, random_images=plan.random_images,
                   report=stages.at(2), store=store)
    where = context(generator, scorer, learned, values, images=plan.context, report=stages.at(3), store=store)
    return Study(tuple(rankings), alone, drawn, where)


class Stages:
    """One progress over several stages: each counts as 1000."""

    def __init__(self, report: Report, names: Sequence[str]) -> None:
        self._report, self._names = report, tuple(names)

    def at(self, stage: int) -> Report:
        """The report of one stage."""
        def inner(done: int, total: int, note: str = "") -> None:
            share = min(1000, 1000 * done // max(total, 1))
            name = self._names[stage]
            self._report(1000 * stage + share, 1000 * len(self._names), f"{name}: {note}" if note else name)

        return inner


def bundle(store: Store, *, model: str = "scenes", layer: str = "", labels: Sequence[str] = (), plan: Plan = Plan(),  # noqa: B008
           report: Report = no_report) -> list[Study]:
    """The studies that ship with the project: the brush classes of the bundled model at its default layer, into `store`.

    About 5 minutes a class on one core, the single effects, made once, included. Classes the generator never draws are left out.
    """
    from core import zoo
    from core.scenes import BRUSHES

    where = layer or zoo.card(model).default_layer
    wanted = list(labels) or list(BRUSHES)
    stages = Stages(report, wanted)
    done = []
    for number, label in enumerate(wanted):
        try:
            done.append(study(model, where, label, plan=plan, store=store, report=stages.at(number)))
        except UnknownName:
            raise
        except BadInput as error:
            stages.at(number)(1, 1, f"left out: {error}")
    return done
