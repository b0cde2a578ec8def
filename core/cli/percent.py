"""Progress of long work on the command line: share done, time left, what is being done."""
from __future__ import annotations

import sys
import time

import click

from core.cli.dissect import clock


class Percent:
    """A Report: rewrites one line on a terminal, elsewhere prints one every ten seconds."""

    def __init__(self) -> None:
        self._start, self._first, self._last, self._live = time.monotonic(), -1.0, 0.0, sys.stderr.isatty()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now, share = time.monotonic(), done / max(total, 1)
        if self._first < 0:
            self._first, self._start = share, now
        if now - self._last < (0.2 if self._live else 10) and done < total:
            return
        self._last = now
        fresh = share - self._first
        left = f", {clock((now - self._start) / fresh * (1 - share))} left" if fresh > 0.005 and share < 1 else ""
        click.echo(f"{100 * share:3.0f} %{left} · {note}".ljust(78), err=True, nl=not self._live)
        if self._live:
            click.echo("\r", err=True, nl=False)

    def end(self) -> None:
        """Leaves the terminal on a fresh line."""
        if self._live:
            click.echo("", err=True)
