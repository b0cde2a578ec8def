"""Jobs: same key same job, progress, cancel by the last watcher, people first."""
from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import pytest

from core.errors import BadInput, Busy
from core.jobs import Gate, Job, Jobs, Report, gate, interactive


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.005)


def steps(n: int, go: threading.Event) -> Callable[[Report], str]:
    def work(report: Report) -> str:
        for i in range(n):
            report(i, n)
            go.wait(10)
        return "result"
    return work


def test_a_job_runs_and_keeps_its_result() -> None:
    jobs, go = Jobs(), threading.Event()
    go.set()
    job = jobs.submit("k", "work", steps(3, go))
    wait_for(lambda: not job.active)
    assert (job.state, job.result, job.total) == ("done", "result", 3)


def test_the_same_key_is_the_same_job() -> None:
    jobs, go, calls = Jobs(), threading.Event(), []
    first = jobs.submit("k", "work", steps(2, go))
    second = jobs.submit("k", "work", lambda report: calls.append(1))
    assert first is second
    go.set()
    wait_for(lambda: not first.active)
    assert jobs.submit("k", "work", lambda report: calls.append(1)) is first
    assert calls == []


def test_the_job_stops_only_when_nobody_wants_it_any_more() -> None:
    def endless(report: Report) -> None:
        for i in itertools.count():
            report(i, 0)
            time.sleep(0.001)

    jobs = Jobs()
    job = jobs.submit("k", "work", endless)
    jobs.submit("k", "work", endless)
    jobs.cancel("k")
    wait_for(lambda: job.done > 3)
    assert job.state == "running"
    jobs.cancel("k")
    wait_for(lambda: not job.active)
    assert job.state == "cancelled"


def test_a_cancelled_or_failed_job_can_be_asked_for_again() -> None:
    jobs = Jobs()

    def fails(report: Report) -> None:
        raise BadInput("no such thing")

    job = jobs.submit("k", "work", fails)
    wait_for(lambda: not job.active)
    assert (job.state, job.error) == ("failed", "no such thing")
    again = jobs.submit("k", "work", lambda report: 7)
    wait_for(lambda: not again.active)
    assert again.result == 7


def test_a_bug_in_a_job_does_not_stop_the_next_one() -> None:
    jobs = Jobs()
    bad = jobs.submit("bad", "work", lambda report: 1 // 0)
    good = jobs.submit("good", "work", lambda report: "fine")
    wait_for(lambda: not good.active)
    assert "ZeroDivisionError" in bad.error
    assert good.result == "fine"


def test_the_queue_is_bounded() -> None:
    jobs, go = Jobs(capacity=2), threading.Event()
    running = jobs.submit("0", "work", steps(2, go))
    wait_for(lambda: running.state == "running")
    jobs.submit("1", "work", steps(1, go))
    jobs.submit("2", "work", steps(1, go))
    with pytest.raises(Busy, match="2 jobs are waiting"):
        jobs.submit("3", "work", steps(1, go))
    assert jobs.position("2") == 1
    go.set()


def test_time_left_of_work_that_begins_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    job, now = Job("k", "work", state="running"), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    job.report(50, 100)
    assert job.eta is None
    now[0] += 10
    job.report(55, 100)
    assert job.eta == pytest.approx(90)
    job.report(0, 100)  # from the beginning after all
    now[0] += 10
    job.report(50, 100)
    assert job.eta == pytest.approx(10)


def test_background_work_waits_while_a_person_is_served() -> None:
    job = Job("k", "work", state="running")
    seen: list[int] = []
    stop = threading.Event()

    def background() -> None:
        i = 0
        while not stop.is_set():
            job.report(i, 0)
            seen.append(i)
            i += 1
            time.sleep(0.002)

    thread = threading.Thread(target=background)
    thread.start()
    wait_for(lambda: len(seen) > 3)
    with interactive():
        time.sleep(0.05)
        before = len(seen)
        time.sleep(0.1)
        assert len(seen) <= before + 1
    wait_for(lambda: len(seen) > before + 3)
    stop.set()
    thread.join()
    assert gate._people == 0


def test_a_person_who_never_leaves_does_not_stop_background_work_for_good() -> None:
    own = Gate()
    with own.interactive():
        start = time.monotonic()
        own.yield_to_people(timeout=0.05)
        assert time.monotonic() - start < 5
