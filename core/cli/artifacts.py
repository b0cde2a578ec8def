"""`python -m core artifacts --model scenes --layer layer6 --out DIR`: units that spoil pictures; switching them off, tested."""
from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.cli import model as model_option
from core.cli.percent import Percent
from core.errors import BadInput

if TYPE_CHECKING:
    from core.artifacts import ArtifactScores, Quality


@click.command(name="artifacts")
@model_option.option()
@click.option("--layer", default="", help="By default the model's own.")
@click.option("--images", type=click.IntRange(20, 100_000), default=1000, show_default=True, help="Pictures scored over.")
@click.option("--off", default=20, show_default=True, help="How many of the most suspicious units to switch off; 0 = only list.")
@click.option("--units", help="Switch off these instead, numbers with commas between them.")
@click.option("--quality-images", type=click.IntRange(8, 100_000), default=250, show_default=True, help="Pictures of the test.")
@click.option("--draws", type=click.IntRange(2, 1000), default=10, show_default=True, help="Random sets of the control.")
@click.option("--save", help="Keep the model with these units off under this name.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for tables, figures and settings.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
def command(model: str, layer: str, images: int, off: int, units: str | None, quality_images: int, draws: int, save: str | None,
            out: Path | None, device: str) -> None:
    """List the units that are on where pictures look like nothing real, and test switching them off."""
    from core import zoo
    from core.artifacts import reference, save_cleaned
    from core.artifacts.examine import examine, try_without
    from core.store import Store

    chosen = layer or zoo.card(model).default_layer
    store, progress = Store(), Percent()
    try:
        found = examine(model, chosen, images=images, store=store, report=progress, device=device)
        selected = numbers(units) if units else found.top(off)
        outcome = None
        if selected and reference.source(model):
            outcome = try_without(model, chosen, selected, images=quality_images, draws=draws, store=store, report=Percent(),
                                  device=device)
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command goes on from here", err=True)
        raise click.Abort from None
    progress.end()
    show(found, outcome)
    if selected and outcome is None:
        click.echo(f"no quality test: there are no real pictures of this kind; put some into {reference.folder(model)}")
    if save:
        kept = save_cleaned(store, save, model, chosen, selected)
        click.echo(f"{kept.name} is now a model: {len(kept.units)} units of {chosen} are off")
    if out is not None:
        export(found, outcome, out)
        click.echo(f"{out}: units.csv, quality.csv, figures and settings.json")


def numbers(text: str) -> tuple[int, ...]:
    """"3,17" -> (3, 17). Raises BadInput."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise BadInput(f"--units takes whole numbers with commas between them, got {text[:60]!r}") from None


def export(found: ArtifactScores, outcome: Quality | None, out: Path) -> None:
    """The folder the command writes."""
    from core.artifacts import figures

    out.mkdir(parents=True, exist_ok=True)
    _write(out / "units.csv", [{"rank": k + 1, "unit": int(u), "score": float(found.score[u]),
                                **{name: float(values[u]) for name, values in found.parts.items()},
                                "top_seeds": " ".join(map(str, found.tops[u].tolist()))} for k, u in enumerate(found.order)])
    figures.scores_figure(found).write_html(out / "scores.html", include_plotlyjs=True)
    runs = {"scores": found.run.as_dict()}
    if outcome is not None:
        _write(out / "quality.csv", outcome.table())
        for name in outcome.names:
            figures.quality_figure(outcome, name).write_html(out / f"{name}.html", include_plotlyjs=True)
        for which in ("random", "worst"):
            for when in ("before", "after"):
                (out / f"{which}_{when}.jpg").write_bytes(outcome.rows[f"{which}_{when}"].tobytes())
        runs["quality"] = outcome.run.as_dict()
    (out / "settings.json").write_text(json.dumps({"runs": runs}, indent=1))


def show(found: ArtifactScores, outcome: Quality | None) -> None:
    """The answer in a few lines."""
    click.echo(f"{found.layer}: most suspicious units {', '.join(map(str, found.top(20)))}")
    if outcome is None:
        return
    for which in ("random", "worst"):
        mean, lo, hi = outcome.random("frechet", which)
        click.echo(f"  {which:<7} pictures: Fréchet distance {outcome.untouched('frechet', which):.3f} untouched, "
                   f"{outcome.off('frechet', which):.3f} with {len(outcome.units)} units off, {mean:.3f} ({lo:.3f} to "
                   f"{hi:.3f}) with as many random units off; real against real {outcome.real['frechet']:.3f}")


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
