"""Store and Run: identity, damage, full disks, two writers."""
from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput, StoreError
from core.store import Run, Store

ROOT = Path(__file__).resolve().parent.parent
RUN = Run("dissect", {"layer": "layer4", "images": 10}, {"generator": "a" * 64})
ARRAYS = {"iou": np.arange(6.0).reshape(2, 3)}


def test_what_was_put_comes_back(store: Store) -> None:
    store.put(RUN, ARRAYS, seconds=1.5, note="hello")
    saved = store.get(RUN.key)
    assert saved is not None
    assert saved.run == RUN
    assert saved.manifest["note"] == "hello"
    assert saved.manifest["packages"]["numpy"] == np.__version__
    np.testing.assert_array_equal(saved.arrays["iou"], ARRAYS["iou"])


def test_unknown_key_is_none_and_an_odd_key_is_refused(store: Store) -> None:
    assert store.get("0" * 64) is None
    for key in ("../../etc/passwd", "A" * 64, "", "0" * 63):
        with pytest.raises(BadInput, match="64 hexadecimal"):
            store.get(key)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2**53, 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8)


@given(st.dictionaries(st.text(max_size=6), json_values, max_size=4))
def test_key_depends_on_the_values_only(params: dict) -> None:
    shuffled = dict(reversed(list(params.items())))
    assert Run("dissect", params).key == Run("dissect", shuffled).key
    assert Run("dissect", params).key != Run("dissect", {**params, "one more": 1}).key


def test_every_field_is_part_of_the_identity() -> None:
    others = [Run("single", RUN.params, RUN.inputs), Run("dissect", {**RUN.params, "images": 11}, RUN.inputs),
              Run("dissect", RUN.params, {"generator": "b" * 64}), Run("dissect", RUN.params, RUN.inputs, version=2)]
    assert len({RUN.key, *(other.key for other in others)}) == 5


def test_nan_and_objects_cannot_be_parameters() -> None:
    for value in (float("nan"), object(), np.float32(1)):
        with pytest.raises(BadInput):
            _ = Run("dissect", {"x": value}).key


def test_a_damaged_run_is_named_and_the_others_stay_usable(store: Store) -> None:
    other = Run("dissect", {"layer": "layer5"})
    store.put(RUN, ARRAYS)
    store.put(other, ARRAYS)
    file = store.root / "dissect" / RUN.key / "arrays.npz"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(StoreError, match=RUN.key):
        store.get(RUN.key)
    assert store.get(other.key) is not None
    store.set_aside(RUN.key)
    assert store.get(RUN.key) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": {}}',
                                  '{"run": {"kind": "x", "params": {}, "inputs": {}, "version": 1}}'])
def test_a_damaged_manifest_is_listed_with_its_problem(store: Store, text: str) -> None:
    store.put(RUN, ARRAYS)
    (store.root / "dissect" / RUN.key / "manifest.json").write_text(text)
    (entry,) = store.list()
    assert "damaged" in entry.problem
    assert store.find("dissect") == []


def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(RUN, ARRAYS)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(StoreError, match="disk is full"):
        store.put(Run("dissect", {"layer": "layer9"}), ARRAYS)
    assert store.get(RUN.key) is not None
    assert [p for p in store.root.rglob(".part-*")] == []


def test_what_is_kept_of_a_half_done_run_comes_back_until_it_is_dropped(store: Store) -> None:
    arrays = {"a": np.arange(6, dtype=np.int32).reshape(2, 3).T, "none": np.zeros((0, 4), np.float32), "one": np.array(2.5),
              "yes": np.array([True, False])}
    store.put_partial(RUN, arrays)
    store.put_partial(RUN, {"b": np.ones(3)}, "17")
    found = store.get_partial(RUN)
    assert found is not None
    for name, value in arrays.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype
        assert found[name].shape == value.shape
    store.drop_partial(RUN, pieces_only=True)
    assert store.get_partial(RUN, "17") is None
    assert store.get_partial(RUN) is not None
    store.drop_partial(RUN)
    assert store.get_partial(RUN) is None
    assert store.list() == []


def test_half_done_runs_that_nobody_goes_on_with_are_counted_and_removed(store: Store) -> None:
    other = Run("dissect", {"layer": "layer9"})
    for run in (RUN, other):
        store.put_partial(run, {"a": np.zeros(100)})
        store.put_partial(run, {"b": np.zeros(50)}, "17")
    store.put(Run("ace", {}), ARRAYS)
    assert store.half_done() == (0, 0)          # both may be going on
    hour_ago = time.time() - 3601
    for path in store.root.glob(f"*/{RUN.key}.partial*"):
        os.utime(path, (hour_ago, hour_ago))
    (late,) = store.root.glob(f"*/{other.key}.partial.17")
    os.utime(late, (hour_ago, hour_ago))         # … but its checkpoint is new
    runs, used = store.half_done()
    assert runs == 1
    assert used == sum(p.stat().st_size for p in store.root.glob(f"*/{RUN.key}.partial*")) > 1200
    store.drop_half_done()
    assert store.half_done() == (0, 0)
    assert store.get_partial(RUN) is None
    assert store.get_partial(RUN, "17") is None
    assert store.get_partial(other, "17") is not None
    assert len(store.list()) == 1


@pytest.mark.parametrize("at", [3, 60, -1], ids=["in the list of arrays", "in the data", "at the end"])
@pytest.mark.parametrize("cut", [False, True], ids=["changed", "cut off"])
def test_a_damaged_piece_of_a_half_done_run_is_named_and_removed(store: Store, caplog: pytest.LogCaptureFixture, at: int,
                                                                 cut: bool) -> None:
    store.put_partial(RUN, {"a": np.arange(50)}, "4")
    (path,) = store.root.rglob("*.partial.4")
    data = bytearray(path.read_bytes())
    data[at] ^= 64
    path.write_bytes(data[:at] if cut else data)
    assert store.get_partial(RUN, "4") is None
    assert str(path) in caplog.text
    assert not path.exists()


def test_shipped_runs_are_found_but_not_deleted(tmp_path: Path) -> None:
    Store(tmp_path / "shipped", shipped=()).put(RUN, ARRAYS)
    mine = Store(tmp_path / "mine", shipped=(tmp_path / "shipped",))
    assert mine.get(RUN.key) is not None
    assert mine.list()[0].read_only
    with pytest.raises(StoreError, match="ship with the project"):
        mine.delete(RUN.key)


def test_no_pickle_is_ever_loaded(store: Store) -> None:
    store.put(RUN, ARRAYS)
    np.savez(store.root / "dissect" / RUN.key / "arrays.npz", x=np.array([object()], dtype=object))
    with pytest.raises(StoreError):
        store.get(RUN.key)


def test_find_matches_parameters(store: Store) -> None:
    store.put(RUN, ARRAYS)
    assert [e.key for e in store.find("dissect", layer="layer4")] == [RUN.key]
    assert store.find("dissect", layer="layer5") == []


CLAIM_AND_PUT = """
import sys
from pathlib import Path
import numpy as np
from core.store import Run, Store
store, run = Store(Path(sys.argv[1]), shipped=()), Run("dissect", {"layer": "layer4"})
with store.claim(run):
    if store.get(run.key) is None:
        store.put(run, {"iou": np.zeros(3)})
        print("made")
    else:
        print("found")
"""


def test_two_processes_make_a_run_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CLAIM_AND_PUT, str(tmp_path)]
    workers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(worker.communicate(timeout=120)[0].strip() for worker in workers) == ["found", "made"]


def test_manifest_is_plain_json(store: Store) -> None:
    store.put(RUN, ARRAYS)
    manifest = json.loads((store.root / "dissect" / RUN.key / "manifest.json").read_text())
    assert manifest["run"]["params"] == {"layer": "layer4", "images": 10}
