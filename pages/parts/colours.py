"""The project's fixed colours, the same on every page, in light and in dark. Imports nothing heavy."""
from __future__ import annotations

import colorsys

# categories, as in the figures of Bau et al.
CATEGORY_COLOURS = {"object": "#4B4CBF", "part": "#50BDAC", "material": "#F0883B", "colour": "#D92E2B"}
CATEGORY_ORDER = ("object", "part", "material", "colour")
NEUTRAL = "#7A7A85"
ACCENT = "#D1495B"
OUTLINE = (255, 221, 0)  # the activated region on pictures, as in the student report

# the seven brushes of GANPaint (Okabe and Ito's palette); used for nothing else
BRUSH_COLOURS = {"sky": "#56B4E9", "cloud": "#CC79A7", "tree": "#009E73", "grass": "#F0E442",
                 "door": "#E69F00", "brick": "#D55E00", "dome": "#0072B2"}


def category_colour(category: str) -> str:
    """Colour of a category; grey for one that is not known."""
    return CATEGORY_COLOURS.get(category, NEUTRAL)


def label_colour(name: str, index: int) -> str:
    """Colour of a label in a segmentation: a brush's own, else one by the label's number; 30 in a row differ in hue."""
    if name in BRUSH_COLOURS:
        return BRUSH_COLOURS[name]
    r, g, b = colorsys.hls_to_rgb((index * 7 % 30) / 30, (0.38, 0.52, 0.68)[(index + index // 30) % 3], 0.45)
    return f"#{round(r * 255):02X}{round(g * 255):02X}{round(b * 255):02X}"


def rgb(colour: str) -> tuple[int, int, int]:
    """"#RRGGBB" -> (r, g, b), each 0..255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def rgba(colour: str, alpha: float) -> str:
    """"#RRGGBB" and 0..1 -> the CSS colour "rgba(…)"."""
    r, g, b = rgb(colour)
    return f"rgba({r},{g},{b},{alpha:g})"
