"""The bundled model's world: a procedural painter of church scenes with exact labels."""

from core.scenes.labels import BRUSHES, CHANNELS, IDS, LABELS, channel_ids
from core.scenes.scene import SIZES, WORLD_VERSION, Scene, paint_scene, paint_scenes

__all__ = [
    "BRUSHES",
    "CHANNELS",
    "IDS",
    "LABELS",
    "SIZES",
    "WORLD_VERSION",
    "Scene",
    "channel_ids",
    "paint_scene",
    "paint_scenes",
]
