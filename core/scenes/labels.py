"""The names of the bundled world: every label a scene can carry, and the channel it lives in."""

from __future__ import annotations

from core.segment.base import Label

CHANNELS = ("object", "part", "material")

_NAMES = {
    "object": ("sky", "cloud", "hill", "tree", "grass", "path", "building", "fence", "lamp", "bench", "person"),
    "part": ("door", "window", "dome", "roof", "spire", "tower", "wall", "trunk", "crown"),
    "material": ("brick", "stone", "plaster", "wood", "glass", "copper", "slate", "tile", "foliage", "gravel"),
}

LABELS: tuple[Label, ...] = (
    Label(0, "no label", "none"),
    *(
        Label(number, name, category)
        for number, (category, name) in enumerate(
            ((category, name) for category in CHANNELS for name in _NAMES[category]), start=1
        )
    ),
)

IDS: dict[str, int] = {label.name: label.id for label in LABELS}
"""Label id by name; names are unique over all channels."""

BRUSHES = ("tree", "grass", "door", "sky", "cloud", "brick", "dome")
"""The seven brushes of GANPaint (Bau et al. 2019); each is a label of this world."""


def channel_ids(channel: str) -> tuple[int, ...]:
    """The ids that may occur in one channel of `Scene.labels`, without 0 (no label)."""
    return tuple(label.id for label in LABELS if label.category == channel)
