"""The figures of MODEL.md, measured anew on the bundled files: `python -m core.training report`.

Segmenters on the 500 test scenes. The generator, by the judge and the painter's truth: mean area of every label, Fréchet
distance, improved precision and recall, each beside the same figure for two disjoint sets of painted scenes. Seeds are
0 … count-1, all of them.
"""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.dissect import Dissection
from core.metrics.frechet import frechet
from core.metrics.precision import members, precision_recall
from core.scenes import LABELS
from core.segment.bundled import BundledSegmenter
from core.training.pool import Pool, open_pool
from core.training.segmenter import held_out
from core.training.watch import Reading, pictures, read
from core.zoo.proggan import ProgGANNet

SHOWN = 0.005   # a picture shows a label when it covers so much of it


@dataclass(frozen=True)
class Figures:
    """What the judge says of `count` generated pictures against as many painted scenes, and of scenes against scenes."""

    count: int
    frechet: float
    frechet_worlds: float
    precision_recall: tuple[float, float]
    precision_recall_worlds: tuple[float, float]
    areas: dict[str, tuple[float, float, float]]    # label: generated, world (both by the judge), world (truth)
    where: dict[str, tuple[float, float, float, float]]   # label: precision and recall of pictures that show it, and of the others


def measure(net: ProgGANNet, judge: BundledSegmenter, home: Path, count: int = 2000) -> Figures:
    """Seeds 0 … count-1 against the first `count` scenes of the world's seeds; the next `count` scenes are the second world."""
    side = 2 ** len(net.sizes)
    pool = open_pool(home, "world", side, 2 * count)
    pool.fill()
    made = read(judge, pictures(net, range(count)))
    first, second = (_read_scenes(judge, pool, start, count) for start in (0, count))
    truth = _true_areas(pool, count)
    areas = {x.name: (float(made.areas[x.id]), float(first.areas[x.id]), float(truth[x.id])) for x in LABELS[1:]}
    inside = members(first.features, made.features)
    where = {x.name: by_presence(inside, (made, first), x.id) for x in LABELS[1:]}
    return Figures(count, frechet(first.features, made.features), frechet(first.features, second.features),
                   (float(inside[0].mean()), float(inside[1].mean())), precision_recall(first.features, second.features), areas, where)


def by_presence(inside: tuple[np.ndarray, np.ndarray], readings: tuple[Reading, Reading], label: int) -> tuple[float, float, float, float]:
    """Shares of generated pictures and of scenes that lie inside the other set: those that show the label, then those that do not."""
    shares = []
    for found, reading in zip(inside, readings, strict=True):
        assert reading.each is not None
        shown = reading.each[:, label] >= SHOWN
        shares.append([float(found[which].mean()) if which.any() else float("nan") for which in (shown, ~shown)])
    (precise, other_precise), (recalled, other_recalled) = shares
    return precise, recalled, other_precise, other_recalled


def _read_scenes(judge: BundledSegmenter, pool: Pool, start: int, count: int) -> Reading:
    stop = start + count
    return read(judge, [pool.batch(np.arange(i, min(i + 20, stop)))[0] for i in range(start, stop, 20)])


def _true_areas(pool: Pool, count: int) -> np.ndarray:
    labels = pool.labels()[:count]
    return np.bincount(labels.ravel(), minlength=len(LABELS)) / (labels.size // labels.shape[1])


def generator_text(figures: Figures) -> str:
    """Markdown of `measure`."""
    precision, recall = figures.precision_recall
    real_precision, real_recall = figures.precision_recall_worlds
    lines = [f"| by the judge, {figures.count} pictures a set | generated – world | world – world |", "|---|---|---|",
             f"| Fréchet distance | {figures.frechet:.3f} | {figures.frechet_worlds:.3f} |",
             f"| precision (k = 3) | {precision:.2f} | {real_precision:.2f} |",
             f"| recall (k = 3) | {recall:.2f} | {real_recall:.2f} |", "",
             "| label | generated % | world % | ratio | world % (truth) |", "|---|---|---|---|---|"]
    for name, (made, world, truth) in sorted(figures.areas.items(), key=lambda item: -item[1][1]):
        ratio = f"{made / world:.2f}" if world else "–"
        lines.append(f"| {name} | {100 * made:.2f} | {100 * world:.2f} | {ratio} | {100 * truth:.2f} |")
    lines += ["", f"| label, in pictures that show it on {100 * SHOWN:g} % or more | precision | recall | precision without it "
              "| recall without it |", "|---|---|---|---|---|"]
    for name, row in sorted(figures.where.items(), key=lambda item: item[1][1]):
        lines.append(f"| {name} | {' | '.join('–' if np.isnan(x) else f'{x:.2f}' for x in row)} |")
    return "\n".join(lines)


def segmenter_text(tables: dict[str, Sequence[dict[str, Any]]]) -> str:
    """Markdown of one `held_out` table a segmenter, side by side."""
    names = list(tables)
    lines = [f"| label | category | % of pixels | {' | '.join(f'IoU {name}' for name in names)} |",
             "|---|---|---|" + "---|" * len(names)]
    by_label = {name: {row["label"]: row for row in rows} for name, rows in tables.items()}
    for row in sorted(tables[names[0]], key=lambda row: -row["share"]):
        scores = " | ".join(f"{by_label[name][row['label']]['iou']:.3f}" for name in names)
        lines.append(f"| {row['label']} | {row['category']} | {100 * row['share']:.2f} | {scores} |")
    return "\n".join(lines)


def inside_text(dissections: Mapping[str, Dissection], cut: float = 0.04) -> str:
    """Markdown: units over the cut and their labels by layer and category, then every label that any unit stands for."""
    lines = [f"| layer | units over IoU {cut} | object | part | material | labels |", "|---|---|---|---|---|---|"]
    best: dict[str, tuple[float, float, str]] = {}
    for name, d in dissections.items():
        found = d.distribution(cut)
        units = {kind: sum(len(u) for label, u in found if label.category == kind) for kind in ("object", "part", "material")}
        lines.append(f"| {name} | {sum(units.values())} of {len(d.iou)} | {' | '.join(map(str, units.values()))} | {len(found)} |")
        for label, of_label in found:
            top = float(d.iou[of_label[0], d.column(label)])
            best[label.name] = max(best.get(label.name, (0.0, 0.0, "")), (top, d.ceiling(label, of_label[0]), name))
    lines += ["", f"{len(best)} labels over all layers: the best unit's IoU, the most that a mask of its size can reach, and its layer.",
              "", "| label | IoU | ceiling | layer |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {label} | {iou:.3f} | {top:.2f} | {layer} |"
                              for label, (iou, top, layer) in sorted(best.items(), key=lambda item: -item[1][0])])


def plateau_text(log: Path) -> str:
    """Markdown of the training log: Fréchet distance (dissector's features, few pictures) over pictures seen."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    lines = ["| pictures seen | Fréchet distance |", "|---|---|"]
    return "\n".join(lines + [f"| {row['images']:,} | {row['frechet']:.3f} |" for row in rows])


def report(net: ProgGANNet | None, segmenters: dict[str, BundledSegmenter], home: Path, *, size: int, count: int) -> str:
    """All tables as Markdown; the generator's only where there is one."""
    parts = ["### Segmenters on held-out scenes", segmenter_text({name: held_out(s, home) for name, s in segmenters.items()})]
    if net is not None:
        parts += ["### The generator and its world", generator_text(measure(net, segmenters["scenes-judge"], home, count))]
    log = home / f"gan-{size}.jsonl"
    if log.is_file():
        parts += ["### Training", plateau_text(log)]
    return "\n\n".join(parts)
