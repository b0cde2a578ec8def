"""`python -m core models list | fetch | check | add`: which generators and segmenters are here, and how to get more."""
from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.errors import BadInput, GanLabError, UnknownName

if TYPE_CHECKING:
    from core.zoo.own import Found


@click.group(name="models")
def command() -> None:
    """Generators and segmenters: what is here, fetch published ones, check and add files or code of your own."""


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Everything that is known, as JSON.")
def list_models(as_json: bool) -> None:
    """List generators and segmenters, here or to be fetched, and files that cannot be used."""
    from core import segment, zoo
    from core.segment import hub

    cards = {name: zoo.card(name) for name in zoo.known()}
    segmenters = segment.cards()
    if as_json:
        click.echo(json.dumps({
            "models": [{"name": n, "title": c.title, "family": c.family, "here": zoo.here(n), "path": str(zoo.weights_path(n)),
                        "bytes": c.bytes, "image_size": list(c.image_size), "layers": [i.name for i in c.layers],
                        "url": c.url, "licence": c.licence} for n, c in cards.items()],
            "segmenters": [{"name": n, "title": c.title, "here": segment.here(n), "labels": c.labels, "licence": c.licence,
                            "needs": c.package} for n, c in segmenters.items()]
            + [{"name": n, "title": n, "here": True} for n in segment.names() if n not in segmenters],
            "problems": zoo.problems()}, indent=1))
        return
    click.echo("Generators")
    for n, c in cards.items():
        state = "here" if zoo.here(n) else f"to fetch, {c.bytes / 2**20:.0f} MB" if c.url else "missing"
        side = f"{c.image_size[1]} × {c.image_size[0]}" if c.image_size[0] else ""
        click.echo(f"  {n:24} {state:18} {c.family:16} {side:12} {c.title}")
    click.echo("Segmenters")
    for n, s in segmenters.items():
        state = "here" if segment.here(n) else f"needs {s.package}" if s.package and not hub.installed() \
            else f"to fetch, {s.bytes / 1e6:.0f} MB" if s.bytes else "missing"
        click.echo(f"  {n:24} {state:18} {s.labels}")
    for n in segment.names():
        if n not in segmenters:
            click.echo(f"  {n:24} {'here':18} your concepts")
    for file, problem in zoo.problems().items():
        click.echo(f"cannot be used: {file}: {problem}")


@command.command()
@click.argument("name")
@click.option("--source", default="", help="Another address, the address of a mirror's folder (ends with /), or a file on this disk.")
def fetch(name: str, source: str) -> None:
    """Fetch the weights of NAME, a published generator or a segmenter; goes on where it was interrupted."""
    from core import segment, zoo
    from core.zoo import published, weights

    if name in segment.cards() and name not in published.CARDS:
        paths = weights.fetch_segmenter(name, source=source, report=Meter(name))
    elif name in zoo.known():
        paths = [weights.fetch(name, source=source, report=Meter(name))]
    else:
        raise UnknownName("generator or segmenter", name, [*published.CARDS, *segment.cards()])
    for path in paths:
        click.echo(f"{path}: {path.stat().st_size / 2**20:.1f} MB")


@command.command()
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
def check(file: str, as_json: bool) -> None:
    """Say what FILE (or package.module:function) is: family, latent, layers, image size; or what keeps it from being used.

    Exit status 0 when it can be used, 1 when not.
    """
    found = look(file)
    if as_json:
        click.echo(json.dumps({
            "file": file, "usable": not found.problem, "problem": found.problem, "family": found.family, "latent": found.z_dim,
            "image_size": list(found.picture), "sha256": found.sha256, "notes": found.notes,
            "layers": [{"name": i.name, "units": i.units, "height": i.size[0], "width": i.size[1]} for i in found.layers]}, indent=1))
    elif found.problem:
        click.echo(f"{file} cannot be used: {found.problem}")
    else:
        click.echo(f"{file}: {found.family}, latent of {found.z_dim}, pictures of {found.picture[1]} × {found.picture[0]}")
        for i in found.layers:
            click.echo(f"  {i.name:16} {i.units:5} units  {i.size[0]} × {i.size[1]}")
        if found.notes:
            click.echo(f"  {found.notes}")
    if found.problem:
        sys.exit(1)


def look(text: str) -> Found:
    """What a file or a function holds; never raises for content that cannot be used."""
    from core.zoo.own import Found, inspect

    path = Path(text).expanduser()
    try:
        if path.is_file():
            return inspect(path)
        if ":" not in text:
            return Found(problem="there is no such file")
        from core.zoo.modules import from_function

        made = from_function(text, device="cpu")
        return Found("your code", made.z_dim, made.layers, made.image_size, made.fingerprint, notes=getattr(made, "notes", ""))
    except GanLabError as error:
        return Found(problem=str(error))


@command.command()
@click.argument("source")
@click.option("--name", default="", help="Name of the model; by default the file's, or the function's.")
def add(source: str, name: str) -> None:
    """Make SOURCE a model of yours: a weight file of a known family, or package.module:function that returns a network."""
    from core import zoo
    from core.zoo import own, published

    path = Path(source).expanduser()
    code = not path.is_file() and ":" in source
    chosen = name or (source.rpartition(":")[2] if code else path.stem)
    if chosen in published.CARDS or chosen in zoo.CARDS:
        raise BadInput(f"{chosen!r} is the name of a known model; choose another with --name")
    if code:
        own.add_function(source, chosen)
    elif path.is_file():
        own.add(path, chosen, Meter(chosen))
    else:
        raise BadInput(f"there is no file {source}, and code is named as package.module:function")
    card = zoo.card(chosen)
    click.echo(f"{chosen}: {card.family}, pictures of {card.image_size[1]} × {card.image_size[0]}, "
               f"layers {', '.join(i.name for i in card.layers)}")
    if not card.segmenters:
        click.echo("It has no segmenter yet: paint concepts on the Models page, or name one with --segmenter.")


class Meter:
    """A line with bytes, share and speed, rewritten on a terminal, printed every five seconds elsewhere."""

    def __init__(self, what: str) -> None:
        self._what, self._last, self._live = what, 0.0, sys.stderr.isatty()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """See core.jobs.Report."""
        from core.zoo.weights import megabytes

        now = time.monotonic()
        if now - self._last < (0.2 if self._live else 5) and done < total:
            return
        self._last = now
        share = f"{100 * done / total:3.0f} % of {megabytes(total)}" if total else megabytes(done)
        click.echo(f"{self._what} {share}, {note}".ljust(76) + ("\r" if self._live and done < total else ""), err=True,
                   nl=not self._live or done >= total)
