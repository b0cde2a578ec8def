"""How long something takes, on the clock and of the processor, and on what machine that was measured.

    filled, seconds, cpu = timed(lambda: fill(image), runs=3)       # a warm-up, then medians of three
"""
from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

T = TypeVar("T")


def timed(work: Callable[[], T], *, runs: int = 1, threads: bool = False) -> tuple[T, float, float]:
    """What the work gives the first time, wall seconds, processor seconds.

    runs: 1 times that first run; with more it is the warm-up, and the medians of so many others count. threads: the work uses
    threads of its own or a GPU. One thread's time is not all of it then, so that of the whole process counts: a little too much in
    a server, whose pages go on meanwhile, and never the waiting for a busy machine.
    """
    clock = time.process_time if threads else time.thread_time
    result, *first = _once(work, clock)
    if runs == 1:
        return result, first[0], first[1]
    others = [_once(work, clock)[1:] for _ in range(runs)]
    return result, median(wall for wall, _ in others), median(cpu for _, cpu in others)


def _once(work: Callable[[], T], clock: Callable[[], float]) -> tuple[T, float, float]:
    wall, cpu = time.perf_counter(), clock()
    result = work()
    return result, time.perf_counter() - wall, clock() - cpu


def machine() -> str:
    """Processor, cores and load, in words."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{platform.machine()}, {os.cpu_count()} cores{load}"
