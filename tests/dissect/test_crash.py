"""Killed, doubled and impatient dissections: nothing is lost, done twice or left running."""
from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from core.dissect import dissect, load
from core.errors import JobCancelled
from core.jobs import Jobs
from core.store import Store
from tests import toys

ROOT = Path(__file__).parents[2]
CRASH = [sys.executable, "-m", "tests.dissect.crash"]


def start(store: Store, delay: float) -> subprocess.Popen[str]:
    return subprocess.Popen([*CRASH, str(store.root), str(delay)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], done: int) -> None:
    assert process.stdout is not None
    while int(process.stdout.readline()) < done:
        pass


@pytest.mark.parametrize("done", [16, 50], ids=["choosing levels", "measuring"])
def test_a_killed_run_goes_on_where_it_was_and_ends_bit_for_bit_equal(store: Store, done: int) -> None:
    process = start(store, 0.05)
    wait_for(process, done)
    process.kill()
    process.communicate()
    assert load(store, "toy", "layer1") is None
    seen: list[int] = []
    resumed = dissect(toys.ToyGenerator(), toys.ToySegmenter(), ["layer1"], range(40), level_seeds=range(1000, 1030),
                      grid=(32, 32), store=store, report=lambda done, total, note="": seen.append(done))["layer1"]
    assert min(seen[1:]) >= done
    clean = dissect(toys.ToyGenerator(), toys.ToySegmenter(), ["layer1"], range(40), level_seeds=range(1000, 1030),
                    grid=(32, 32))["layer1"]
    np.testing.assert_array_equal(resumed.counts.bins, clean.counts.bins)
    for name, value in vars(clean).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(resumed, name), value, err_msg=name)


def test_two_processes_compute_a_run_once(store: Store) -> None:
    both = [start(store, 0.02) for _ in range(2)]
    steps = sorted((sorted({int(x) for x in process.communicate(timeout=600)[0].split()}) for process in both), key=len)
    assert [process.returncode for process in both] == [0, 0]
    assert steps[0] in ([70], [0, 70])  # waited, then read it from disk
    assert len(steps[1]) > 15
    assert len(store.list("dissect")) == 1


def test_a_cancelled_job_stops_within_two_seconds(store: Store) -> None:
    dissect(toys.ToyGenerator(), toys.ToySegmenter(), ["layer1"], range(4), level_seeds=range(10, 14))  # compiles the kernels
    jobs = Jobs()
    started, reports = threading.Event(), []

    def work(report: object) -> object:
        def tell(done: int, total: int, note: str = "") -> None:
            reports.append(done)
            started.set()
            report(done, total, note)  # type: ignore[operator]
        return dissect(toys.ToyGenerator(), toys.ToySegmenter(), ["layer1"], range(100_000), level_seeds=range(200_000, 200_030),
                       grid=(32, 32), report=tell, store=store)

    job = jobs.submit("k", "Dissect", work)
    assert started.wait(300)
    jobs.cancel("k")
    asked, before = time.process_time(), len(reports)
    deadline = time.monotonic() + 300
    while job.active and time.monotonic() < deadline:
        time.sleep(0.02)
    assert job.state == "cancelled"
    assert len(reports) <= before + 2  # at the next batch
    assert time.process_time() - asked < 2  # of this process's own time: the machine may be busy with other things
    assert store.list("dissect") == []


def test_waiting_for_another_process_can_be_cancelled(store: Store) -> None:
    g, s = toys.ToyGenerator(), toys.ToySegmenter()
    process = start(store, 1.0)  # holds the run for seconds yet
    wait_for(process, 4)

    def report(done: int, total: int, note: str = "") -> None:
        assert "another process" in note
        raise JobCancelled("cancelled")

    try:
        with pytest.raises(JobCancelled):
            dissect(g, s, ["layer1"], range(40), level_seeds=range(1000, 1030), grid=(32, 32), store=store, report=report)
        assert process.poll() is None  # the wait ended long before the other process did
    finally:
        process.kill()
        process.communicate()
