"""How long something takes."""
from __future__ import annotations

import threading
import time

import pytest

from core import stopwatch
from core.stopwatch import machine, timed


class Clocks:
    """Stands in for the clocks: the work moves them on."""

    def __init__(self, walls: list[float]) -> None:
        self.now, self.walls, self.calls = 0.0, walls, 0

    def work(self) -> int:
        self.now += self.walls[self.calls]
        self.calls += 1
        return self.calls

    def perf_counter(self) -> float:
        return self.now

    def thread_time(self) -> float:
        return self.now / 2

    def process_time(self) -> float:
        return self.now * 2


@pytest.mark.parametrize(("walls", "runs", "threads", "expected"), [
    ([8.0], 1, False, (1, 8.0, 4.0)),
    ([8.0], 1, True, (1, 8.0, 16.0)),                       # all threads of the process, not the clock
    ([100.0, 6.0, 2.0, 4.0], 3, False, (1, 4.0, 2.0)),      # the warm-up does not count
    ([100.0, 6.0, 2.0, 4.0], 3, True, (1, 4.0, 8.0)),
])
def test_one_run_or_the_median_after_a_warm_up(monkeypatch, walls, runs, threads, expected):
    clocks = Clocks(walls)
    monkeypatch.setattr(stopwatch, "time", clocks)
    assert timed(clocks.work, runs=runs, threads=threads) == expected
    assert clocks.calls == len(walls)


def test_waiting_takes_no_processor_and_other_threads_are_not_counted():
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            pass

    other = threading.Thread(target=spin)
    other.start()
    try:
        _, seconds, cpu = timed(lambda: time.sleep(0.2))
    finally:
        stop.set()
        other.join()
    assert seconds >= 0.2
    assert cpu < seconds / 2


def test_the_machine_is_named():
    assert "cores" in machine()
