"""From a weight file to a generator: read safely, recognise the family by its keys, build, put on a device."""
from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from core.errors import BadFile, BadInput
from core.zoo import proggan
from core.zoo.generator import ChainGenerator, Generator


def pick_device(device: str = "auto") -> torch.device:
    """"auto" is CUDA, then Apple's MPS, then the CPU. Raises BadInput for a device that is not here."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device {device!r} cannot be used here ({str(error).splitlines()[0][:120]}); try cpu") from error
    return chosen


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a .safetensors file, or of a torch file read with weights_only=True. Never unpickles objects. Raises BadFile."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        data = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, AttributeError) as error:
        raise BadFile(f"{path.name} cannot be read as a file of tensors ({str(error).splitlines()[0][:160]})") from error
    except Exception as error:  # safetensors raises its own type, which is not exported in every version
        if type(error).__name__ != "SafetensorError":
            raise
        raise BadFile(f"{path.name} is damaged or not a .safetensors file ({str(error)[:160]})") from error
    if isinstance(data, Mapping) and isinstance(data.get("state_dict"), Mapping):
        data = data["state_dict"]
    state = {str(k): v for k, v in data.items() if isinstance(v, Tensor)} if isinstance(data, Mapping) else {}
    if not state:
        raise BadFile(f"{path.name} holds no tensors under names (a state dict is needed)")
    return state


def open_weights(path: Path, *, name: str, fingerprint: str, device: str = "auto") -> Generator:
    """A generator from a weight file; see zoo.open."""
    state = read_state(path)
    if proggan.is_proggan(state):
        net = proggan.build(state).to(pick_device(device))
        return ChainGenerator(net, name=name, fingerprint=fingerprint, z_dim=net.sizes[0])
    keys = ", ".join(list(state)[:4])
    raise BadFile(f"{path.name} is of no known generator family (its first keys: {keys}); known: Progressive GAN")
