"""Checkpoints: written beside, then renamed, so that a run that is cut off loses minutes and never its past."""
from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch

HOME = Path(os.environ.get("GAN_DISSECTION_TRAINING", "~/.cache/gan-dissection/training")).expanduser()


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes tensors and plain values atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        torch.save(state, aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any] | None:
    """What `save` wrote, or None when there is nothing yet."""
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


class Stop:
    """Turns the first Ctrl-C or termination signal into a wish: the loop ends after its step and saves."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        else:
            self._before = {}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


class Clock:
    """Says when to report and when to save, and how long the rest will take."""

    def __init__(self, done: int, total: int, *, save_every: float = 180.0, tell_every: float = 30.0) -> None:
        self._start, self._first, self._total = time.monotonic(), done, total
        self._save_every, self._tell_every = save_every, tell_every
        self._saved = self._told = self._start

    def due_to_save(self) -> bool:
        """True at most once per `save_every` seconds."""
        if time.monotonic() - self._saved < self._save_every:
            return False
        self._saved = time.monotonic()
        return True

    def due_to_tell(self) -> bool:
        """True at most once per `tell_every` seconds."""
        if time.monotonic() - self._told < self._tell_every:
            return False
        self._told = time.monotonic()
        return True

    def line(self, done: int) -> str:
        """"12 800 of 65 000 images, 14.2 a second, 61 min to go"."""
        rate = (done - self._first) / max(time.monotonic() - self._start, 1e-9)
        rest = (self._total - done) / rate / 60 if rate > 0 else float("inf")
        return f"{done} of {self._total} images, {rate:.1f} a second, {rest:.0f} min to go"
