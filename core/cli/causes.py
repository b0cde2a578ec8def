"""`python -m core causes --model scenes --layer layer6 --class tree --out DIR`: which units cause a class, with controls."""
from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.cli import model as model_option
from core.cli.percent import Percent

if TYPE_CHECKING:
    from core.causal.study import Plan, Study
    from core.dissect import Dissection


@click.command(name="causes")
@model_option.option()
@click.option("--layer", default="", help="By default the model's own.")
@click.option("--class", "label", required=True, help="The class whose causes are looked for.")
@click.option("--preset", type=click.Choice(["quick", "code", "paper"]), default="quick", show_default=True,
              help="Constants of the optimisation.")
@click.option("--pool", type=click.IntRange(16, 100_000), help="Pictures searched for the class (default: the preset's).")
@click.option("--half", is_flag=True, help="Learn in half precision (bfloat16): faster where the processor is made for it.")
@click.option("--images", type=click.IntRange(4, 10_000), default=20, show_default=True, help="Pictures of the curves.")
@click.option("--draws", type=click.IntRange(2, 1000), default=10, show_default=True, help="Random orders of the control.")
@click.option("--single", type=click.IntRange(1, 10_000), default=16, show_default=True, help="Pictures of single effects.")
@click.option("--context", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Pictures of the context table.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for tables, figures and settings.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
def command(model: str, layer: str, label: str, preset: str, pool: int | None, half: bool, images: int, draws: int, single: int,
            context: int, out: Path | None, device: str) -> None:
    """Rank a layer's units by what they cause, and test the ranking: removal, insertion, side effects, context."""
    from dataclasses import replace

    from core import dissect, zoo
    from core.causal import agreements, by_preset
    from core.causal.optimise import smaller
    from core.causal.presets import preset as preset_named
    from core.causal.study import Plan, study
    from core.errors import BadInput
    from core.store import Store

    chosen = layer or zoo.card(model).default_layer
    setting = replace(preset_named(preset), half=half)
    plan = Plan(smaller(setting, pool) if pool else setting, single, images, draws, min(images, 6), context)
    store = Store()
    dissection = dissect.load(store, model, chosen)
    if dissection is None:
        raise BadInput(f"{chosen} of {model} has not been dissected yet; run first: python -m core dissect --model {model} "
                       f"--layers {chosen}")
    progress = Percent()
    try:
        found = study(model, chosen, label, plan=plan, store=store, report=progress, device=device)
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command goes on from here", err=True)
        raise click.Abort from None
    progress.end()
    if out is not None:
        export(found, dissection, plan, out)
    show(found)
    for a in agreements(by_preset(store, model, chosen, label)):
        click.echo(f"  {a.presets[0]} against {a.presets[1]}: rank correlation {a.correlation:.2f}, {a.shared} of the first {a.n} units "
                   f"in common; they leave {100 * a.left[0]:.1f} and {100 * a.left[1]:.1f} %")
    if out is not None:
        click.echo(f"{out}: ranking.csv, curves.csv, side_effects.csv, context.csv, figures and settings.json")


def export(found: Study, dissection: Dissection, plan: Plan, out: Path) -> None:
    """The folder the command writes."""
    from dataclasses import asdict

    from core.causal import figures

    out.mkdir(parents=True, exist_ok=True)
    curves, learned = found.curves, found.rankings[0]
    label = learned.label
    seen = bool(found.single.before[curves.label.id]) if curves.label.id < len(found.single.before) else False
    effect = found.single.effect(label) if seen else None
    column = dissection.column(label)
    _write(out / "ranking.csv", [{"unit": int(u), "label": label, "iou": float(dissection.iou[u, column]),
                                  "ace": float(learned.score[u]), "single_effect": float(effect[u]) if effect is not None else ""}
                                 for u in learned.order])
    _write(out / "curves.csv", curves.table())
    _write(out / "side_effects.csv", [{"order": o, "n": n, "label": e.label.name, "share_before": e.share, "area_left": e.left}
                                      for o in curves.orders for n in curves.counts for e in curves.side_effects(o, n)])
    _write(out / "context.csv", [{"before": p.label.name, "category": p.label.category, "cells": p.cells, "pictures": p.pictures,
                                  "gain": p.gain, "lo": p.lo, "hi": p.hi} for p in found.context.table()])
    scatter = effect if effect is not None else learned.score
    for name, figure in (("curves_remove", figures.curves_figure(curves, "remove")),
                         ("curves_insert", figures.curves_figure(curves, "insert")),
                         ("side_effects", figures.side_figure(curves)),
                         ("context", figures.context_figure(found.context)),
                         ("scatter", figures.scatter_figure(dissection.iou[:, column], scatter, highlighted=learned.top(20),
                                                            effect_title="single effect" if effect is not None else "α"))):
        figure.write_html(out / f"{name}.html", include_plotlyjs=True, config={"displayModeBar": False})
    runs: dict[str, Any] = {r.kind: r.run.as_dict() for r in (learned, *found.rankings[2:])}
    runs |= {"iou": dissection.run.as_dict(), "curves": curves.run.as_dict(), "context": found.context.run.as_dict()}
    settings = {"plan": asdict(plan), "runs": runs,
                "chooser": learned.run.params["segmenter"], "scorer": curves.run.params["scorer"],
                "scorer_is_chooser": curves.one_segmenter, "seeds": curves.seeds.tolist(),
                "insert_seeds": curves.insert_seeds.tolist(), "pictures_scanned": curves.scanned}
    (out / "settings.json").write_text(json.dumps(settings, indent=1))


def show(found: Study) -> None:
    """The answer in a few lines."""
    curves, learned = found.curves, found.rankings[0]
    n = curves.marked
    at = curves.counts.index(n)
    click.echo(f"{learned.label} in {learned.layer}: first units by causal effect {', '.join(map(str, learned.top(10)))}")
    for order in (*curves.orders, "random"):
        left, gain = curves.area_left(order), curves.gain(order)
        click.echo(f"  {order:<7} {n} units off: {100 * left.mean[at]:5.1f} % of the area left ({100 * left.lo[at]:.1f} to "
                   f"{100 * left.hi[at]:.1f}); inserted: {100 * gain.mean[at]:+.2f} % of the picture")
    if curves.one_segmenter:
        click.echo("  note: this model has one segmenter only, so it both chose the units and scored them")


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["empty"])
        writer.writeheader()
        writer.writerows(rows)
