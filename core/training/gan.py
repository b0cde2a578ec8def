"""Trains the bundled generator against the painted world.

Every draw is a function of (seed, step), so a resumed run is the same run.
"""
from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from core.segment.bundled import BundledSegmenter
from core.segment.nets import UNet, placed
from core.training import checkpoint, critics, echo, fast, grow
from core.training.pool import Pool, Resident, open_pool, world_mark
from core.training.watch import Reading, append, watch, world_reading
from core.zoo.proggan import ProgGANNet

log = logging.getLogger(__name__)
SIZES: dict[int, tuple[int, ...]] = {64: (128, 256, 256, 256, 128, 64), 128: (128, 256, 256, 256, 128, 64, 32)}


@dataclass(frozen=True)
class GanConfig:
    """Everything that decides the result.

    `picture_share` and `echo_share`: gradients of the picture critic and of the echo (`core.training.echo`) at the picture, relative
    to that of the feature heads. `start`: fingerprint of the weights that the run grew from, if it began with a file.
    """

    sizes: tuple[int, ...]
    images: int
    seed: int = 0
    pool: int = 30_000
    batch: int = 16
    lr: float = 4e-3            # of weights with unit spread: a step of 0.4 %
    critic_lr: float = 3e-3
    head_lr: float = 5e-4
    picture_share: float = 1.5
    echo_share: float = 1.0
    encoder_lr: float = 2e-3
    nats: float = 100.0         # what the encoder may tell of a scene
    r1: float = 1.0
    r1_every: int = 16
    critic_width: int = 1
    ema_images: int = 6_000
    grow_images: int = 6_000
    start: str = ""

    @property
    def side(self) -> int:
        """Side of the pictures in pixels."""
        return 2 ** len(self.sizes)


class State:
    """Networks, optimisers and counters of one run; `state_dict` is the whole of it."""

    def __init__(self, config: GanConfig, widths: list[int], device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            g = ProgGANNet(list(config.sizes))
            for parameter in g.parameters():
                if parameter.ndim > 1:
                    torch.nn.init.normal_(parameter)
            self.heads = placed(critics.FeatureCritic(widths), device)
            self.picture = placed(critics.PictureCritic(config.side, config.critic_width), device)
            self.encoder = placed(echo.SceneEncoder(config.side, config.sizes[0]), device)
        self.g = placed(g, device)
        self.ema = copy.deepcopy(self.g).requires_grad_(False)
        betas = (0.0, 0.99)
        self.opt_g = torch.optim.Adam(self.g.parameters(), lr=config.lr, betas=betas)
        self.opt_heads = torch.optim.Adam(self.heads.heads.parameters(), lr=config.head_lr, betas=betas)
        self.opt_picture = torch.optim.Adam(self.picture.parameters(), lr=config.critic_lr, betas=betas)
        self.opt_encoder = torch.optim.Adam(self.encoder.parameters(), lr=config.encoder_lr, betas=(0.5, 0.99))
        self.budget = echo.Budget(config.nats)
        self.images = 0
        self.norms = [0.0, 0.0, 0.0]                # running gradient norms: heads, picture critic, echo
        self.history: list[dict[str, Any]] = []     # what changed, and after how many images

    NETS = ("g", "ema", "heads", "picture", "encoder", "opt_g", "opt_heads", "opt_picture", "opt_encoder")

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""
        return {name: getattr(self, name).state_dict() for name in self.NETS} | {
            "images": self.images, "norms": list(self.norms), "budget": self.budget.weight, "history": self.history}

    def load(self, kept: dict[str, Any], *, heads: bool) -> None:
        """Takes over what `state_dict` gave; without the heads when their features come from another dissector."""
        for name in self.NETS:
            if heads or name not in ("heads", "opt_heads"):
                getattr(self, name).load_state_dict(kept[name])
        self.images, self.norms, self.history = int(kept["images"]), list(kept["norms"]), list(kept["history"])
        self.budget.weight = float(kept["budget"])

    def set_rates(self, config: GanConfig) -> None:
        """Learning rates of the present configuration; the checkpoint remembers the old ones."""
        for optimizer, rate in ((self.opt_g, config.lr), (self.opt_heads, config.head_lr), (self.opt_picture, config.critic_lr),
                                (self.opt_encoder, config.encoder_lr)):
            for group in optimizer.param_groups:
                group["lr"] = rate


def train(config: GanConfig, home: Path, segmenter: BundledSegmenter, *, device: str = "cpu",
          watch_every: int = 4_000, compiled: bool = False, start: Path | None = None) -> State:
    """Trains until `config.images` pictures were seen, from the checkpoint `gan-<side>.pt` if there is one.

    Without one it begins with the weights in the file `start`, of this side or half of it, or grows from the checkpoint of half the
    side (`core.training.grow`), or from nothing.
    `segmenter` is the dissector: the frozen features, and the figures in `gan-<side>.jsonl`. The judge has no place here.
    """
    where = torch.device(device)
    torch.backends.cudnn.benchmark = True
    features = cast(UNet, segmenter.net)
    painted = open_pool(home, "gan", config.side, config.pool)
    painted.fill(64 * config.batch)
    pool = painted if where.type == "cpu" else Resident(painted, where)
    state = State(config, critics.tap_widths(features), where)
    path = home / f"gan-{config.side}.pt"
    identity = {**asdict(config), "sizes": list(config.sizes), "world": world_mark(), "dissector": segmenter.fingerprint}
    if not _resume(path, identity, state):
        state.heads.calibrate(critics.feature_maps(features, _real(config, pool, 0).to(where)))
    state.set_rates(config)
    earlier = grow.from_weights(start) if start is not None else checkpoint.load(home / f"gan-{config.side // 2}.pt")
    if state.images == 0 and earlier is not None:
        _take_over(config, state, earlier, features, pool, where)
    world = world_reading(segmenter, painted) if watch_every else None
    generate: Callable[[ProgGANNet, Tensor], Tensor] = torch.compile(fast.forward) if compiled else fast.forward
    clock = checkpoint.Clock(state.images, config.images)
    with checkpoint.Stop() as stop:
        while state.images < config.images and not stop.asked:
            pool.add_some()
            figures = step(config, state, features, pool, where, generate)
            if clock.due_to_tell():
                log.info("%s; %s", clock.line(state.images), " ".join(f"{k} {v:.3f}" for k, v in figures.items()))
            if world is not None and state.images // watch_every != (state.images - config.batch) // watch_every:
                _look(config, state, segmenter, world, home, figures)
            if clock.due_to_save():
                checkpoint.save(path, {"config": identity, **state.state_dict()})
    checkpoint.save(path, {"config": identity, **state.state_dict()})
    return state


def _look(config: GanConfig, state: State, segmenter: BundledSegmenter, world: Reading, home: Path,
          figures: dict[str, float]) -> None:
    """One line more in the log of figures, and a sheet."""
    seen, sheet = watch(state.ema, segmenter, world)
    line = {"images": state.images, "dissector": segmenter.fingerprint[:12], **seen, **figures}
    append(home / f"gan-{config.side}.jsonl", line)
    (home / "sheets").mkdir(exist_ok=True)
    (home / "sheets" / f"gan-{config.side}-{state.images:07d}.png").write_bytes(sheet)
    log.info("%d images: Fréchet %.3f", state.images, seen["frechet"])


def step(config: GanConfig, state: State, features: UNet, pool: Pool | Resident, device: torch.device,
         generate: Callable[[ProgGANNet, Tensor], Tensor]) -> dict[str, float]:
    """One batch: the critics learn from it, then the generator from the critics. Returns the figures of the log line."""
    number = state.images // config.batch
    rng = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
    told = config.batch // 2                        # so many latents come from scenes, the others from the prior
    prior = torch.randn(config.batch - told, config.sizes[0], generator=rng).to(device)
    real = _real(config, pool, number).to(device)
    half = torch.autocast(device.type, dtype=torch.bfloat16)
    with half:
        mean, spread = state.encoder(real[:told])
        fake = generate(state.g, torch.cat([echo.drawn(mean, spread, rng), prior])).float()
    shown = fake.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    with half:
        fake_maps = critics.feature_maps(features, shown)
        with torch.no_grad():
            real_maps = critics.feature_maps(features, real)
    frozen_maps = [x.detach() for x in fake_maps]
    figures = _teach_critics(config, state, real, shown.detach(), real_maps, frozen_maps, number, half)
    with half:
        by_heads = -torch.stack([score.float().mean() for score in state.heads(fake_maps)]).mean()
        by_picture = F.softplus(-state.picture(shown).float()).mean()
        by_echo = echo.gap(shown[:told], real[:told], [x[:told] for x in fake_maps], [x[:told] for x in real_maps])
    pull_heads, = torch.autograd.grad(by_heads, shown, retain_graph=True)
    pull_echo, = torch.autograd.grad(by_echo, shown)
    pull_picture, = torch.autograd.grad(by_picture, shown)
    on_picture, on_echo = _balance(config, state, *(float(pull.norm()) for pull in (pull_heads, pull_picture, pull_echo)))
    cost = echo.divergence(mean, spread)
    state.budget.move(float(cost.detach()))
    for optimizer in (state.opt_g, state.opt_encoder):
        optimizer.zero_grad(set_to_none=True)
    pull = pull_heads + on_picture * pull_picture + on_echo * pull_echo
    torch.autograd.backward((fake, state.budget.weight * cost), (pull, None))
    state.opt_g.step()
    state.opt_encoder.step()
    state.images += config.batch
    _average(config, state)
    return figures | {"by_heads": float(by_heads.detach()), "by_picture": float(by_picture.detach()),
                      "echo": float(by_echo.detach()), "nats": float(cost.detach()), "on_picture": on_picture, "on_echo": on_echo}


def _take_over(config: GanConfig, state: State, earlier: dict[str, Any], features: UNet, pool: Pool | Resident,
               device: torch.device) -> None:
    """Begins with an earlier generator; its pictures are kept while critics and encoder get to know them. Changes `state` in place.

    When the earlier one is half as large, the new blocks meanwhile learn to say what it says, enlarged.
    """
    small = placed(grow.small_of(earlier, "g"), device)
    growing = len(small.sizes) < len(config.sizes)
    grow.adopt(state.g, small)
    kept = state.picture.state_dict()
    old = {k: v for k, v in earlier["picture"].items() if k in kept and v.shape == kept[k].shape}
    state.picture.load_state_dict({**kept, **old})
    optimizer = torch.optim.Adam(grow.new_parameters(state.g), lr=config.lr, betas=(0.5, 0.99))
    half = torch.autocast(device.type, dtype=torch.bfloat16)
    for number in range(config.grow_images // config.batch):
        rng = torch.Generator().manual_seed(config.seed * 1_000_003 + number + 250_000_003)
        z = torch.randn(config.batch, config.sizes[0], generator=rng).to(device)
        if growing:
            with half:
                loss, fake = grow.imitation_loss(state.g, small, z)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        else:
            with half, torch.no_grad():
                fake = fast.forward(small, z)
        _acquaint(config, state, z, fake.detach().float(), features, pool, number, half)
    if growing:
        log.info("grown to %d px; mean squared gap to the old pictures %.4f", config.side, float(loss.detach()))
    state.ema.load_state_dict(state.g.state_dict())
    grow.adopt(state.ema, placed(grow.small_of(earlier, "ema"), device))
    state.history.append({"images": 0, "taken_over": 2 ** len(small.sizes), "after": earlier["images"]})


def _acquaint(config: GanConfig, state: State, z: Tensor, shown: Tensor, features: UNet, pool: Pool | Resident, number: int,
              half: torch.autocast) -> None:
    """One batch from which the critics and the encoder learn, and the generator does not."""
    real = _real(config, pool, number).to(shown.device)
    with half, torch.no_grad():
        real_maps, fake_maps = critics.feature_maps(features, real), critics.feature_maps(features, shown)
    _teach_critics(config, state, real, shown, real_maps, fake_maps, number, half)
    with half:
        mean, spread = state.encoder(shown)
    state.opt_encoder.zero_grad(set_to_none=True)
    echo.surprise(z, mean, spread).backward()
    state.opt_encoder.step()


def _real(config: GanConfig, pool: Pool | Resident, number: int) -> Tensor:
    rng = torch.Generator().manual_seed(config.seed * 1_000_003 + number + 500_000_003)
    return pool.pictures(torch.randint(pool.ready, (config.batch,), generator=rng).numpy())


def _teach_critics(config: GanConfig, state: State, real: Tensor, fake: Tensor, real_maps: list[Tensor],
                   fake_maps: list[Tensor], number: int, half: torch.autocast) -> dict[str, float]:
    with half:
        real_scores = state.heads(real_maps)
        fake_scores = state.heads(fake_maps)
        pairs = zip(real_scores, fake_scores, strict=True)
        hinge = torch.stack([F.relu(1 - r.float()).mean() + F.relu(1 + f.float()).mean() for r, f in pairs]).mean()
        on_real, on_fake = state.picture(real).float(), state.picture(fake).float()
        logistic = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
    loss = hinge + logistic
    if number % config.r1_every == 0:
        loss = loss + 0.5 * config.r1 * config.r1_every * critics.r1(state.picture, real)
    state.opt_heads.zero_grad(set_to_none=True)
    state.opt_picture.zero_grad(set_to_none=True)
    loss.backward()
    state.opt_heads.step()
    state.opt_picture.step()
    return {"heads": float(hinge.detach()), "picture": float(logistic.detach())}


def _balance(config: GanConfig, state: State, heads: float, picture: float, told: float) -> tuple[float, float]:
    """Factors on the gradients of picture critic and echo that make their running norms the wanted shares of the heads'."""
    keep = 0.98 if state.images else 0.0
    state.norms = [keep * old + (1 - keep) * new for old, new in zip(state.norms, (heads, picture, told), strict=True)]
    base, *others = state.norms
    first, second = (min(max(share * base / max(norm, 1e-12), 1e-4), 100.0)
                     for share, norm in zip((config.picture_share, config.echo_share), others, strict=True))
    return first, second


def _average(config: GanConfig, state: State) -> None:
    """Moves the sampled generator towards the trained one; the memory is short at first."""
    memory = min(config.ema_images, 0.1 * state.images + 1)
    share = 1 - 0.5 ** (config.batch / memory)
    torch._foreach_lerp_(list(state.ema.parameters()), [p.detach() for p in state.g.parameters()], share)


def _resume(path: Path, identity: dict[str, Any], state: State) -> bool:
    """Loads the checkpoint; False when the heads begin anew (no checkpoint, or another dissector).

    What changed goes into the history.
    """
    kept = checkpoint.load(path)
    if kept is None:
        state.history = [{**identity, "images": 0}]
        return False
    same = kept["config"]["dissector"] == identity["dissector"]
    state.load(kept, heads=same)
    changed = {k: v for k, v in identity.items() if kept["config"].get(k) != v and k != "images"}
    if changed:
        log.warning("after %d images changed: %s", state.images, ", ".join(changed))
        state.history.append({"images": state.images, **changed})
    return same
