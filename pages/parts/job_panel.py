"""A long run on a page: a button that starts it, progress with time left, place in the queue, Cancel.

    job = job_panel.show(run.key, "Dissect layer4 on 1000 pictures", work)

When the job ends, the page runs again and finds the result in the Store.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.errors import Busy
from core.jobs import Job, Jobs, Report, jobs
from pages.parts import frame, state


def show(key: str, title: str, work: Callable[[Report], Any], *, button: str = "Run it", note: str = "",
         auto: bool = False, again: bool = False, queue: Jobs = jobs, unit: str = "") -> Job | None:
    """The panel of one job. Returns the job once it is known (queued, running, done, failed or cancelled), else None.

    key: the run's key: visitors who ask for the same run share one job. note: what it costs ("about 2 minutes").
    auto: start it at once, without a button. again: offer a done job once more (its result is gone). queue: `jobs`, or `short`
    for work of seconds. unit: what its progress counts. `work(report)` runs in a background thread and must not call Streamlit.
    """
    job = queue.get(key)
    if job is None and auto:
        job = _submit(queue, key, title, work, unit)
    if job is not None and job.active:
        _join(job)
        left, right = st.columns([5, 1], vertical_alignment="center")
        # not in the fragment: there, a click waits for the end of the page's own run, and is forgotten when another begins before
        right.button("Cancel", key=f"job.cancel.{key}", icon=":material/stop:", on_click=_cancel, args=(queue, key))
        with left:
            _progress(queue, key)
    elif job is not None and job.state == "failed":
        st.error(f"{frame.escape(title)} failed: {frame.escape(job.error)}", icon=":material/error:")
        _starter(queue, key, title, work, "Try again", note, unit)
    elif job is None or job.state == "cancelled" or again:
        if job is not None and job.state == "cancelled":
            st.info(f"{frame.escape(title)} was cancelled. It goes on from the last kept step where the work allows that.",
                    icon=":material/cancel:")
        _starter(queue, key, title, work, button, note, unit)
    return job


def _starter(queue: Jobs, key: str, title: str, work: Callable[[Report], Any], button: str, note: str, unit: str) -> None:
    row = st.container(horizontal=True, vertical_alignment="center")  # the note goes below the button where both do not fit
    pressed = row.button(button, key=f"job.start.{key}", icon=":material/play_arrow:", type="primary", help=title)
    if note:
        row.container(width="stretch").caption(note)
    if pressed:
        queue.forget(key)
        if _submit(queue, key, title, work, unit) is not None:
            st.rerun()


def _submit(queue: Jobs, key: str, title: str, work: Callable[[Report], Any], unit: str) -> Job | None:
    try:
        job = queue.submit(key, title, work, unit=unit)
    except Busy as error:
        st.warning(str(error), icon=":material/hourglass_top:")
        return None
    state.put(f"job.mine.{key}", True)
    return job


def _join(job: Job) -> None:
    """Somebody else's running job that this visitor watches counts him as a watcher, once."""
    if not state.get(f"job.mine.{job.key}"):
        job.watchers += 1
        state.put(f"job.mine.{job.key}", True)


def _cancel(queue: Jobs, key: str) -> None:
    if state.get(f"job.mine.{key}"):  # once: a click may be sent twice
        state.drop(f"job.mine.{key}")
        queue.cancel(key)


@st.fragment(run_every=2)
def _progress(queue: Jobs, key: str) -> None:
    job = queue.get(key)
    if job is None or not job.active:
        state.drop(f"job.mine.{key}")
        st.rerun()
    if job.state == "queued":
        st.progress(0.0, text=f"{frame.escape(job.title)}: waiting, {queue.position(key)} before it")
    else:
        share = job.done / job.total if job.total else 0.0
        st.progress(min(1.0, share), text=f"{frame.escape(job.title)}: {_detail(job)}")


def _detail(job: Job) -> str:
    steps = f"{job.done} of {job.total} {job.unit}".rstrip() if job.total else "starting"
    left = f", {_duration(job.eta)} left" if job.eta is not None else ""
    return f"{steps}{left}{' · ' + frame.escape(job.note) if job.note else ''}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
