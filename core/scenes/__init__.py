"""The bundled model's world: a procedural painter of church scenes with exact labels.

`paint_scene(seed, size)` gives a picture and, for every pixel, an object, a part and a material (0 where there is none).
A seed is one scene at every size from 32 to 256: it is always painted at 256 x 256 and then made smaller. The world is
frozen: `WORLD_VERSION` is raised, and the bundled weights retrained, whenever a pixel changes.

How it is made, one file each: `light` (time of day, weather), `landscape` (sky, clouds, hills, ground, path), `trees`,
`church` (gable, tower, dome; brick, stone, plaster), `props` (fence, lamp, bench, person), all drawn on a `canvas` with
`textures`, `blob` (puffs of clouds and crowns) and `dice` (the seed's choices); `scene` puts them together.

What a label means: a cloud is where it hides at least half of the sky. A far treeline is tree, crown, foliage. Stars, sun
and moon are sky; light and shadow change colours, never labels. Frames, mouldings and steps are stone and belong to the
wall or tower they sit in. Mullions are window. The lantern is part of the dome. The cross is building without a part.
A fence is solid boards; its gaps are fence. Grass, hills, lamps and people have no material.

Areas over seeds 0..1999 at 128 px (python tests/bench/bench_scenes.py --areas 2000):

    channel   label     % area  % of scenes
    object    sky        31.59   100.0
    object    cloud       4.90    83.9
    object    hill        2.24    71.8
    object    tree        8.27    97.5
    object    grass      14.10   100.0
    object    path        2.85   100.0
    object    building   32.78   100.0
    object    fence       1.64    31.5
    object    lamp        0.48    30.1
    object    bench       0.61    30.7
    object    person      0.55    34.0
    part      door        2.52   100.0
    part      window      3.89   100.0
    part      dome        2.36    34.7
    part      roof        5.13   100.0
    part      spire       1.88    56.3
    part      tower       4.19    63.1
    part      wall       12.70   100.0
    part      trunk       0.48    93.0
    part      crown       7.79    97.5
    material  brick       8.17    60.1
    material  stone       6.06   100.0
    material  plaster     2.75    20.2
    material  wood        5.25   100.0
    material  glass       3.89   100.0
    material  copper      3.41    57.5
    material  slate       3.32    57.0
    material  tile        2.55    43.0
    material  foliage     7.79    97.5
    material  gravel      2.85   100.0
"""

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
