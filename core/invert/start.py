"""Where an inversion begins: the encoder that belongs to a model. Its card is read without torch.

An encoder belongs to one set of weights. `encoder_card` says what is there; `load_encoder` opens it, and explains when it is not
there or was made for other weights. Without one, inversion starts from the best of 64 random latents.
"""
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core import zoo
from core.errors import BadFile, MissingWeights

if TYPE_CHECKING:
    from core.zoo.encoder import Encoder

HEADER = 1 << 20


@dataclass(frozen=True)
class EncoderCard:
    """An encoder's file: the layer whose activations it gives, the generator's fingerprint, its own fingerprint."""

    path: Path
    layer: str
    generator: str
    fingerprint: str


def encoder_path(name: str) -> Path:
    """Where a model's encoder is looked for: beside the bundled weights, or in the cache."""
    from core.store import CACHE

    return (zoo.BUNDLED if zoo.card(name).bundled else CACHE / "weights") / f"{name}-encoder.safetensors"


def encoder_card(name: str) -> EncoderCard:
    """The encoder of a known model. Raises MissingWeights (there is none), BadFile (damaged, or made for other weights)."""
    path, command = encoder_path(name), f"python -m core.training encoder --model {name}"
    if not path.is_file():
        raise MissingWeights(f"no encoder is there for {name!r}; train one with: {command}")
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    try:
        meta = json.loads(data[8:8 + min(size, HEADER)])["__metadata__"]
        found = EncoderCard(path, meta["layer"], meta["generator"], hashlib.sha256(data).hexdigest())
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(f"{path.name} is not an encoder's weight file; make it again with: {command}") from error
    if found.generator != zoo.fingerprint(name):
        raise BadFile(f"the encoder {path.name} was trained for other weights ({found.generator[:12]}) than those of {name!r} "
                      f"({zoo.fingerprint(name)[:12]}); train it again with: {command}")
    return found


def load_encoder(name: str, device: str = "cpu") -> Encoder:
    """The encoder of a known model, ready to use. Raises MissingWeights, BadFile as `encoder_card` does."""
    from core.zoo.encoder import load

    return load(encoder_card(name).path, device)
