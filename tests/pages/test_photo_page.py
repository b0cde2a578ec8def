"""The photo page in this process: what it says and offers, on the planted generator, which has no encoder."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from core.invert import bring, descent
from core.jobs import Jobs
from pages.parts import state


@pytest.fixture(autouse=True)
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """A queue of this test's own."""
    import core.jobs

    own = Jobs()
    monkeypatch.setattr(core.jobs, "short", own)
    monkeypatch.setattr(bring, "short", own)
    yield own
    for job in own.list():
        own.cancel(job.key)


def words(page: AppTest) -> str:
    return " ".join(str(x.value) for kind in (page.markdown, page.caption, page.subheader, page.info, page.error) for x in kind)


def finished(page: AppTest, jobs: Jobs, seconds: float = 120) -> AppTest:
    """Runs the page until no job of it is active: first that of the start, then, where steps were asked for, theirs."""
    end = time.monotonic() + seconds
    while any(j.active for j in jobs.list()) and time.monotonic() < end:
        while any(j.active for j in jobs.list()) and time.monotonic() < end:
            time.sleep(0.05)
        page.run()
    return page.run()


def test_a_scene_is_brought_in_and_can_be_edited(dissected: None, show: Callable[..., AppTest], jobs: Jobs):
    page = finished(show("photo", steps="0"), jobs)
    assert not page.exception
    told = words(page)
    assert "What the GAN cannot draw" in told
    assert "Edit it" in told
    assert "Draw on the left picture" in told
    assert [j.title for j in jobs.list()] == ["A start for held-out scene 0"]


def test_the_search_for_a_start_shows_how_far_it_is_and_can_be_stopped(dissected: None, show: Callable[..., AppTest], jobs: Jobs,
                                                                       monkeypatch: pytest.MonkeyPatch):
    """A generator of seconds a picture, and no encoder: the page is there at once, and so is a way out."""
    plain, on = descent._search, threading.Event()

    def slow(generator, goal, seed, stage):
        def told(done: int, note: str) -> None:
            stage(done, note)
            if done:
                on.wait(60)
        return plain(generator, goal, seed, told)

    monkeypatch.setattr(descent, "_search", slow)
    page = show("photo", steps="50")
    assert not page.exception
    job = jobs.list()[0]
    assert (job.active, job.total) == (True, 64)
    assert "Edit it" not in words(page)
    next(b for b in page.button if b.label == "Cancel").click().run()
    on.set()
    page = finished(page, jobs)
    assert job.state == "cancelled"
    assert "Stopped: there is no start yet" in words(page)
    page = finished(next(b for b in page.button if b.label == "Look for a start").click().run(), jobs)
    assert "What the GAN cannot draw" in words(page)
    assert [j.title.split()[0] for j in jobs.list()] == ["A", "50"]


def test_steps_are_a_job_and_its_result_is_shown(dissected: None, show: Callable[..., AppTest], jobs: Jobs):
    page = show("photo", steps="50")
    page = finished(page, jobs)
    assert [j.title for j in jobs.list()] == ["A start for held-out scene 0", "50 steps on held-out scene 0"]
    assert not page.exception
    start, made = (j.result.found for j in jobs.list())
    assert made.steps == 50
    assert (made.start == start.image).all(), "the search is not done twice"
    assert "What the GAN cannot draw" in words(page)
    again = page.run()
    assert len(jobs.list()) == 2
    assert not again.exception


def test_a_job_that_fails_is_said_and_leaves_the_start(dissected: None, show: Callable[..., AppTest], jobs: Jobs,
                                                      monkeypatch: pytest.MonkeyPatch):
    from core.errors import BadInput

    plain = bring.invert

    def broken(*given, steps: int, **named):
        if steps:
            raise BadInput("no way down from here")
        return plain(*given, steps=steps, **named)

    monkeypatch.setattr(bring, "invert", broken)
    page = finished(show("photo", steps="50"), jobs)
    assert not page.exception
    assert "no way down from here" in words(page)
    assert "What the GAN cannot draw" in words(page)
    button = next(b for b in page.button if b.label == "Optimise 50 steps")
    monkeypatch.setattr(bring, "invert", plain)
    page = finished(button.click().run(), jobs)
    assert "no way down from here" not in words(page)
    assert jobs.list()[-1].state == "done"


@pytest.mark.parametrize("query", [{"scene": "99999"}, {"source": "Photograph", "photo": "nonsense"}, {"steps": "7"},
                                   {"source": "nowhere"}])
def test_an_odd_address_still_shows_a_picture(dissected: None, show: Callable[..., AppTest], jobs: Jobs, query):
    page = finished(show("photo", **{"steps": "0", **query}), jobs)
    assert not page.exception
    assert not page.error


def test_an_empty_upload_asks_for_a_picture(dissected: None, show: Callable[..., AppTest]):
    page = show("photo", source="Your own")
    assert not page.exception
    assert "Choose a picture" in words(page)


def test_a_model_that_is_not_dissected_says_where_to_do_it(toy: None, show: Callable[..., AppTest], store, jobs: Jobs,
                                                           monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(state, "store", lambda: store)
    monkeypatch.setattr(state, "layers", lambda name: ("layer1",))
    page = finished(show("photo", steps="0"), jobs)
    assert not page.exception
    assert "has not been dissected yet" in words(page)
