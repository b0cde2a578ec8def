"""Checkpoints -> the `.safetensors` files that ship. Every file says in its metadata what it is and how it was made."""
from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from core.errors import MissingWeights
from core.scenes import LABELS
from core.segment.bundled import BUNDLED, FILES
from core.segment.nets import fold
from core.training import checkpoint
from core.training.segmenter import GROUPS, SegmenterConfig, new_net

SEGMENTER_FILE = {"dissector": FILES["scenes"], "judge": FILES["scenes-judge"]}


def write(path: Path, state: dict[str, Tensor], meta: dict[str, str]) -> None:
    """Writes beside, then renames; tensors become contiguous half precision."""
    aside = path.with_suffix(".tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().cpu().to(torch.float16).contiguous() for k, v in state.items()}, aside, metadata=meta)
    aside.chmod(0o644)      # safetensors writes for the owner alone
    aside.replace(path)


def segmenter_meta(state: dict[str, Any]) -> dict[str, str]:
    """Metadata of the file of a segmenter's checkpoint."""
    config = state["config"]
    architecture, widths = SegmenterConfig.of(config).architecture
    return {"architecture": architecture, "widths": json.dumps(list(widths)),
            "labels": json.dumps([[x.id, x.name, x.category] for x in LABELS]), "groups": json.dumps(GROUPS),
            "training": json.dumps({**config, "steps": state["step"], "before": state["history"]}, sort_keys=True), "licence": "MIT"}


def folded(net: nn.Module) -> dict[str, Tensor]:
    """State dict of a copy with every batch norm merged into its convolution."""
    return fold(copy.deepcopy(net)).state_dict()


def export_segmenter(which: str, home: Path, folder: Path = BUNDLED) -> Path:
    """The checkpoint of a segmenter -> its bundled file. Raises MissingWeights."""
    state = _need(home / f"segmenter-{which}.pt", f"segmenter --which {which}")
    net = new_net(SegmenterConfig.of(state["config"]))
    net.load_state_dict(state["net"])
    path = folder / SEGMENTER_FILE[which]
    write(path, folded(net), segmenter_meta(state))
    return path


def export_generator(home: Path, size: int, folder: Path = BUNDLED) -> Path:
    """The averaged generator of a checkpoint -> `scenes.safetensors`. Raises MissingWeights."""
    state = _need(home / f"gan-{size}.pt", f"gan --size {size}")
    meta = {"family": "proggan", "sizes": json.dumps(state["config"]["sizes"]), "images_seen": str(state["images"]),
            "training": json.dumps({**state["config"], "history": state["history"]}, sort_keys=True), "licence": "MIT"}
    path = folder / "scenes.safetensors"
    write(path, state["ema"], meta)
    return path


def _need(path: Path, command: str) -> dict[str, Any]:
    state = checkpoint.load(path)
    if state is None:
        raise MissingWeights(f"there is no checkpoint {path}; make one with: python -m core.training {command}")
    return state
