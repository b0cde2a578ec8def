"""Killed, doubled and impatient dissections: nothing is lost, done twice or left running."""
from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from core.dissect import Dissection, dissect, halfway, load, load_pictures
from core.errors import JobCancelled
from core.jobs import Jobs
from core.store import Store
from tests import toys

ROOT = Path(__file__).parents[2]
CRASH = [sys.executable, "-m", "tests.dissect.crash"]


def start(store: Store, delay: float, log_bytes: int = halfway.LOG_BYTES) -> subprocess.Popen[str]:
    return subprocess.Popen([*CRASH, str(store.root), str(delay), str(log_bytes)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], done: int) -> None:
    assert process.stdout is not None
    while int(process.stdout.readline()) < done:
        pass


class Recorded(toys.ToyGenerator):
    """Writes down the seeds of the pictures it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[int] = []

    def z_for_seeds(self, seeds: Sequence[int]) -> torch.Tensor:
        self.made += seeds
        return super().z_for_seeds(seeds)


LEVELS, SEEDS = range(1000, 1030), range(40)


def again(store: Store | None) -> tuple[Dissection, list[int]]:
    """The run of crash.py in this process, and the seeds whose pictures it made."""
    g = Recorded()
    return dissect(g, toys.ToySegmenter(), ["layer1"], SEEDS, level_seeds=LEVELS, grid=(32, 32), store=store)["layer1"], g.made


def assert_equal(found: Dissection, want: Dissection) -> None:
    np.testing.assert_array_equal(found.counts.bins, want.counts.bins)
    for name, value in vars(want).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)


@pytest.mark.parametrize("log_bytes", [halfway.LOG_BYTES, 100_000, 0], ids=["log alone", "checkpoints and log", "checkpoints alone"])
@pytest.mark.parametrize("done", [16, 50], ids=["choosing levels", "measuring"])
def test_a_killed_run_makes_no_reported_batch_again_and_ends_bit_for_bit_equal(store: Store, done: int, log_bytes: int) -> None:
    process = start(store, 0.05, log_bytes)
    wait_for(process, done)
    process.kill()
    process.communicate()
    assert load(store, "toy", "layer1") is None
    resumed, made = again(store)
    reported = {*[*LEVELS, *SEEDS][:done]}
    assert reported.isdisjoint(made)
    assert len(made) == len(set(made))
    assert_equal(resumed, again(None)[0])
    assert not list(store.root.rglob("*.partial*"))
    pictures = load_pictures(store, "toy")
    assert pictures is not None
    np.testing.assert_array_equal(pictures.seeds, SEEDS)


def test_a_run_killed_twice_goes_on_each_time(store: Store) -> None:
    for done in (16, 50):
        process = start(store, 0.05, 300_000)
        wait_for(process, done)
        process.kill()
        process.communicate()
    resumed, made = again(store)
    assert {*LEVELS, *SEEDS[:20]}.isdisjoint(made)
    assert_equal(resumed, again(None)[0])


def test_a_damaged_batch_of_the_log_is_named_and_only_it_is_made_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    process = start(store, 0.05)
    wait_for(process, 24)
    process.kill()
    process.communicate()
    (damaged,) = store.root.rglob("*.partial.1008")
    data = bytearray(damaged.read_bytes())
    data[-2000] ^= 1
    damaged.write_bytes(bytes(data))
    resumed, made = again(store)
    assert str(damaged) in caplog.text
    assert {*LEVELS[:24]} & {*made} == {1008, 1009, 1010, 1011}
    assert_equal(resumed, again(None)[0])


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
