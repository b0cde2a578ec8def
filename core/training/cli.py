"""Command line of the trainings. Everything resumes; nothing but `export` writes into the project."""
from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np

from core.cli import model as model_option
from core.training.checkpoint import HOME

HOME_OPTION = click.option("--home", type=click.Path(path_type=Path), default=HOME, show_default=True,
                           help="Where pools, checkpoints and logs live.")
DEVICE_OPTION = click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
COMPILE_OPTION = click.option("--compile/--no-compile", "compiled", default=False, show_default=True,
                              help="Compile the networks first (needs a C++ compiler; faster later).")


@click.group(help=__doc__)
@click.option("--threads", type=int, default=None, help="CPU threads of torch (default: torch's own choice).")
def main(threads: int | None) -> None:
    import torch

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if threads is not None:
        torch.set_num_threads(threads)


@main.command()
@click.option("--owner", type=click.Choice(["test", "unseen", "world", "dissector", "judge", "gan"]), required=True)
@click.option("--size", default=64, show_default=True)
@click.option("--count", default=30_000, show_default=True)
@click.option("--workers", default=1, show_default=True, help="Processes that paint.")
@HOME_OPTION
def scenes(owner: str, size: int, count: int, workers: int, home: Path) -> None:
    """Paint a pool of scenes ahead of a training that reads it."""
    from core.training.pool import open_pool

    pool = open_pool(home, owner, size, count)
    while pool.ready < count:
        pool.fill(pool.ready + 8192, workers=workers)
        click.echo(f"{pool.ready} of {count} scenes painted in {pool.folder}")


@main.command()
@click.option("--which", type=click.Choice(["dissector", "judge"]), required=True)
@click.option("--images", default=48_000, show_default=True, help="Pictures to see, repeats included.")
@click.option("--pool", default=8_000, show_default=True, help="Different scenes.")
@click.option("--lr", default=3e-3, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--export/--no-export", default=True, show_default=True, help="Write the bundled file at the end.")
@COMPILE_OPTION
@DEVICE_OPTION
@HOME_OPTION
def segmenter(which: Literal["dissector", "judge"], images: int, pool: int, lr: float, seed: int, export: bool,
              compiled: bool, device: str, home: Path) -> None:
    """Train the dissector or the judge, then measure it on 500 held-out scenes."""
    from core.segment.bundled import open_file
    from core.training import segmenter as training
    from core.training.export import export_segmenter

    config = training.SegmenterConfig(which, images=images, pool=pool, lr=lr, seed=seed)
    training.train(config, home, device=device, compiled=compiled)
    path = export_segmenter(which, home, *(() if export else (home / "trial",)))
    click.echo(training.table_text(training.held_out(open_file(path, name=which), home)))


@main.command("held-out")
@click.option("--owner", type=click.Choice(["test", "unseen"]), default="unseen", show_default=True)
@DEVICE_OPTION
@HOME_OPTION
def held_out(owner: str, device: str, home: Path) -> None:
    """IoU of both bundled segmenters on scenes that neither was trained on."""
    from core import segment
    from core.training import segmenter as training

    for name in ("scenes", "scenes-judge"):
        click.echo(f"{name}, {owner} scenes")
        click.echo(training.table_text(training.held_out(segment.load(name, device), home, owner=owner)))


@main.command()
@click.option("--size", type=click.Choice(["64", "128"]), default="64", show_default=True)
@click.option("--images", default=65_000, show_default=True, help="Pictures to see in all, earlier runs included.")
@click.option("--pool", default=30_000, show_default=True, help="Different scenes.")
@click.option("--batch", default=16, show_default=True, help="Larger late: steadier, slower.")
@click.option("--lr", default=4e-3, show_default=True)
@click.option("--critic-lr", default=3e-3, show_default=True)
@click.option("--picture-share", default=1.5, show_default=True,
              help="Weight of the picture critic relative to the feature heads.")
@click.option("--r1", default=1.0, show_default=True, help="Weight of the picture critic's gradient penalty; less makes a sharper critic.")
@click.option("--critic-width", default=1, show_default=True, help="Times the picture critic's channels; more where a GPU has time.")
@click.option("--grow-images", default=6_000, show_default=True, help="Pictures from which critics learn first after a start.")
@click.option("--ema-images", default=6_000, show_default=True, help="Half-life of the running average.")
@click.option("--echo-share", default=1.0, show_default=True, help="Weight of the encoder's echo relative to the feature heads.")
@click.option("--start", type=click.Path(path_type=Path, exists=True), default=None,
              help="Weights of this side, or half of it, to begin with where there is no checkpoint.")
@click.option("--seed", default=0, show_default=True)
@click.option("--watch-every", default=4_000, show_default=True, help="Images between two sheets and readings.")
@COMPILE_OPTION
@click.option("--dissector", type=click.Path(path_type=Path, exists=True), default=None,
              help="Another dissector file than the bundled one.")
@DEVICE_OPTION
@HOME_OPTION
def gan(size: str, start: Path | None, watch_every: int, compiled: bool, dissector: Path | None, device: str, home: Path,
        **chosen: Any) -> None:
    """Train the generator; continues from the checkpoint of its size."""
    from core.segment.bundled import BUNDLED, FILES, open_file
    from core.training.gan import SIZES, GanConfig, train
    from core.zoo.weights import sha256_of

    config = GanConfig(SIZES[int(size)], start=sha256_of(start) if start else "", **chosen)
    segmenter = open_file(dissector or BUNDLED / FILES["scenes"], name="scenes", device=device)
    train(config, home, segmenter, device=device, watch_every=watch_every, compiled=compiled, start=start)


@main.command()
@click.argument("what", type=click.Choice(["dissector", "judge", "gan"]))
@click.option("--size", type=click.Choice(["64", "128"]), default="64", show_default=True, help="Of the generator.")
@HOME_OPTION
def export(what: str, size: str, home: Path) -> None:
    """Write the bundled file of a checkpoint into the project."""
    from core.training.export import export_generator, export_segmenter

    path = export_generator(home, int(size)) if what == "gan" else export_segmenter(what, home)
    click.echo(f"{path}: {path.stat().st_size / 2**20:.2f} MB")


@main.command()
@click.option("--count", default=2000, show_default=True, help="Pictures a set.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Markdown file to write (default: print).")
@click.option("--sheet", type=click.Path(path_type=Path), default=None, help="JPEG to write: the pictures of seeds 0 to 63.")
@DEVICE_OPTION
@HOME_OPTION
def report(count: int, out: Path | None, sheet: Path | None, device: str, home: Path) -> None:
    """Measure the figures of MODEL.md anew on the bundled files."""
    from core import segment, zoo
    from core.segment.bundled import BundledSegmenter
    from core.training import report as reporting
    from core.zoo.files import pick_device, read_state
    from core.zoo.proggan import build

    weights = zoo.weights_path("scenes")
    net = build(read_state(weights)).to(pick_device(device)) if weights.is_file() else None
    segmenters = {name: segment.load(name, device) for name in ("scenes", "scenes-judge")}
    readers = {name: s for name, s in segmenters.items() if isinstance(s, BundledSegmenter)}
    if net is not None and sheet is not None:
        from core.image import to_u8
        from core.training import watch

        images = [to_u8(batch) for batch in watch.pictures(net, range(64))]
        sheet.write_bytes(watch.sheet(np.concatenate(images), fmt="JPEG"))
    text = reporting.report(net, readers, home, size=zoo.card("scenes").image_size[0], count=count)
    if out is None:
        click.echo(text)
    else:
        out.write_text(text + "\n")


@main.command()
@DEVICE_OPTION
def inside(device: str) -> None:
    """Measure what the bundled generator's units stand for and how its brushes paint, from the dissections that ship."""
    from core import dissect, segment, zoo
    from core.paint import Painting, Stroke, stored_rankings
    from core.scenes import BRUSHES
    from core.store import Store
    from core.training import paintable
    from core.training.report import inside_text

    card, store = zoo.card("scenes"), Store()
    generator = zoo.load("scenes", device)
    chooser, judge = (segment.load(name, device) for name in card.segmenters)
    found = {info.name: d for info in card.layers if (d := dissect.load(store, "scenes", info.name)) is not None}
    brushes = Painting("scenes", card.default_layer, 0, tuple(Stroke(name, shape="all") for name in BRUSHES))
    click.echo("### What is inside\n")
    click.echo(inside_text(found))
    click.echo("\n### What the brushes do, by layer\n")
    click.echo(paintable.layers_text(generator, chooser, found))
    click.echo("\n### What the brushes do at the default layer\n")
    rankings = stored_rankings(brushes, store)
    click.echo(paintable.table_text(generator, chooser, judge, found[card.default_layer], rankings))
    click.echo("\n### Why some fall short\n")
    click.echo(paintable.reasons_text(generator, chooser, judge, found, card.default_layer, rankings))


@main.command()
@model_option.option()
@click.option("--layer", default="", help="Layer whose activations are found (default: the model's own).")
@click.option("--images", default=20_000, show_default=True, help="Pictures to see.")
@click.option("--scenes", type=click.FloatRange(0, 1), default=None,
              help="Share of painted scenes among them (default: half for a bundled model, none for others).")
@click.option("--lr", default=2e-3, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--start", type=click.Path(path_type=Path, exists=True), default=None, help="An encoder to begin with.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="File to write (default: the model's).")
@DEVICE_OPTION
@HOME_OPTION
def encoder(model: str, layer: str, images: int, scenes: float | None, lr: float, seed: int, start: Path | None, out: Path | None,
            device: str, home: Path) -> None:
    """Train the encoder that brings photos into a generator; resumes."""
    from core import zoo
    from core.invert.start import encoder_path
    from core.training.encoder import EncoderConfig, make

    card = zoo.card(model)
    share = (0.5 if card.bundled else 0.0) if scenes is None else scenes
    config = EncoderConfig(layer or card.default_layer, images=images, scenes=share, lr=lr, seed=seed)
    path = make(model, config, home, out or encoder_path(model), device=device, start=start)
    click.echo(f"{path}: {path.stat().st_size / 2**20:.2f} MB")


@main.command()
@click.argument("parts", nargs=-1)
def bundle(parts: tuple[str, ...]) -> None:
    """Rebuild everything that ships derived from the bundled weights (or only PARTS), into core/zoo/bundled/runs."""
    from core.training.bundle import bundle as build

    build(parts)
