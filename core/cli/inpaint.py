"""`python -m core inpaint run | list | bench`: fill a hole in one's own picture, see the methods, measure them."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli import model as model_option

if TYPE_CHECKING:
    import numpy as np

MAX_BYTES = 200 * 2**20
FILE = click.Path(path_type=Path)
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@click.group()
def command() -> None:
    """Fill holes in pictures, with every method behind one adapter."""


@command.command("list")
def list_methods() -> None:
    """The methods, and why one cannot be used here."""
    from core import inpaint

    for name, method in inpaint.REGISTRY.items():
        reason = method.missing()
        click.echo(f"{name:<14} {method.title:<22} {method.about}" + (f"  [cannot be used here: {reason}]" if reason else ""))


@command.command()
@click.option("--image", "image_path", required=True, type=FILE, help="PNG, JPEG or WEBP.")
@click.option("--mask", "mask_path", required=True, type=FILE, help="A picture of the same size; white = fill.")
@click.option("--method", default="patchmatch", show_default=True, help="A name from `inpaint list`.")
@click.option("--avoid", "avoid_path", type=FILE, help="White = do not copy from here.")
@click.option("--out", "out_path", required=True, type=FILE, help="Where the result goes (PNG keeps every pixel).")
@click.option("--grow", type=click.IntRange(min=0), help="Pixels the mask grows by; usual: 1 % of the long side.")
@click.option("--feather", type=click.IntRange(min=0), help="Pixels of soft edge beyond; usual: 0.5 % of the long side.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**32 - 1), help="Of the random search.")
def run(image_path: Path, mask_path: Path, method: str, avoid_path: Path | None, out_path: Path, grow: int | None,
        feather: int | None, seed: int) -> None:
    """Fill the white part of a mask in a picture. Pixels outside the grown mask stay as they are, bit for bit."""
    from core import inpaint
    from core.image import decode, encode

    chosen = inpaint.get(method)
    format = _format(out_path)
    image = decode(_read(image_path), max_bytes=MAX_BYTES)
    size = (image.shape[0], image.shape[1])
    mask = _mask(mask_path, size)
    avoid = _mask(avoid_path, size) if avoid_path else None
    filled = inpaint.fill_hole(chosen, image, mask, avoid=avoid, seed=seed, grow=grow, feather=feather)
    _write(out_path, encode(filled.image, format, quality=95))
    inside, hole = filled.hole.inside, filled.hole
    click.echo(f"{chosen.title}: {inside.sum()} pixels ({inside.mean():.1%}) filled in {filled.seconds:.2f} s "
               f"({filled.cpu:.2f} s of processor time), mask grown by {hole.grow} + {hole.feather} pixels → {out_path}")


@command.command()
@click.option("--methods", default="", help="Names, comma-separated; usual: all that can be used here.")
@click.option("--size", default=256, show_default=True, type=click.IntRange(64, 1024), help="Side of the pictures.")
@click.option("--scenes", default=8, show_default=True, type=click.IntRange(0, 500), help="World scenes beside the photos.")
@click.option("--repeats", default=1, show_default=True, type=click.IntRange(1, 20), help="Holes of each kind and size.")
@click.option("--again", is_flag=True, help="Measure anew even when this run is stored.")
def bench(methods: str, size: int, scenes: int, repeats: int, again: bool) -> None:
    """Known holes: fill holes in intact pictures and compare with what was there. The table of the Compare page."""
    from core import benchmark
    from core.store import Store

    names = tuple(n.strip() for n in methods.split(",") if n.strip()) or None
    store = Store()
    plan = benchmark.Plan(methods=names or benchmark.default_methods(), size=size, scenes=scenes, repeats=repeats)
    if again and store.has(plan.run().key):
        store.set_aside(plan.run().key)
    result = benchmark.measure(plan, store=store, report=_show)
    click.echo(benchmark.as_text(result))


@command.command()
@model_option.option("A model with two segmenters")
@click.option("--layer", default="", help="Layer whose units are switched off; usual: the model's own default.")
@click.option("--classes", default="tree,door,dome,cloud,window", show_default=True, help="Names, comma-separated.")
@click.option("--seeds", default=64, show_default=True, type=click.IntRange(1, 10_000), help="Pictures of seeds 0 to this.")
@click.option("--units", default=20, show_default=True, type=click.IntRange(1, 512), help="Units switched off.")
@click.option("--device", default="auto", show_default=True)
def removals(model: str, layer: str, classes: str, seeds: int, units: int, device: str) -> None:
    """Remove classes from generated pictures with every method, scored by the judge. The report's table."""
    from core import removals as study
    from core.store import Store

    labels = tuple(n.strip() for n in classes.split(",") if n.strip())
    result = study.of_model(Store(), model, layer, labels, seeds=seeds, units=units, device=device, report=_show)
    click.echo(study.as_text(result))


def _show(done: int, total: int, note: str = "") -> None:
    if done == total or done % max(1, total // 20) == 0:
        click.echo(f"{done}/{total} {note}", err=True)


def _mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """A mask file of the picture's own size -> bool (H,W); one of another size is refused, not stretched."""
    from core.errors import BadInput
    from core.image import decode

    grey = decode(_read(path), max_bytes=MAX_BYTES).mean(axis=2)
    if grey.shape != shape:
        raise BadInput(f"{path.name} has {grey.shape[1]} × {grey.shape[0]} pixels but the picture has {shape[1]} × {shape[0]}; "
                       "a mask has the picture's size (white = fill)")
    return grey >= 128


def _format(path: Path) -> str:
    from core.errors import BadInput

    if path.suffix.lower() not in FORMATS:
        raise BadInput(f"the result's name must end in {', '.join(FORMATS)}; got {path.name!r}")
    return FORMATS[path.suffix.lower()]


def _read(path: Path) -> bytes:
    from core.errors import BadInput

    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    from core.errors import BadInput

    try:
        path.write_bytes(data)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error
