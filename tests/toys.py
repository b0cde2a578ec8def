"""A planted generator and a segmenter that reads its colours: every question about them has an answer known on paper.

Pictures are 32 × 32 on a grid of 8 × 8 cells (4 × 4 pixels each), grey where nothing is drawn (no label):

    sky     rows 0 … h−1 of cells, h = 1, 2 or 3, all columns          every picture
    tree    2 × 2 cells, rows 6–7, columns c, c+1 with c = 0, 1, 2      6 pictures in 10
    door    2 × 3 cells (wide × high), rows 5–7, columns c, c+1, c = 4, 5, 6    5 in 10
    window  the door's upper left cell                                   half of the doors
    smear   row 4, columns 2 … 5: spoils the picture, has no label       1 in 10

`layer1` (9 units, 8 × 8) and `layer2` (the same units in reverse order, 16 × 16) hold one map a thing. A present thing has an
activation of 3 … 4, an absent one 0; setting a unit to 0 removes its thing, setting it to its level inserts it.

    unit of layer1   0 sky · 1 tree · 2 door · 3 window · 4 looks like tree (1.3 × unit 1) and draws nothing · 5 dead ·
                     6 always negative, draws nothing · 7 noise, draws nothing · 8 smear
    unit of layer2   8 − unit of layer1
"""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.segment import Label
from core.zoo.generator import ChainGenerator

SKY, TREE, DOOR, WINDOW, FAKE_TREE, DEAD, NEGATIVE, NOISE, SMEAR = range(9)
COLOURS = {"sky": (-0.8, -0.2, 0.9), "tree": (-0.8, 0.7, -0.8), "door": (0.9, -0.7, -0.7), "window": (0.9, 0.9, -0.7),
           "smear": (0.9, -0.7, 0.9)}
DRAWN = ((SKY, "sky"), (TREE, "tree"), (DOOR, "door"), (WINDOW, "window"), (SMEAR, "smear"))
LABELS = tuple(Label(i, name, category) for i, (name, category) in enumerate((
    ("no label", "none"), ("sky", "object"), ("tree", "object"), ("door", "object"), ("dome", "object"),
    ("window", "part"), ("foliage", "material"), ("wood", "material"))))


class Plan(nn.Module):
    """(N,8,1,1) latent → (N,9,8,8): one map a thing."""

    def forward(self, z: Tensor) -> Tensor:
        u = (0.5 + 0.5 * torch.erf(z.flatten(1) / math.sqrt(2))).clamp(0, 0.999)[:, :, None, None]  # uniform 0..1
        y = torch.arange(8, device=z.device).view(1, 1, 8, 1).to(u)
        x = torch.arange(8, device=z.device).view(1, 1, 1, 8).to(u)
        u0, u1, u2, u3, u4, u5, u6, u7 = (u[:, k:k + 1] for k in range(8))
        sky = (y < 1 + (u0 * 3).floor()) * (x >= 0)
        at = (u1 * 3).floor()
        tree = (y >= 6) * (x >= at) * (x < at + 2) * (u2 < 0.6)
        at = 4 + (u3 * 3).floor()
        door = (y >= 5) * (x >= at) * (x < at + 2) * (u4 < 0.5)
        window = (y == 5) * (x == at) * (u4 < 0.5) * (u5 < 0.5)
        smear = (y == 4) * (x >= 2) * (x < 6) * (u7 < 0.1)
        noise = torch.sin(37 * u6 + 5.3 * y + 11.1 * x + 3 * x * y)
        flat = torch.ones_like(x * y)
        maps = [sky * (3 + u0), tree * (3 + u1), door * (3 + u3), window * (3 + u5), tree * 1.3 * (3 + u1), 0 * u0 * flat,
                (-1 - u6) * flat, noise, smear * (3 + u7)]
        return torch.cat([m.expand(len(z), 1, 8, 8) for m in maps], 1)


class Finer(nn.Module):
    """Nearest ×2, units in reverse order."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x.flip(1), scale_factor=2.0, mode="nearest")


class Painter(nn.Module):
    """(N,9,16,16) → (N,3,32,32): things over each other on grey, each as opaque as tanh of its activation."""

    def __init__(self) -> None:
        super().__init__()
        self.colours = nn.Parameter(torch.tensor([COLOURS[name] for _, name in DRAWN]))

    def forward(self, x: Tensor) -> Tensor:
        opacity = torch.tanh(F.relu(F.interpolate(x.flip(1), scale_factor=2.0, mode="nearest")))
        picture = torch.zeros(len(x), 3, *opacity.shape[2:], device=x.device)
        for colour, (unit, _) in zip(self.colours, DRAWN, strict=True):
            a = opacity[:, unit:unit + 1]
            picture = picture * (1 - a) + colour.view(1, 3, 1, 1) * a
        return picture


class ToyGenerator(ChainGenerator):
    """See the module text."""

    def __init__(self, name: str = "toy") -> None:
        net = nn.Sequential()
        net.add_module("layer1", Plan())
        net.add_module("layer2", Finer())
        net.add_module("output", Painter())
        super().__init__(net, name=name, fingerprint="toy-generator-1", z_dim=8)


class ToySegmenter:
    """Reads the painter's colours exactly: channels object, part, material at the pictures' size.

    A tree is of foliage, a door of wood; a window is part of a door, whose object label it keeps. "dome" never occurs.
    """

    name = "toy"
    fingerprint = "toy-segmenter-1"
    labels = LABELS
    readings = {"sky": ("sky",), "tree": ("tree",), "door": ("door", "window"), "dome": (), "window": ("window",),
                "foliage": ("tree",), "wood": ("door", "window")}

    def __call__(self, images: Tensor) -> Tensor:
        seen = torch.stack([self._near(images, c) < 0.2 for c in COLOURS.values()], 1)
        thing = {name: seen[:, i] for i, name in enumerate(COLOURS)}
        out = torch.zeros(len(images), 3, *images.shape[2:], dtype=torch.int64, device=images.device)
        for label in self.labels[1:]:
            channel = ("object", "part", "material").index(label.category)
            for name in self.readings[label.name]:
                out[:, channel][thing[name]] = label.id
        return out

    def scores(self, images: Tensor, label: int) -> Tensor:
        names = self.readings[self.labels[label].name]
        if not names:
            return images.sum(1) * 0
        return torch.stack([torch.exp(-2 * self._near(images, COLOURS[n])) for n in names]).amax(0)

    def features(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images, 4).flatten(1)

    @staticmethod
    def _near(images: Tensor, colour: tuple[float, float, float]) -> Tensor:
        """Squared distance (N,H,W) to a colour."""
        return (images - torch.tensor(colour).to(images).view(1, 3, 1, 1)).square().sum(1)
