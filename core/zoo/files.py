"""From a weight file to a generator: read safely, recognise the family by its keys, build, put on a device."""
from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from core.errors import BadFile, BadInput
from core.zoo import dcgan, proggan, weights
from core.zoo.cards import LayerInfo, proggan_layers
from core.zoo.generator import ChainGenerator, Generator
from core.zoo.own import Found, function_of

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Family:
    """An architecture that is recognised from a file alone: does it fit, build it, how long is its latent."""

    name: str
    fits: Callable[[State], bool]
    build: Callable[[State], nn.Sequential]
    z_dim: Callable[[State], int]
    measured: Callable[[State], tuple[tuple[LayerInfo, ...], tuple[int, int]]]
    notes: str = ""

    def open(self, state: State, name: str, fingerprint: str, device: torch.device) -> ChainGenerator:
        """The generator that these tensors are. Raises BadFile."""
        return ChainGenerator(self.build(state).to(device), name=name, fingerprint=fingerprint, z_dim=self.z_dim(state),
                              measured=self.measured(state))


def _proggan_sizes(state: State) -> list[int]:
    return proggan.sizes_of(proggan.new_keys(state))


def _proggan_measured(state: State) -> tuple[tuple[LayerInfo, ...], tuple[int, int]]:
    sizes = tuple(_proggan_sizes(state))
    return proggan_layers(sizes), (2 ** len(sizes), 2 ** len(sizes))


FAMILIES = (
    Family("Progressive GAN", proggan.is_proggan, proggan.build, lambda s: _proggan_sizes(s)[0], _proggan_measured),
    Family("DCGAN", dcgan.is_dcgan, dcgan.build, dcgan.z_dim_of, dcgan.measured,
           "Assumed, because no file tells it: ReLU inside, tanh at the end, as in the PyTorch tutorial."),
)


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
    """Tensors of a file under their names, unwrapped (`state_dict`, `module.`); see `read_states`. Raises BadFile."""
    return read_states(path)[0]


def read_states(path: Path) -> list[dict[str, Tensor]]:
    """The state dicts in a .safetensors file, or in a torch file read with weights_only=True; at least one.

    A training checkpoint may hold several (generator, discriminator, optimiser). Never unpickles objects. Raises BadFile.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            data: Any = load_file(path)
        else:
            data = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise BadFile(f"{path.name} is damaged or not a .safetensors file ({str(error)[:160]})") from error
    except pickle.UnpicklingError as error:
        if any(sign in str(error) for sign in ("Unsupported global", "Unsupported class", "GLOBAL ")):
            raise BadFile(f"{path.name} holds Python objects besides tensors (a whole module?), which is not opened because it could "
                          "run code; save its tensors with torch.save(net.state_dict(), FILE) or as .safetensors") from error
        raise BadFile(f"{path.name} is damaged or not a file of tensors") from error
    except (RuntimeError, ValueError, EOFError, KeyError, AttributeError, IndexError, TypeError, OSError) as error:
        raise BadFile(f"{path.name} is damaged or not a file of tensors ({_first_line(error)})") from error
    states = _states(data)
    if not states:
        raise BadFile(f"{path.name} holds no tensors under names (a state dict is needed)")
    return states


def _states(data: Any, depth: int = 0) -> list[dict[str, Tensor]]:
    """Mappings of names to tensors inside `data`, the likeliest generator first."""
    if not isinstance(data, Mapping) or depth > 3:
        return []
    own = {str(k): v for k, v in data.items() if isinstance(v, Tensor)}
    found = [{k.removeprefix("module."): v for k, v in own.items()}] if any(v.ndim for v in own.values()) else []
    inner = sorted((k for k, v in data.items() if isinstance(v, Mapping)), key=lambda k: _rank(str(k)))
    for key in inner:
        found += _states(data[key], depth + 1)
    return found


def _rank(key: str) -> int:
    wanted = ("g_ema", "ema", "netg", "generator", "gen", "g", "state_dict", "model")
    return next((i for i, w in enumerate(wanted) if key.lower().startswith(w)), len(wanted))


def recognise(path: Path) -> tuple[Family, dict[str, Tensor]]:
    """The family of a file and its generator's tensors. Raises BadFile naming the first keys."""
    states = read_states(path)
    for state in states:
        for family in FAMILIES:
            if family.fits(state):
                return family, state
    keys = ", ".join(f"{k} {tuple(v.shape)}" for k, v in list(states[0].items())[:3])
    raise BadFile(f"{path.name} is of no known generator family (first tensors: {keys}). Known from a file alone: "
                  f"{', '.join(f.name for f in FAMILIES)}; for another network name its code: --model package.module:function")


def open_weights(path: Path, *, name: str, fingerprint: str, device: str = "auto") -> Generator:
    """A generator from a weight file; see zoo.open."""
    family, state = recognise(path)
    return family.open(state, name, fingerprint, pick_device(device))


def look(path: Path) -> Found:
    """What a model file holds, for its card. Raises BadFile, BadInput."""
    if path.suffix == ".json":
        from core.zoo.modules import from_function

        made = from_function(function_of(path), name=path.stem, device="cpu")
        return Found("your code", made.z_dim, made.layers, made.image_size, made.fingerprint, notes=getattr(made, "notes", ""))
    family, state = recognise(path)
    made = family.open(state, path.stem, "", torch.device("cpu"))
    return Found(family.name, made.z_dim, made.layers, made.image_size, weights.sha256_of(path), notes=family.notes)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
