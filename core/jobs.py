"""Background work: one queue, progress, cancel; the same key is the same job. And the rule that people go first.

    job = jobs.submit(run.key, "Dissect layer4", work)     # work(report): calls report(done, total) after each batch
    job.state, job.done, job.total, job.eta                 # read by anybody, any time
    jobs.cancel(run.key)

    with interactive():                                     # a stroke: background work waits at its next report
        image = ...

Jobs are module state, not a session's: they survive closed tabs, and two visitors who ask for the same thing share one job.
"""
from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from core.errors import Busy, GanLabError, JobCancelled

State = Literal["queued", "running", "done", "failed", "cancelled"]
log = logging.getLogger(__name__)


class Report(Protocol):
    """Called by work after each batch; raises JobCancelled when somebody asked to stop, waits while a person's edit runs."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


class Gate:
    """People before jobs: `interactive` sections are never held up longer than one background batch."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._people = 0

    @contextmanager
    def interactive(self) -> Iterator[None]:
        """A person waits for what happens in here."""
        with self._condition:
            self._people += 1
        try:
            yield
        finally:
            with self._condition:
                self._people -= 1
                self._condition.notify_all()

    def yield_to_people(self, timeout: float = 5.0) -> None:
        """Called between background batches: waits (at most `timeout` seconds) until no person is being served."""
        with self._condition:
            self._condition.wait_for(lambda: self._people == 0, timeout)


gate = Gate()
interactive = gate.interactive


def no_report(done: int, total: int, note: str = "") -> None:
    """The Report of callers who do not care."""


@dataclass
class Job:
    """One piece of background work; fields are read by pages and written by the worker only. `done` and `total` are in `unit`s."""

    key: str
    title: str
    unit: str = ""
    state: State = "queued"
    done: int = 0
    total: int = 0
    note: str = ""
    error: str = ""
    result: Any = None
    started: float = 0.0
    finished: float = 0.0
    watchers: int = 1
    _first: tuple[int, float] | None = field(default=None, repr=False)
    _cancel: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def active(self) -> bool:
        """Queued or running."""
        return self.state in ("queued", "running")

    @property
    def eta(self) -> float | None:
        """Seconds left, from the pace since the first report, which may come in the middle of the work; None while unknown."""
        first = self._first
        if self.state != "running" or first is None or self.done <= first[0]:
            return None
        return (time.monotonic() - first[1]) / (self.done - first[0]) * (self.total - self.done)

    def report(self, done: int, total: int, note: str = "") -> None:
        """See Report."""
        if self._first is None or done < self._first[0]:
            self._first = done, time.monotonic()
        self.done, self.total, self.note = done, total, note
        if self._cancel.is_set():
            raise JobCancelled(f"{self.title} was cancelled")
        gate.yield_to_people()
        if self._cancel.is_set():
            raise JobCancelled(f"{self.title} was cancelled")


class Jobs:
    """One worker, a bounded queue, and the last finished jobs."""

    def __init__(self, *, capacity: int = 8, keep: int = 32) -> None:
        self._capacity, self._keep = capacity, keep
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: deque[tuple[Job, Callable[[Report], Any]]] = deque()
        self._condition = threading.Condition()
        self._worker: threading.Thread | None = None

    def submit(self, key: str, title: str, work: Callable[[Report], Any], *, unit: str = "") -> Job:
        """Queues the work, or returns the job of the same key if it is waiting, running or done. Raises Busy."""
        with self._condition:
            job = self._jobs.get(key)
            if job is not None and job.state in ("queued", "running", "done"):
                job.watchers += job.active
                return job
            if len(self._queue) >= self._capacity:
                raise Busy(f"{self._capacity} jobs are waiting already; try again when one has finished")
            job = Job(key, title, unit)
            self._jobs[key] = job
            self._jobs.move_to_end(key)
            self._queue.append((job, work))
            self._trim()
            if self._worker is None or not self._worker.is_alive():
                self._worker = threading.Thread(target=self._run, name="jobs", daemon=True)
                self._worker.start()
            self._condition.notify_all()
            return job

    def get(self, key: str) -> Job | None:
        """The job of this key, if it is known."""
        return self._jobs.get(key)

    def list(self) -> list[Job]:
        """All known jobs, newest last."""
        with self._condition:
            return list(self._jobs.values())

    def position(self, key: str) -> int:
        """How many jobs wait before this one; 0 when it is next or not waiting."""
        with self._condition:
            return next((i for i, (job, _) in enumerate(self._queue) if job.key == key), 0)

    def cancel(self, key: str) -> None:
        """One watcher less; the job stops when nobody is left who wants it."""
        with self._condition:
            job = self._jobs.get(key)
            if job is None or not job.active:
                return
            job.watchers -= 1
            if job.watchers > 0:
                return
            job._cancel.set()
            if job.state == "queued":
                self._queue = deque(item for item in self._queue if item[0] is not job)
                job.state = "cancelled"

    def forget(self, key: str) -> None:
        """Drops a finished job, so that the same key can be asked for again."""
        with self._condition:
            job = self._jobs.get(key)
            if job is not None and not job.active:
                del self._jobs[key]

    def _trim(self) -> None:
        finished = [k for k, j in self._jobs.items() if not j.active]
        for key in finished[: max(0, len(finished) - self._keep)]:
            del self._jobs[key]

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._condition.wait_for(lambda: bool(self._queue), timeout=60):
                    self._worker = None
                    return
                job, work = self._queue.popleft()
                job.state, job.started = "running", time.monotonic()
            try:
                job.result = work(job.report)
                job.state = "done"
            except JobCancelled:
                job.state = "cancelled"
            except GanLabError as error:
                job.state, job.error = "failed", str(error)
            except Exception as error:  # a bug must not take the worker down with it; the log has the trace
                log.exception("job %s failed", job.title)
                job.state, job.error = "failed", f"{type(error).__name__}: {error}"
            finally:
                job.finished = time.monotonic()


jobs = Jobs()   # minutes: dissections, rankings, benchmarks
short = Jobs()  # seconds, with somebody watching, such as a photo brought in; does not wait behind the long ones
