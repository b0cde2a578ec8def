"""Photos that are already on this machine because they ship inside scikit-image: nothing is downloaded, nothing copied."""
from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from core.errors import MissingPackage, UnknownName
from core.image import decode


@dataclass(frozen=True)
class Sample:
    """One photo. `credit` says whose it is; `good_for` what it shows about hole filling.

    thing, outline: something to remove, and a polygon around it, (x, y) as shares of width and height.
    """

    name: str
    title: str
    file: str
    credit: str
    good_for: str
    thing: str
    outline: tuple[tuple[float, float], ...]


SAMPLES: dict[str, Sample] = {
    s.name: s for s in (
        Sample("rocket", "Rocket on the pad", "rocket.jpg", "SpaceX, CC0", "towers against a sky: lines that must go on",
               "the rocket", ((0.470, 0.30), (0.500, 0.27), (0.530, 0.30), (0.545, 0.96), (0.455, 0.96))),
        Sample("coffee", "Coffee cup", "coffee.png", "Pikolo Espresso Bar, Rachel Michetti, CC0",
               "a spoon on wood: grain that must go on",
               "the spoon",
               ((0.54, 0.66), (0.58, 0.58), (0.64, 0.57), (0.69, 0.63), (0.69, 0.75), (0.65, 0.84), (0.58, 0.83), (0.54, 0.76))),
        Sample("astronaut", "Astronaut", "astronaut.png", "NASA, public domain", "a face and a busy background",
               "the space shuttle", ((0.77, 0.0), (0.86, 0.0), (0.90, 0.30), (0.91, 0.54), (0.69, 0.54), (0.74, 0.22))),
        Sample("motorcycle", "Motorcycle", "motorcycle_left.png", "Middlebury stereo data set 2014, CC0 by its authors",
               "many thin things in a room",
               "the headlamp", ((0.68, 0.22), (0.77, 0.22), (0.78, 0.38), (0.68, 0.38))),
        Sample("chelsea", "Cat", "chelsea.png", "Stéfan van der Walt, CC0", "fur: fine texture everywhere",
               "an eye", ((0.27, 0.40), (0.33, 0.26), (0.43, 0.27), (0.48, 0.38), (0.45, 0.50), (0.33, 0.50))),
        Sample("hubble", "Deep field", "hubble_deep_field.jpg", "NASA and ESA, public domain", "small things on black",
               "a galaxy", ((0.695, 0.53), (0.73, 0.49), (0.765, 0.53), (0.755, 0.585), (0.705, 0.585))),
        Sample("camera", "Cameraman", "camera.png", "Lav Varshney, CC0", "grey values only; a figure on grass and sky",
               "the tripod", ((0.53, 0.60), (0.57, 0.52), (0.68, 0.57), (0.77, 1.0), (0.44, 1.0))),
        Sample("grass", "Grass", "grass.png", "Linolafett, CC0", "a texture without an end",
               "a patch", ((0.35, 0.40), (0.55, 0.33), (0.66, 0.50), (0.58, 0.66), (0.40, 0.64))),
        Sample("gravel", "Gravel", "gravel.png", "Linolafett, CC0", "a texture without an end",
               "a patch", ((0.35, 0.40), (0.55, 0.33), (0.66, 0.50), (0.58, 0.66), (0.40, 0.64))),
        Sample("brick", "Bricks", "brick.png", "Linolafett, CC0", "a pattern with straight joints",
               "a patch", ((0.35, 0.40), (0.55, 0.33), (0.66, 0.50), (0.58, 0.66), (0.40, 0.64))),
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


def suggested_mask(name: str, shape: tuple[int, int]) -> np.ndarray:
    """The sample's thing to remove as bool (H,W) of the picture as loaded."""
    corners = np.array(SAMPLES[name].outline) * (shape[1], shape[0])
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32).reshape(-1, 1, 2)], 1)
    return np.asarray(mask > 0)


def _folder() -> Path:
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise MissingPackage("the sample photos", "scikit-image")
    return Path(spec.origin).parent / "data"
