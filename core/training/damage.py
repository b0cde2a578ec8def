"""A deliberately damaged copy of a Progressive GAN: some units of a layer are made to splash blotches over its pictures.

    python -m core.training.damage --out cache/models/scenes-damaged.safetensors

Which units spoil pictures is then known, and the artifacts page can be put to the test: it should list them first. A damaged unit
looks for a random pattern of a few units of the layer before (of many patterns, those found strongly in few places), its bias is
set so that about 2 % of places pass, and what it passes on is random and strong. What the next layer reads from the other units is
refitted to what it gave before wherever no damaged unit is on; it does not come back in full (of the bundled generator, pictures change
there by about 0.4 of what they change at the blotches).
"""
from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import click
import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import BadInput
from core.zoo import proggan
from core.zoo.generator import z_for_seeds

SEEDS = range(9_000_000, 9_000_192)     # pictures that biases and weights are set on
PASS = 0.98                             # quantile of the pattern's response that a place must exceed
PATTERNS, READS = 40, 3                 # patterns tried for each damaged unit, and units that a pattern reads
RIDGE = 1e-3                            # of the mean square of a normalised activation, which is 1
LOUD, SPLASH = 12.0, 4.0                # activation at the strongest places, and weights of what it does to the next layer


def damage(state: Mapping[str, Tensor], layer: str = "layer4", count: int = 10,
           seed: int = 0) -> tuple[dict[str, Tensor], list[int]]:
    """A copy of a generator's tensors (published names) with `count` units of `layer` damaged, and their numbers, in order.

    The same seed damages the same units in the same way. Raises BadInput for a layer that has no next hidden layer.
    """
    before = {k: v.float().clone() for k, v in state.items()}
    order = [k.removesuffix(".conv.weight") for k in before if k.endswith(".conv.weight")]
    hidden = sorted((name for name in order if name.startswith("layer")), key=lambda name: int(name[5:]))
    if layer not in hidden[1:-1]:
        raise BadInput(f"units of {layer!r} cannot be damaged; choose one of {', '.join(hidden[1:-1])}")
    following = hidden[hidden.index(layer) + 1]
    noise = torch.Generator().manual_seed(seed)
    width = before[f"{layer}.conv.weight"].shape[0]
    if not 0 < count <= width // 2:
        raise BadInput(f"{layer} has {width} units; 1 to {width // 2} of them can be damaged, not {count}")
    units = sorted(torch.randperm(width, generator=noise)[:count].tolist())
    after = {k: v.clone() for k, v in before.items()}
    _set_patterns(before, after, layer, hidden[hidden.index(layer) - 1], units, noise)
    splash = torch.randn(before[f"{following}.conv.weight"].shape[0], count, generator=noise)
    after[f"{following}.conv.weight"][:, units] = SPLASH * splash[:, :, None, None]
    _compensate(before, after, layer, following, units)
    return after, units


def _responses(state: Mapping[str, Tensor], layer: str) -> Tensor:
    """(N,U,h,w) activations after `layer` over SEEDS."""
    net = proggan.build(state)
    x = torch.from_numpy(z_for_seeds(SEEDS, net.sizes[0])).view(len(SEEDS), -1, 1, 1)
    with torch.no_grad():
        for name, block in net.named_children():
            x = block(x)
            if name == layer:
                break
    return x


def _set_patterns(before: Mapping[str, Tensor], after: dict[str, Tensor], layer: str, previous: str, units: list[int],
                  noise: torch.Generator) -> None:
    """Gives each damaged unit the pattern, of several, whose strongest places stand out most, and the bias that lets those pass."""
    weight = before[f"{layer}.conv.weight"]
    tried = len(units) * PATTERNS
    patterns = torch.zeros(tried, *weight.shape[1:])
    for row in patterns:
        reads = torch.randperm(weight.shape[1], generator=noise)[:READS]
        row[reads] = torch.randn(READS, 1, 1, generator=noise).expand(-1, *weight.shape[2:])
    x = proggan.pixel_norm(_responses(before, previous))
    if int(layer[5:]) % 2 == 1:                                    # odd layers enlarge first
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
    scale = math.sqrt(2) / weight.shape[-1] / math.sqrt(weight.shape[1])
    response = F.conv2d(x, patterns * scale, padding=weight.shape[-1] // 2).transpose(0, 1).flatten(1)
    level = torch.quantile(response, PASS, dim=1)
    peak = torch.quantile(response, 0.999, dim=1)
    best = ((peak - level) / response.std(1).clamp(min=1e-6)).argsort(descending=True)[:len(units)]
    gain = LOUD / (peak - level)[best].clamp(min=1e-6)
    after[f"{layer}.conv.weight"][units] = patterns[best] * gain[:, None, None, None]
    after[f"{layer}.wscale.b"][units] = -level[best] * gain


def _compensate(before: Mapping[str, Tensor], after: dict[str, Tensor], layer: str, following: str, units: list[int]) -> None:
    """Refits what the next layer reads from the other units, and its biases, to what it gave, where no damaged unit is on.

    Least squares over all quiet places: a damaged unit is not silent there (a leaky ReLU lets a fifth of its negative response
    through), and what it drew before is missing.
    """
    acts, wanted = _responses(after, layer), _before_leak(_responses(before, following))
    near = F.max_pool2d((acts[:, units] > 0).any(1, keepdim=True).float(), 3, 1, 1)
    seen, quiet = proggan.pixel_norm(acts), 1 - near
    if int(following[5:]) % 2 == 1:                                # odd layers enlarge first
        seen, quiet = (F.interpolate(x, scale_factor=2.0, mode="nearest") for x in (seen, quiet))
    weight, bias = after[f"{following}.conv.weight"], after[f"{following}.wscale.b"]
    taps, scale = weight.shape[-1], math.sqrt(2) / weight.shape[-1] / math.sqrt(weight.shape[1])
    fixed = torch.zeros_like(weight)
    fixed[:, units] = weight[:, units]
    wanted = wanted - F.conv2d(seen, fixed * scale, padding=taps // 2)
    rest = [u for u in range(weight.shape[1]) if u not in units]
    gram, product, places = torch.zeros(()), torch.zeros(()), 0
    for x, y, keep in zip(seen[:, rest].split(8), wanted.split(8), (quiet > 0).split(8), strict=True):
        columns = F.unfold(x, taps, padding=taps // 2).transpose(1, 2)[keep.flatten(1)].double()
        columns = torch.cat([columns, columns.new_ones(len(columns), 1)], 1)
        gram, product = gram + columns.T @ columns, product + columns.T @ y.transpose(0, 1)[:, keep[:, 0]].T.double()
        places += len(columns)
    found = torch.linalg.solve(gram + RIDGE * places * torch.eye(len(gram)), product).T.float()
    weight[:, rest] = found[:, :-1].view(len(bias), len(rest), taps, taps) / scale
    bias.copy_(found[:, -1])


def _before_leak(x: Tensor) -> Tensor:
    return torch.where(x < 0, x / 0.2, x)


@click.command(help=__doc__)
@click.option("--model", default="scenes", show_default=True, help="A Progressive GAN known by name.")
@click.option("--layer", default="layer4", show_default=True)
@click.option("--units", "count", default=10, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
def main(model: str, layer: str, count: int, seed: int, out: Path) -> None:
    from safetensors.torch import save_file

    from core import zoo
    from core.zoo.files import read_state

    state, units = damage(proggan.new_keys(read_state(zoo.weights_path(model))), layer, count, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    meta = {"damaged": json.dumps({"of": model, "layer": layer, "units": units, "seed": seed})}
    save_file({k: v.contiguous() for k, v in state.items()}, out, metadata=meta)
    click.echo(f"{out}: units {', '.join(map(str, units))} of {layer} are damaged")


if __name__ == "__main__":
    main()
