"""The parts that every page is made of: escaping, links, pictures, charts, the job panel."""
from __future__ import annotations

import re
import threading

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.errors import BadInput
from core.jobs import Jobs
from pages.parts import charts, colours, frame, gallery, job_panel


# --- frame --------------------------------------------------------------------------------------------------------------------
def test_escaped_text_shows_as_it_is_written() -> None:
    hostile = "![x](https://evil.example/a.png) **bold** `code` $x$ :red[a] <b>"
    safe = frame.escape(hostile)
    assert safe.replace("\\", "") == hostile
    assert re.search(r"(?<!\\)[!\[\]()*`$:<>]", safe) is None


def test_pages_keep_their_order_and_only_existing_ones_are_listed() -> None:
    listed = [name for pages in frame.PAGES.values() for name, _, _ in pages]
    assert listed == ["overview", "layers", "units", "causes", "artifacts", "paint", "compare", "photo", "models"]
    assert frame.present("overview")
    assert not frame.present("../app")


# --- gallery ------------------------------------------------------------------------------------------------------------------
def test_enlarging_repeats_whole_pixels() -> None:
    image = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    big = gallery.enlarge(image, 15)
    assert big.shape == (12, 12, 3)
    assert (big[::3, ::3] == image).all()
    assert (big[2::3, 2::3] == image).all()


def test_outlining_leaves_the_inside_alone_darkens_the_outside_and_draws_the_edge() -> None:
    image = np.full((16, 16, 3), 200, np.uint8)
    mask = np.zeros((16, 16), bool)
    mask[4:12, 4:12] = True
    out = gallery.outlined(image, mask, width=1)
    assert (out[6:10, 6:10] == 200).all()
    assert (out[:4] == 90).all()
    assert (out[4, 4:12] == colours.OUTLINE).all()


def test_the_region_of_an_activation_is_where_it_is_above_the_level() -> None:
    act = np.zeros((4, 4), np.float16)
    act[1, 2] = 4
    grown = gallery.region(act, 2.0, (16, 16))
    assert grown[4:8, 8:12].any()
    assert not gallery.region(act, 4.0, (16, 16)).any()
    assert grown.sum() > gallery.region(act, 3.0, (16, 16)).sum() > 0


def test_upsampling_agrees_with_torch() -> None:
    import torch

    act = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    wanted = torch.nn.functional.interpolate(torch.from_numpy(act)[None, None], size=(20, 28), mode="bilinear")[0, 0].numpy()
    assert np.allclose(gallery.upsampled(act, (20, 28)), wanted, atol=1e-4)


def test_a_strip_holds_its_pictures_side_by_side() -> None:
    a, b = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    row = gallery.strip([a, b], gap=2, background=7)
    assert row.shape == (8, 18, 3)
    assert (row[:, :8] == 0).all()
    assert (row[:, 8:10] == 7).all()
    assert (row[:, 10:] == 255).all()


# --- colours and charts -------------------------------------------------------------------------------------------------------
def test_labels_of_the_bundled_world_have_different_colours_and_brushes_keep_theirs() -> None:
    from core.scenes import BRUSHES, LABELS

    shown = [colours.label_colour(x.name, x.id) for x in LABELS[1:]]
    assert len(set(shown)) == len(shown)
    assert set(BRUSHES) == set(colours.BRUSH_COLOURS)
    assert all(colours.label_colour(b, 99) == colours.BRUSH_COLOURS[b] for b in BRUSHES)


def test_the_same_figure_is_the_same_bytes() -> None:
    def make() -> str:
        return charts.mark(charts.lines({"a": ([0, 1], [1, 2])}, bands={"a": ([0, 1], [2, 3])}), 0.5, "here").to_json()

    assert make() == make()


def test_layer_names_are_shortened_to_what_differs() -> None:
    assert charts.short(["layer1", "layer2", "layer10"]) == ["1", "2", "10"]
    assert charts.short(["layer10", "layer11"]) == ["10", "11"]
    assert charts.short(["conv1", "b4"]) == ["conv1", "b4"]
    assert charts.short(["layer1"]) == ["layer1"]


# --- job panel ----------------------------------------------------------------------------------------------------------------
@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    fresh = Jobs()
    monkeypatch.setattr(job_panel, "jobs", fresh)
    return fresh


def panel(queue: Jobs, work) -> AppTest:  # type: ignore[no-untyped-def]
    def script(queue, work) -> None:  # type: ignore[no-untyped-def]
        from pages.parts import job_panel

        job = job_panel.show("k", "Count", work, button="Start", queue=queue)
        if job is not None and job.state == "done":
            import streamlit as st
            st.write(f"result {job.result}")

    return AppTest.from_function(script, kwargs={"queue": queue, "work": work}, default_timeout=20).run()


def wait(queue: Jobs) -> None:
    for thread in threading.enumerate():
        if thread.name == "jobs":
            job = queue.get("k")
            for _ in range(200):
                if job is None or not job.active:
                    return
                threading.Event().wait(0.02)


def test_a_job_starts_on_the_button_and_its_result_is_shown(queue: Jobs) -> None:
    app = panel(queue, lambda report: 42)
    assert queue.get("k") is None
    app.button[0].click().run()
    wait(queue)
    app.run()
    assert not app.exception
    assert "result 42" in [m.value for m in app.markdown]


def test_a_running_job_shows_progress_and_can_be_cancelled(queue: Jobs) -> None:
    go = threading.Event()

    def work(report) -> None:  # type: ignore[no-untyped-def]
        for i in range(1000):
            report(i, 1000)
            go.wait(0.01)

    app = panel(queue, work)
    app.button[0].click().run()
    assert [b.label for b in app.button] == ["Cancel"]
    app.button[0].click().run()
    wait(queue)
    app.run()
    assert queue.get("k").state == "cancelled"
    assert "was cancelled" in app.info[0].value
    assert [b.label for b in app.button] == ["Start"]


def test_a_failed_job_says_why_and_offers_to_try_again(queue: Jobs) -> None:
    def work(report) -> None:  # type: ignore[no-untyped-def]
        raise BadInput("seven is not a colour")

    app = panel(queue, work)
    app.button[0].click().run()
    wait(queue)
    app.run()
    assert "seven is not a colour" in app.error[0].value
    assert [b.label for b in app.button] == ["Try again"]


# --- state --------------------------------------------------------------------------------------------------------------------
def test_read_results_are_looked_up_again_when_a_run_is_added_and_not_when_work_is_under_way(tmp_path, monkeypatch) -> None:
    from core.store import Run, Store
    from pages.parts import state

    store = Store(tmp_path / "runs", shipped=())
    monkeypatch.setattr(state, "store", lambda: store)
    calls: list[int] = []

    def read() -> int:
        calls.append(1)
        return len(store.list("nulls"))

    assert state.stored("nulls", "scenes", (), read) == 0
    store.put_partial(Run("nulls", {"a": 1}), {"x": np.zeros(1)})
    assert state.stored("nulls", "scenes", (), read) == 0
    assert len(calls) == 1
    store.put(Run("nulls", {"a": 1}), {"x": np.zeros(1)})
    assert state.stored("nulls", "scenes", (), read) == 1
