"""Every page with one model, as a visitor meets them: drawn, painted on, a photo brought in. For a test and for the models bench."""
from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("overview", "layers", "units", "causes", "artifacts", "paint", "compare", "models", "photo")


def every_page(model: str, layer: str, *, seconds: float) -> Iterator[tuple[str, AppTest, list[str]]]:
    """(page, what it is after its first run and the visitor's act there, what went wrong). `seconds`: the longest that one run takes."""
    for name in PAGES:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=seconds)
        app.query_params["model"], app.query_params["layer"] = model, layer
        if name != "overview":
            app.switch_page(f"pages/{name}.py")
        app.query_params["steps"] = "0"
        app.run()
        wrong = [] if app.selectbox(key="model").value == model else [f"shows {app.selectbox(key='model').value}"]
        if name == "paint":
            app.button(key="paint_all").click().run()
            if not any("strokes 1" in c.value for c in app.caption):
                wrong.append("the stroke was not taken")
        wrong += [str(e.value) for e in (*app.exception, *app.error)]
        yield name, app, wrong


def photo_came(app: AppTest, seconds: float) -> bool:
    """Waits for the job of a photo page that looks for a start; whether the photo can be edited then."""
    from core.jobs import short

    end = time.monotonic() + seconds
    while any(job.active for job in short.list()) and time.monotonic() < end:
        time.sleep(0.05)
    return any("What the GAN cannot draw" in m.value for m in app.run().markdown)
