"""Fetching weights from a server that is right, truncated, corrupt, slow, redirecting or missing: the file is right or not there."""
from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import zoo
from core.errors import BadFile, BadInput, JobCancelled, MissingWeights, StoreError
from core.zoo import weights
from core.zoo.weights import Remote, addresses, fetch_file, plan
from tests.zoo.server import Served, serve

DATA = bytes(range(256)) * 1200
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serve(DATA) as served:
        yield served


@pytest.fixture(autouse=True)
def _fresh(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    server.requests.clear()
    for name in ("GAN_DISSECTION_OFFLINE", "GAN_DISSECTION_MIRROR", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def remote(server: Served, folder: Path, *kinds: str, sha: str = SHA[:8]) -> Remote:
    return Remote("toy", tuple(f"{server.base}/{kind}/file" for kind in kinds), folder / "toy.pth", sha, len(DATA))


@pytest.mark.parametrize(("there", "sound", "part", "step"), [
    (True, True, 0, "keep"), (True, True, 9, "keep"), (True, False, 0, "download"), (False, False, 9, "resume"),
    (False, False, 0, "download")])
def test_plan(there: bool, sound: bool, part: int, step: str) -> None:
    assert plan(there, sound, part) == step


@pytest.mark.parametrize("kind", ["right", "norange", "redirect", "slow", "nolength", "once", "flaky"])
def test_whatever_a_working_server_does_the_file_comes_whole(server: Served, tmp_path: Path, kind: str) -> None:
    seen: list[tuple[int, int, str]] = []
    path = fetch_file(remote(server, tmp_path, kind), report=lambda *a: seen.append(a))
    assert path.read_bytes() == DATA
    assert seen[-1][:2] == (len(DATA), len(DATA))
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith(".lock")] == ["toy.pth"]
    if kind in ("once", "flaky"):  # continued, not begun again
        assert server.requests[1][1].startswith("bytes=")


def test_second_fetch_asks_nobody(server: Served, tmp_path: Path) -> None:
    for _ in range(2):
        fetch_file(remote(server, tmp_path, "right"))
    assert len(server.requests) == 1


def test_corrupt_file_is_not_kept(server: Served, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=f"{SHA[:8]} was expected"):
        fetch_file(remote(server, tmp_path, "corrupt"))
    assert not [p for p in tmp_path.iterdir() if not p.name.endswith(".lock")]


def test_damaged_file_on_disk_is_replaced(server: Served, tmp_path: Path) -> None:
    (tmp_path / "toy.pth").write_bytes(b"half")
    assert fetch_file(remote(server, tmp_path, "right")).read_bytes() == DATA


@pytest.mark.parametrize("kind", ["missing", "error", "loop", "truncated"])
def test_failure_is_one_sentence_with_the_next_step(server: Served, tmp_path: Path, kind: str) -> None:
    with pytest.raises(MissingWeights, match="Next: .*put the file at") as caught:
        fetch_file(remote(server, tmp_path, kind))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "toy.pth").exists()


def test_truncated_part_is_continued_elsewhere(server: Served, tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="kept for the next try"):
        fetch_file(remote(server, tmp_path, "truncated"))
    kept = weights.partial_bytes(tmp_path / "toy.pth")
    assert 0 < kept <= len(DATA) // 3
    server.requests.clear()
    assert fetch_file(remote(server, tmp_path, "right")).read_bytes() == DATA
    assert server.requests == [("right", f"bytes={kept}-")]


def test_part_of_another_file_is_thrown_away(server: Served, tmp_path: Path) -> None:
    (tmp_path / "toy.pth.part").write_bytes(b"x" * (len(DATA) + 5))
    assert fetch_file(remote(server, tmp_path, "right")).read_bytes() == DATA
    (tmp_path / "toy.pth").unlink()
    (tmp_path / "toy.pth.part").write_bytes(b"x" * 100)  # same length of the whole afterwards, wrong content
    assert fetch_file(remote(server, tmp_path, "right")).read_bytes() == DATA


def test_next_address_is_tried(server: Served, tmp_path: Path) -> None:
    assert fetch_file(remote(server, tmp_path, "missing", "corrupt", "right")).read_bytes() == DATA


def test_nobody_there(tmp_path: Path) -> None:
    dead = Remote("toy", ("http://127.0.0.1:9/file",), tmp_path / "toy.pth", SHA)
    with pytest.raises(MissingWeights, match="127.0.0.1 failed"):
        fetch_file(dead)


def test_cancel_keeps_what_came_and_the_next_call_continues(server: Served, tmp_path: Path) -> None:
    def cancel(done: int, total: int, note: str = "") -> None:
        if done > 50_000:
            raise JobCancelled("enough")

    with pytest.raises(JobCancelled):
        fetch_file(remote(server, tmp_path, "slow"), report=cancel)
    kept = weights.partial_bytes(tmp_path / "toy.pth")
    assert 0 < kept < len(DATA)
    server.requests.clear()
    assert fetch_file(remote(server, tmp_path, "right")).read_bytes() == DATA
    assert server.requests == [("right", f"bytes={kept}-")]


def test_full_disk_is_said_before_anything_is_written(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="are free"):
        fetch_file(remote(server, tmp_path, "right"))
    assert weights.partial_bytes(tmp_path / "toy.pth") == 0


def test_folder_that_cannot_be_made(server: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="GAN_DISSECTION_CACHE"):
        fetch_file(remote(server, tmp_path / "file", "right"))


def test_offline_asks_nobody(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_DISSECTION_OFFLINE", "1")
    with pytest.raises(MissingWeights, match="switched off"):
        fetch_file(remote(server, tmp_path, "right"))
    assert not server.requests


def test_mirror_comes_first_and_a_source_alone(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = remote(server, tmp_path, "missing")
    monkeypatch.setenv("GAN_DISSECTION_MIRROR", f"{server.base}/right/")
    assert addresses(here) == (f"{server.base}/right/toy.pth", *here.urls)
    assert addresses(here, "https://else.where/x.pth") == ("https://else.where/x.pth",)
    assert fetch_file(here).read_bytes() == DATA
    with pytest.raises(BadInput, match="http"):
        addresses(here, "ftp://else.where/")


def test_local_file_instead(tmp_path: Path) -> None:
    (tmp_path / "got.pth").write_bytes(DATA)
    (tmp_path / "other.pth").write_bytes(b"other")
    wanted = Remote("toy", (), tmp_path / "deep" / "toy.pth", SHA[:8])
    with pytest.raises(BadFile, match="models add"):
        fetch_file(wanted, source=str(tmp_path / "other.pth"))
    assert fetch_file(wanted, source=str(tmp_path / "got.pth")).read_bytes() == DATA
    with pytest.raises(MissingWeights, match="no file"):
        fetch_file(wanted, source=str(tmp_path / "nowhere.pth"))


def test_every_published_card_has_what_a_fetch_needs() -> None:
    for name in zoo.published.CARDS:
        card = zoo.card(name)
        assert card.url.startswith("https://")
        assert len(card.sha256) == 8
        assert int(card.sha256, 16) >= 0
        assert 30e6 < card.bytes < 200e6
        assert card.licence
        assert card.citation
        assert card.layers
        assert weights.remote_of(name).target.name == card.file
    with pytest.raises(BadInput, match="nothing to fetch"):
        weights.remote_of("scenes")
