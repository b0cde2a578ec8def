"""`python -m core paint DOC --out picture.png`: the picture of a painting, the same as on the Paint page."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.errors import BadInput, StoreError

if TYPE_CHECKING:
    from core.paint import Painting
    from core.store import Store


@click.command(name="paint")
@click.argument("document")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="PNG to write.")
@click.option("--pair", is_flag=True, help="Before and after side by side instead of the picture alone.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Paint on the picture of another seed.")
@click.option("--scale", type=click.IntRange(1, 32), default=1, show_default=True, help="Enlarge by a whole number, unblurred.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
def command(document: str, out: Path, pair: bool, seed: int | None, scale: int, device: str) -> None:
    """Paint DOCUMENT, a JSON file saved on the Paint page or the text after "p=" in a link to a painting."""
    from core import zoo
    from core.image import encode
    from core.paint import dissection_for, paint, sheet, stored_rankings
    from core.store import Store

    store = Store()
    painting = read(document, store)
    if seed is not None:
        painting = painting.on(seed)
    generator = zoo.load(painting.model, device)
    result = paint(generator, painting, dissection_for(painting, store), stored_rankings(painting, store))
    image = result.image.repeat(scale, 0).repeat(scale, 1)
    if pair:
        image = sheet.pair(result.before, result.image, side=scale * max(result.image.shape[:2]))
    try:
        out.write_bytes(encode(image))
    except OSError as error:
        raise StoreError(f"{out} could not be written: {error.strerror or error}") from error
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{out}: {painting.model} {painting.layer}, seed {painting.seed}, {len(painting.visible)} strokes")


def read(document: str, store: Store) -> Painting:
    """A painting from a JSON file or a link's text. Raises BadInput."""
    from core.paint import Painting, from_link
    from core.paint.document import MAX_TEXT

    path = Path(document)
    try:
        if path.is_file():
            if path.stat().st_size > MAX_TEXT:
                raise BadInput(f"{path} has {path.stat().st_size // 1024} kB; a painting has at most {MAX_TEXT // 1024} kB")
            return Painting.from_json(path.read_bytes())
    except OSError as error:
        if path.suffix == ".json":
            raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error
    if path.suffix == ".json":
        raise BadInput(f"there is no file {path}")
    return from_link(document, store)
