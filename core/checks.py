"""What is shown beside a dissection on the Layers page, all of it: nulls, tightness by depth, agreement of dissector and judge."""
from __future__ import annotations

from core.dissect import load
from core.errors import BadInput
from core.jobs import Report, no_report
from core.nulls import Nulls, nulls
from core.store import Store
from core.tightness import Tightness, tightness
from core.trust import Trust, trust


def checks(store: Store, model: str, *, images: int = 1000, device: str = "auto",
           report: Report = no_report) -> tuple[Nulls, Tightness, Trust | None]:
    """Computes what is not stored yet. `images`: pictures on which dissector and judge are compared (no judge: None).

    Raises BadInput when the model has not been dissected, JobCancelled.
    """
    from core import segment, zoo

    card = zoo.card(model)
    generator = zoo.load(model, device)
    found = {info.name: d for info in generator.layers if (d := load(store, model, info.name)) is not None}
    if not found:
        raise BadInput(f"{model} has not been dissected yet; run: python -m core dissect --model {model}")
    first = segment.load(card.segmenters[0], device)
    zero = nulls(generator, first, list(found), report=report, store=store)
    tight = tightness(generator, first, found, report=report, store=store)
    both = None
    if len(card.segmenters) > 1:
        both = trust(generator, first, segment.load(card.segmenters[1], device), range(images), report=report, store=store)
    return zero, tight, both
