"""A generator from somebody's code: "package.module:function" returns any `nn.Module` from latents to pictures.

    g = from_function("mygan.nets:trained")        # from the command line or a models folder only, never from a browser

`function()` returns a module, or (module, z_dim). A sequential module (or one whose forward only runs a sequential child) is cut
between its children without hooks. Any other is run with hooks that are set and removed inside one locked call (HookedGenerator).
Pictures in 0..1 are brought to −1..1, grey ones to RGB; what cannot be used says what is missing.
"""
from __future__ import annotations

import hashlib
import importlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import BadInput, UnknownName
from core.zoo.batch import Halving
from core.zoo.cards import LayerInfo
from core.zoo.generator import ChainGenerator, Generator, z_for_seeds

_TEXT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
Z_NAMES = ("z_dim", "nz", "latent_dim", "z_size", "latent_size", "noise_dim")
PROBES = 4


class ToPicture(nn.Module):
    """(N,1 or 3,H,W) → (N,3,H,W) in −1..1; `unit_range` says that what comes is 0..1."""

    def __init__(self, *, unit_range: bool) -> None:
        super().__init__()
        self.unit_range = unit_range

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        return x * 2 - 1 if self.unit_range else x


def from_function(text: str, *, name: str = "", fingerprint: str = "", device: str = "auto") -> Generator:
    """The generator that "package.module:function" returns. Raises BadInput with what is missing.

    fingerprint: what the tensors hashed to when the model was added; other tensors now are an error, because stored results would
    be shown for a network that did not make them.
    """
    from core.zoo.files import pick_device

    net, z_dim = _call(text)
    mark = fingerprint_of(net, text)
    if fingerprint and mark != fingerprint:
        raise BadInput(f"{text} gives other weights than when it was added; run again: python -m core models add {text} --name {name}")
    if not fingerprint and fingerprint_of(_call(text)[0], text) != mark:
        raise BadInput(f"{text} gives different weights each time it is called; let it load trained weights")
    return adapt(net.to(pick_device(device)), name=name or text.partition(":")[2], fingerprint=mark, z_dim=z_dim)


def adapt(net: nn.Module, *, name: str, fingerprint: str, z_dim: int = 0) -> Generator:
    """A generator around any module from latents to pictures. z_dim 0 = read off the module. Raises BadInput."""
    net = net.eval().requires_grad_(False)
    for module in net.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]  # an in-place ReLU would overwrite the caller's activations
    length = z_dim or _z_dim(net)
    z_shape, picture = _z_shape(net, length)
    last = ToPicture(unit_range=picture.amin().item() >= 0 and picture.amax().item() <= 1)
    chain = _as_chain(net, length, z_shape)
    if chain is not None:
        children = OrderedDict((*chain.named_children(), ("picture", last)))
        hidden = list(children)[:-2]
        sized = ChainGenerator(nn.Sequential(children), name=name, fingerprint=fingerprint, z_dim=length, layers=hidden,
                               z_shape=z_shape)
        made: Generator = ChainGenerator(nn.Sequential(children), name=name, fingerprint=fingerprint, z_dim=length, z_shape=z_shape,
                                         layers=[i.name for i in sized.layers if min(i.size) > 1 and not _is_picture(i, sized.image_size)])
    else:
        made = HookedGenerator(net, last, name=name, fingerprint=fingerprint, z_dim=length, z_shape=z_shape)
    if not made.layers:
        raise BadInput("no layer of this network can be cut: a layer must be a module that runs once a picture, gives (N, units, h, w), "
                       "and lets nothing pass around it")
    return made


def fingerprint_of(net: nn.Module, text: str) -> str:
    """SHA-256 of the names and contents of all tensors, and of what made them."""
    digest = hashlib.sha256(text.encode())
    for key, tensor in sorted(net.state_dict().items()):
        digest.update(f"{key}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _call(text: str) -> tuple[nn.Module, int]:
    if not _TEXT.fullmatch(text):
        raise BadInput(f'code is named as "package.module:function", got {text[:120]!r}')
    module, _, function = text.partition(":")
    try:
        made: Any = getattr(importlib.import_module(module), function)
        made = made() if callable(made) and not isinstance(made, nn.Module) else made
    except Exception as error:  # somebody else's code: whatever it raises becomes one sentence
        raise BadInput(f"{text} cannot be used: {type(error).__name__}: {str(error)[:200]}") from error
    net, z_dim = made if isinstance(made, tuple) and len(made) == 2 else (made, 0)
    if not isinstance(net, nn.Module) or not isinstance(z_dim, int):
        raise BadInput(f"{text} returns {type(net).__name__}; a torch nn.Module is needed, or (module, length of the latent)")
    if next(net.parameters(), None) is None:
        raise BadInput(f"{text} returns a module without parameters")
    return net, z_dim


def _z_dim(net: nn.Module) -> int:
    for attribute in Z_NAMES:
        value = getattr(net, attribute, None)
        if isinstance(value, int) and value > 0:
            return value
    for module in net.modules():
        if isinstance(module, nn.Linear):
            return module.in_features
        if isinstance(module, (nn.ConvTranspose2d, nn.Conv2d)):
            return module.in_channels
    raise BadInput("the length of the latent is not known: let the function return (module, length), or set net.z_dim")


def _z_shape(net: nn.Module, z_dim: int) -> tuple[tuple[int, ...], Tensor]:
    """Which of (N,z) and (N,z,1,1) the network takes, and PROBES pictures made of seeds 0 …"""
    device = next(net.parameters()).device
    z = torch.from_numpy(z_for_seeds(range(PROBES), z_dim)).to(device)
    problems = []
    for shape in ((-1, 1, 1), (-1,)):
        try:
            with torch.no_grad():
                x = net(z.reshape(PROBES, *shape))
        except Exception as error:  # somebody else's code
            problems.append(f"{type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}")
            continue
        if isinstance(x, Tensor) and x.ndim == 4 and len(x) == PROBES and x.shape[1] in (1, 3) and x.is_floating_point():
            return shape, x
        came = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        problems.append(f"its output is {came}; pictures (N, 3, H, W) are needed")
    raise BadInput(f"a latent of length {z_dim} cannot be sent through the network: {problems[-1]} (as (N, {z_dim}, 1, 1): {problems[0]})")


def _as_chain(net: nn.Module, z_dim: int, z_shape: tuple[int, ...]) -> nn.Sequential | None:
    """The sequential module that the network is, or that its forward does nothing but run; else None."""
    inner = net if isinstance(net, nn.Sequential) else next((m for m in net.children() if isinstance(m, nn.Sequential)), None)
    if inner is None:
        return None
    z = torch.from_numpy(z_for_seeds(range(PROBES), z_dim)).to(next(net.parameters()).device).reshape(PROBES, *z_shape)
    with torch.no_grad():
        try:
            same = inner is net or torch.equal(inner(z), net(z))
        except (RuntimeError, TypeError, ValueError, IndexError):
            return None
    return inner if same else None


class _Reached(Exception):
    """Carries the activations out of a forward pass that need not go on."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


class HookedGenerator:
    """A generator around a module of any shape, cut with hooks that live only inside one locked call.

    A part after a layer is run by running the whole with that layer's output replaced, so `tail` costs as much as a picture; the
    same lock keeps two visitors apart. Only layers that everything passes through, given the latent, are offered.
    """

    def __init__(self, net: nn.Module, picture: nn.Module, *, name: str, fingerprint: str, z_dim: int, z_shape: tuple[int, ...]) -> None:
        self.net, self.name, self.fingerprint, self.z_dim = net.eval().requires_grad_(False), name, fingerprint, z_dim
        self._picture, self._z_shape, self._lock = picture, z_shape, threading.RLock()
        self._run = Halving()
        self._modules: dict[str, nn.Module] = {}
        self._needs_z: set[str] = set()
        with torch.no_grad():
            out = picture(self._whole(self.z_for_seeds([0])))
        self.image_size = (int(out.shape[2]), int(out.shape[3]))
        self.layers, self.notes = self._sound_layers(self._discover())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.net.parameters()).device

    def z_for_seeds(self, seeds: Iterable[int]) -> Tensor:
        """See Generator."""
        return torch.from_numpy(z_for_seeds(seeds, self.z_dim)).to(self.device)

    def span(self, x: Tensor, start: str | None, stop: str | None, z: Tensor | None = None) -> Tensor:
        """See Generator; `z` is needed where later layers see the latent too (BadInput says so)."""
        if start == stop and start is not None:
            return x
        for layer in (start, stop):
            if layer is not None and layer not in self._modules:
                raise UnknownName("layer", layer, self._modules)
        if start is None:
            return self._run(lambda x, _: self._hooked(x, None, None, stop), x)
        if z is None and start in self._needs_z:
            raise BadInput(f"layers after {start} of this network see the latent too; pass z")
        latent = torch.zeros(len(x), self.z_dim, device=x.device, dtype=x.dtype) if z is None else z
        return self._run(lambda x, z: self._hooked(z, x, start, stop), x, latent)

    def _hooked(self, latent: Tensor | None, x: Tensor | None, start: str | None, stop: str | None) -> Tensor:
        assert latent is not None
        with self._lock, self._hooks(x, start, stop):
            try:
                out = self._whole(latent)
            except _Reached as reached:
                return reached.value
        return self._picture(out)

    def head(self, z: Tensor, layer: str) -> Tensor:
        """See Generator."""
        return self.span(z, None, layer)

    def tail(self, acts: Tensor, layer: str, z: Tensor | None = None) -> Tensor:
        """See Generator."""
        return self.span(acts, layer, None, z)

    def _whole(self, z: Tensor) -> Tensor:
        return self.net(z.reshape(z.shape[0], *self._z_shape))

    @contextmanager
    def _hooks(self, x: Tensor | None, start: str | None, stop: str | None) -> Iterator[None]:
        def replace(module: nn.Module, args: object, output: Tensor) -> Tensor:
            assert x is not None
            return x

        def reach(module: nn.Module, args: object, output: Tensor) -> None:
            raise _Reached(output)

        handles = []
        try:
            if start is not None:
                handles.append(self._modules[start].register_forward_hook(replace))
            if stop is not None:
                handles.append(self._modules[stop].register_forward_hook(reach))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _discover(self) -> list[LayerInfo]:
        """Modules that run once and give maps, in the order in which they run; the one that makes the picture is left out."""
        candidates = dict(_expanded(self.net))
        seen: list[tuple[str, Tensor]] = []
        handles = []

        def watch(path: str) -> Any:
            return lambda module, args, output: seen.append((path, output))

        try:
            for path, module in candidates.items():
                handles.append(module.register_forward_hook(watch(path)))
            with torch.no_grad():
                final = self._whole(self.z_for_seeds([0]))
        finally:
            for handle in handles:
                handle.remove()
        runs = [path for path, _ in seen]
        found = []
        for path, out in seen:
            if runs.count(path) == 1 and isinstance(out, Tensor) and out.ndim == 4 and min(out.shape[2:]) > 1 and out is not final:
                info = LayerInfo(path, int(out.shape[1]), (int(out.shape[2]), int(out.shape[3])))
                if not _is_picture(info, self.image_size):
                    found.append(info)
                    self._modules[path] = candidates[path]
        return found

    def _sound_layers(self, found: list[LayerInfo]) -> tuple[tuple[LayerInfo, ...], str]:
        """Layers of which `tail(head(z))` is the whole, also when something before them was changed; and a note on the others."""
        z = self.z_for_seeds(range(PROBES))
        noise = torch.Generator().manual_seed(0)
        kept: list[LayerInfo] = []
        dropped: list[str] = []
        with torch.no_grad():
            whole = self.span(z, None, None)
            for info in found:
                acts = self.head(z, info.name)
                sound = torch.allclose(self.tail(acts, info.name, z), whole, atol=1e-5)
                if kept and sound:  # is anything passed around this layer? change an earlier one and compare
                    before = self.head(z, kept[-1].name)
                    changed = before + torch.randn(before.shape, generator=noise).to(before)
                    direct = self.tail(changed, kept[-1].name, z)
                    sound = torch.allclose(self.tail(self.span(changed, kept[-1].name, info.name, z), info.name, z), direct, atol=1e-5)
                if not sound:
                    dropped.append(info.name)
                    continue
                kept.append(info)
                if not torch.allclose(self.tail(acts, info.name, torch.zeros_like(z)), whole, atol=1e-5):
                    self._needs_z.add(info.name)
        self._modules = {info.name: self._modules[info.name] for info in kept}
        return tuple(kept), f"Not offered, because something passes around them: {', '.join(dropped)}." if dropped else ""


def _is_picture(info: LayerInfo, image_size: tuple[int, int]) -> bool:
    """A map of at most three units in the picture's size is the picture before its last non-linearity, not a layer."""
    return info.units <= 3 and info.size == image_size


def _expanded(net: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Children as layers: lists are opened, and so is a sequential module that holds all of the parameters."""
    total = sum(1 for _ in net.parameters())
    for name, child in net.named_children():
        path = f"{prefix}{name}"
        everything = isinstance(child, nn.Sequential) and sum(1 for _ in child.parameters()) == total
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)) or everything:
            yield from _expanded(child, f"{path}.")
        else:
            yield path, child
