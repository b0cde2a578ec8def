"""From a trained generator to one of twice the side: every block stays, two new ones and a new output learn to say the same.

Until they imitate the enlarged old picture nothing else moves but the critics, which meanwhile get to know the new size.
Then the ordinary training goes on.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from core.training import fast
from core.zoo.files import read_state
from core.zoo.proggan import ProgGANNet, new_keys, sizes_of


def from_weights(path: Path) -> dict[str, Any]:
    """What a new run needs of an earlier one, from a generator's weights alone. Raises BadFile."""
    state = {k: v.float() for k, v in new_keys(read_state(path)).items()}
    return {"config": {"sizes": sizes_of(state)}, "g": state, "ema": state, "picture": {}, "images": 0}


def small_of(kept: dict[str, Any], which: str) -> ProgGANNet:
    """The generator ("g" or "ema") of a checkpoint, frozen."""
    net = ProgGANNet(list(kept["config"]["sizes"]))
    net.load_state_dict(kept[which])
    return net.eval().requires_grad_(False)


def adopt(large: ProgGANNet, small: ProgGANNet) -> None:
    """Copies every block of the small network that the large one has too, in place."""
    blocks = dict(large.named_children())
    for name, block in small.named_children():
        if name in blocks:
            blocks[name].load_state_dict(block.state_dict())


def imitation_loss(large: ProgGANNet, small: ProgGANNet, z: Tensor) -> tuple[Tensor, Tensor]:
    """(mean squared gap to the enlarged old picture, new picture); gradients reach the two new blocks and the output only."""
    with torch.no_grad():
        old_hidden = fast.hidden(small, z)
        aim = F.interpolate(list(small.children())[-1](old_hidden), scale_factor=2.0, mode="bilinear", align_corners=False)
    x = old_hidden
    for block in list(large.children())[-3:]:
        x = block(x)
    return F.mse_loss(x.float(), aim.float()), x


def new_parameters(large: ProgGANNet) -> list[torch.nn.Parameter]:
    """Parameters of the last two hidden blocks and of the output."""
    return [p for block in list(large.children())[-3:] for p in block.parameters()]
