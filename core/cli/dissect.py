"""`python -m core dissect --model scenes --layers layer4,layer7`: which unit draws what; kept in the Store."""
from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.cli import model as model_option
from core.errors import BadInput, StoreError

if TYPE_CHECKING:
    from core.dissect import Dissection

CUT = 0.04
COLUMNS = ("unit", "label", "category", "iou", "iqr", "level", "top_seeds")


@click.command(name="dissect")
@model_option.option()
@click.option("--layers", default="all", show_default=True, help="Layer names with commas between them, or all.")
@click.option("--images", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Images that measure.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for report.json and units.csv of each layer.")
@click.option("--segmenter", help="Chooses the labels, several with + between them; by default the model's own.")
@click.option("--quantile", type=float, default=0.01, show_default=True, help="Share of pixels above a unit's level.")
@click.option("--threshold", type=click.Choice(["quantile", "iqr"]), default="quantile", show_default=True,
              help="How a unit's level is chosen; both are computed, this is the one shown.")
@click.option("--padding", type=click.Choice(["border", "zeros"]), default="border", show_default=True)
@click.option("--seed-start", type=click.IntRange(0, 2**31), default=0, show_default=True, help="First seed that measures.")
@click.option("--level-images", type=click.IntRange(1, 100_000), default=200, show_default=True, help="Images for the levels.")
@click.option("--checks", "also", is_flag=True, help="Also: nulls, tightness by depth, agreement of dissector and judge.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--half", is_flag=True, help="On a GPU: half precision, if that moves no unit's level by more than 0.0005 of rank.")
def command(model: str, layers: str, images: int, out: Path | None, segmenter: str | None, quantile: float, threshold: Any,
            padding: Any, seed_start: int, level_images: int, also: bool, device: str, half: bool) -> None:
    """Dissect layers of a generator: which units draw which classes."""
    from core import segment, zoo
    from core.dissect import dissect
    from core.store import Store

    if out is not None and out.is_file():
        raise BadInput(f"--out {out} is a file; name a folder")
    generator = zoo.load(model, device)
    chosen = segmenter or next(iter(zoo.card(model).segmenters), "")
    if not chosen:
        raise BadInput(f"nothing names what {model} draws: paint concepts on the Models page, or name a segmenter with --segmenter "
                       f"({', '.join(segment.names())})")
    known = [info.name for info in generator.layers]
    wanted = known if layers == "all" else [name.strip() for name in layers.split(",") if name.strip()]
    if half:
        from core.zoo.precision import halved

        generator = halved(generator, wanted)
    progress = Progress()
    try:
        found = dissect(generator, segment.load(chosen, device), wanted, range(seed_start, seed_start + images),
                        level_seeds=range(1_000_000, 1_000_000 + level_images), quantile=quantile, padding=padding,
                        threshold=threshold, report=progress, store=Store())
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command goes on from here", err=True)
        raise click.Abort from None
    progress.end()
    if out is not None:
        export(found, out)
    for d in found.values():
        show(d)
    if also:
        check(model, device)
    if out is not None:
        click.echo(f"{out}: units.csv of {len(found)} layers, report.json")


def check(model: str, device: str) -> None:
    """Computes and prints what the Layers page shows beside a dissection."""
    from core.checks import checks
    from core.nulls import KINDS
    from core.store import Store

    progress = Progress()
    zero, tight, both = checks(Store(), model, device=device, report=progress)
    progress.end()
    click.echo("\nunits that pass the cut: as trained · with random weights · with label maps of other pictures; outline F-score")
    for layer in zero.layers:
        real, random, shuffled = (100 * zero.share(layer, kind, cut=CUT) for kind in KINDS)
        mean, low, high = tight.overall_outline[tight.layers.index(layer)] if layer in tight.layers else (float("nan"),) * 3
        click.echo(f"  {layer:<12}{real:>6.0f} %{random:>6.0f} %{shuffled:>6.0f} %{mean:>8.2f} ({low:.2f} to {high:.2f})")
    if both is not None:
        click.echo(f"dissector and judge agree on all labels but: {', '.join(both.doubtful) or 'none'}")


class Progress:
    """A line with share, pace and time left: rewritten on a terminal, a new one every ten seconds elsewhere."""

    def __init__(self) -> None:
        self._start, self._first, self._last = time.monotonic(), -1, 0.0
        self._live = sys.stderr.isatty()
        self._shown = False

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if self._first < 0 or done < self._first:
            self._first, self._start = done, now
        if now - self._last < (0.2 if self._live else 10) and done < total:
            return
        self._last = now
        fresh = done - self._first
        left = f", {clock((now - self._start) / fresh * (total - done))} left" if fresh >= 16 and done < total else ""
        click.echo(f"{done}/{total} images{left}{f' · {note}' if note else ''}".ljust(60) if self._live else
                   f"{done}/{total} images{left}", err=True, nl=not self._live)
        if self._live:
            click.echo("\r", err=True, nl=False)
        self._shown = True

    def end(self) -> None:
        """Leaves the terminal on a fresh line."""
        if self._live and self._shown:
            click.echo("", err=True)


def clock(seconds: float) -> str:
    """75 -> "1:15"."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}" if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def show(d: Dissection) -> None:
    """The layer's units and classes as a table."""
    rows = d.distribution(CUT)
    units = sum(len(group) for _, group in rows)
    click.echo(f"\n{d.layer}: {units} of {len(d.iou)} units name {len(rows)} classes (IoU > {CUT}, {d.threshold} levels, "
               f"{d.run.params['images']} images)")
    if rows:
        click.echo(f"  {'class':<14}{'category':<11}{'units':>6}{'best unit':>11}{'IoU':>8}{'highest possible':>18}")
    for label, group in rows:
        best = float(d.iou[group[0], d.column(label)])
        click.echo(f"  {label.name:<14}{label.category:<11}{len(group):>6}{group[0]:>11}{best:>8.3f}{d.ceiling(label):>18.2f}")


def unit_row(d: Dissection, unit: int) -> dict[str, Any]:
    """One line of units.csv."""
    label, iou = d.best(unit)
    return {"unit": unit, "label": label.name, "category": label.category, "iou": round(iou, 6),
            "iqr": round(float(d.iqr[unit, d.column(label)]), 6), "level": round(float(d.levels[unit]), 6),
            "top_seeds": [int(s) for s in d.top_seeds[unit] if s >= 0]}


def export(found: dict[str, Dissection], out: Path) -> None:
    """Writes <out>/<layer>/units.csv and <out>/report.json. Raises StoreError."""
    layers = []
    try:
        for layer, d in found.items():
            rows = [unit_row(d, unit) for unit in range(len(d.iou))]
            (out / layer).mkdir(parents=True, exist_ok=True)
            with (out / layer / "units.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows({**row, "top_seeds": " ".join(map(str, row["top_seeds"]))} for row in rows)
            layers.append({"layer": layer, "run": d.run.key, "settings": d.run.as_dict(), "threshold": d.threshold, "cut": CUT,
                           "interpretable": int(d.interpretable(CUT).sum()), "units": rows,
                           "labels": [{"label": label.name, "category": label.category, "units": list(group),
                                       "ceiling": round(d.ceiling(label), 6)} for label, group in d.distribution(CUT)]})
        (out / "report.json").write_text(json.dumps({"layers": layers}, indent=1, allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{out} could not be written: {error.strerror or error}; the results themselves are stored") from error
