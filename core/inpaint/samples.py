"""Photos that are already on this machine because they ship inside scikit-image: nothing is downloaded, nothing copied."""
from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from core.errors import MissingPackage, UnknownName
from core.image import decode


@dataclass(frozen=True)
class Sample:
    """One photo. `credit` says whose it is; `good_for` what it shows about hole filling."""

    name: str
    title: str
    file: str
    credit: str
    good_for: str


SAMPLES: dict[str, Sample] = {
    s.name: s for s in (
        Sample("rocket", "Rocket on the pad", "rocket.jpg", "SpaceX, CC0", "towers against a sky: lines that must go on"),
        Sample("coffee", "Coffee cup", "coffee.png", "Pikolo Espresso Bar, Rachel Michetti, CC0",
               "a spoon on wood: grain that must go on"),
        Sample("astronaut", "Astronaut", "astronaut.png", "NASA, public domain", "a face and a busy background"),
        Sample("motorcycle", "Motorcycle", "motorcycle_left.png", "Middlebury stereo data set 2014, CC0 by its authors",
               "many thin things in a room"),
        Sample("chelsea", "Cat", "chelsea.png", "Stéfan van der Walt, CC0", "fur: fine texture everywhere"),
        Sample("hubble", "Deep field", "hubble_deep_field.jpg", "NASA and ESA, public domain", "small things on black"),
        Sample("camera", "Cameraman", "camera.png", "Lav Varshney, CC0", "grey values only; a figure on grass and sky"),
        Sample("grass", "Grass", "grass.png", "Linolafett, CC0", "a texture without an end"),
        Sample("gravel", "Gravel", "gravel.png", "Linolafett, CC0", "a texture without an end"),
        Sample("brick", "Bricks", "brick.png", "Linolafett, CC0", "a pattern with straight joints"),
    )
}


def names() -> list[str]:
    """Names of the samples that are really here, best to look at first."""
    return [name for name, s in SAMPLES.items() if (_folder() / s.file).is_file()]


def load(name: str, max_side: int | None = None) -> np.ndarray:
    """A sample as uint8 RGB (H,W,3), shrunk to `max_side` where given. Raises UnknownName, MissingPackage."""
    if name not in SAMPLES:
        raise UnknownName("sample photo", name, SAMPLES)
    path = _folder() / SAMPLES[name].file
    if not path.is_file():
        raise MissingPackage(f"the sample photo {name!r}", "scikit-image==0.26.*")
    return decode(path.read_bytes(), max_side=max_side)


def _folder() -> Path:
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise MissingPackage("the sample photos", "scikit-image")
    return Path(spec.origin).parent / "data"
