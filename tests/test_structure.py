"""The house stands as drawn: seams, documented names, sizes, and derived results that belong to the weights that ship."""
from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core import zoo
from core.cli import VERBS
from core.store import BUNDLED_RUNS, Store

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted(p for p in (ROOT / "pages").glob("*.py") if p.name != "__init__.py")


def sources(*folders: str) -> list[Path]:
    return [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_is_in_the_readme(verb: str) -> None:
    assert f"python -m core {verb}" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_page_is_in_the_readme_and_begins_with_its_sentence(page: Path) -> None:
    assert re.search(rf"^\| {page.stem.capitalize()} \|", README, re.MULTILINE)
    assert "frame.begin(" in page.read_text()


def test_every_file_begins_by_saying_what_it_is_for() -> None:
    bare = [str(p.relative_to(ROOT)) for p in sources("core", "pages") if p.stat().st_size and '"""' not in p.read_text()[:80]]
    assert bare == []


def test_session_state_and_caches_live_in_one_file() -> None:
    home = ROOT / "pages" / "parts" / "state.py"
    loose = [str(p.relative_to(ROOT)) for p in [*sources("pages"), ROOT / "app.py"]
             if p != home and re.search(r"st\.(session_state|cache_data|cache_resource)", p.read_text())]
    assert loose == []


def test_visitor_text_never_becomes_html() -> None:
    loose = [str(p.relative_to(ROOT)) for p in sources("pages") if "unsafe_allow_html" in p.read_text()]
    assert loose == []


def test_network_is_in_one_file() -> None:
    pattern = re.compile(r"^\s*(import|from) (urllib\.request|requests|httpx|pooch|http\.client|socket)\b", re.MULTILINE)
    assert [p.name for p in sources("core") if pattern.search(p.read_text())] in ([], ["weights.py"])


def test_numbers_of_the_eight_bit_range_live_in_image_py() -> None:
    loose = [str(p.relative_to(ROOT)) for p in sources("core", "pages")
             if "127.5" in p.read_text() and p.name != "image.py"]
    assert loose == []


def test_what_pages_need_for_shipped_results_imports_no_torch() -> None:
    code = ("import sys\nimport core.zoo, core.segment, core.store, core.units, core.jobs, core.image, core.dissect\n"
            "import core.causal, core.paint\nassert 'torch' not in sys.modules, 'torch was imported'\n"
            "assert 'numba' not in sys.modules, 'numba was imported'\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_shipped_runs_belong_to_the_weights_that_ship() -> None:
    """`make bundled` was run after the weights last changed."""
    mark = zoo.fingerprint("scenes")
    entries = [e for e in Store(ROOT / "cache" / "none").list() if e.read_only]
    assert {e.kind for e in entries} >= {"dissect", "pictures"}
    assert [e.problem for e in entries if e.problem] == []
    stale = [f"{e.kind}/{e.key[:8]}" for e in entries
             if (inputs := e.manifest["run"]["inputs"]).get("generator", mark) != mark and "damaged" not in json.dumps(inputs)]
    assert stale == []


def test_every_layer_of_the_bundled_model_ships_dissected() -> None:
    layers = {e.manifest["run"]["params"]["layer"] for e in Store(ROOT / "cache" / "none").list("dissect") if e.read_only}
    assert layers >= {info.name for info in zoo.card("scenes").layers}


def test_what_ships_stays_small() -> None:
    files = [p for p in (ROOT / "core" / "zoo" / "bundled").rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) <= 40 * 2**20
    assert max(p.stat().st_size for p in files) <= 16 * 2**20
    assert BUNDLED_RUNS.is_dir()
