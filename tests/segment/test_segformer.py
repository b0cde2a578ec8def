"""SegFormer is an optional extra: without its package one sentence; with it a Segmenter, whose weights the hub's library keeps."""
from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from core import segment
from core.errors import BadFile, BadInput, JobCancelled, MissingPackage, MissingWeights, UnknownName
from core.segment import hub, segformer
from core.zoo import weights

NAMES = [f"segformer-b{size}" for size in range(6)]
installed = pytest.mark.skipif(not hub.installed(), reason="the optional package transformers is not installed")


def tiny(classes: int = 3) -> Any:
    """A SegFormer of random weights and few channels."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(0)
    names = {0: "wall", 1: "building", 2: "sky"} | {k: f"thing {k}" for k in range(3, classes)}
    return SegformerForSemanticSegmentation(SegformerConfig(
        id2label=names, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=8))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny network as the hub would serve it: config.json, model.safetensors."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny(150).save_pretrained(folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("GAN_DISSECTION_OFFLINE", raising=False)
    return tmp_path / "hub"


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """No connection can be made; what was tried is listed."""
    tried: list[object] = []

    def connect(self: socket.socket, where: object) -> None:
        tried.append(where)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


def keep(name: str, files: Path, cache: Path, *only: str) -> Path:
    """Puts the files into the cache as the hub's library does."""
    folder = cache / f"models--{hub.repository(name)[0].replace('/', '--')}"
    shot = folder / "snapshots" / "0123456789abcdef"
    shot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(shot.name)
    for file in files.iterdir():
        if not only or file.name in only:
            (shot / file.name).write_bytes(file.read_bytes())
    return shot


def test_names_on_the_hub() -> None:
    where = [hub.repository(name) for name in NAMES]
    assert where[0] == ("nvidia/segformer-b0-finetuned-ade-512-512", 512)
    assert where[4] == ("nvidia/segformer-b4-finetuned-ade-512-512", 512)
    assert where[5] == ("nvidia/segformer-b5-finetuned-ade-640-640", 640)
    assert [name for name in segment.cards() if name.startswith("segformer")] == NAMES


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "installed", lambda: False)
    assert not set(NAMES) & set(segment.names())
    for act in (segment.load, weights.fetch_segmenter):
        with pytest.raises(MissingPackage, match="pip install transformers"):
            act("segformer-b0")


@installed
@pytest.mark.parametrize(("size", "shape"), [
    (0, ([32, 64, 160, 256], [2, 2, 2, 2], 256)), (1, ([64, 128, 320, 512], [2, 2, 2, 2], 256)),
    (2, ([64, 128, 320, 512], [3, 4, 6, 3], 768)), (3, ([64, 128, 320, 512], [3, 4, 18, 3], 768)),
    (4, ([64, 128, 320, 512], [3, 8, 27, 3], 768)), (5, ([64, 128, 320, 512], [3, 6, 40, 3], 768))])
def test_sizes_on_the_cards_are_those_of_the_published_networks(size: int, shape: tuple[list[int], list[int], int]) -> None:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    widths, depths, decoder = shape
    with torch.device("meta"):
        net = SegformerForSemanticSegmentation(SegformerConfig(hidden_sizes=widths, depths=depths, decoder_hidden_size=decoder,
                                                               num_labels=150))
    assert segment.cards()[f"segformer-b{size}"].bytes == 4 * sum(p.numel() for p in net.parameters())


@installed
def test_tiny_network_keeps_the_contract() -> None:
    net = tiny()
    s = segformer.SegFormerSegmenter(net, name="tiny", fingerprint=segformer.fingerprint_of(net, "tiny"), side=64)
    assert isinstance(s, segment.Segmenter)
    assert [x.name for x in s.labels] == ["no label", "wall", "building", "sky"]
    images = torch.rand(2, 3, 48, 40) * 2 - 1
    out = s(images)
    assert out.shape == (2, 1, 16, 16)
    assert out.min() >= 1
    assert out.max() <= 3
    x = images.clone().requires_grad_(True)
    total = sum(s.scores(x, k) for k in (1, 2, 3))
    torch.testing.assert_close(total, torch.ones_like(total))
    s.scores(x, 3).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert s.features(images).shape == (2, 16)
    with pytest.raises(UnknownName):
        s.scores(images, 4)
    with pytest.raises(BadInput):
        s(images[0])


@installed
@pytest.mark.parametrize("name", NAMES)
def test_what_the_hub_cache_holds_is_used_and_nobody_is_asked(name: str, files: Path, cache: Path, nobody: list[object]) -> None:
    assert name not in segment.names()
    keep(name, files, cache)
    assert [n for n in segment.names() if n in NAMES] == [name]
    assert name in segment.for_model("any-photographic-model")
    s = segment.load(name, device="cpu")
    assert s.name == name
    assert len(s.labels) == 151
    assert s.labels[3].name == "sky"
    side = 640 if name == "segformer-b5" else 512
    assert s(torch.zeros(1, 3, 64, 64)).shape == (1, 1, side // 4, side // 4)
    assert nobody == []


@installed
def test_answer_is_that_of_the_network_on_its_own_normalised_picture(files: Path, cache: Path) -> None:
    """Pictures −1..1 are brought to what the network was trained on: 0..1, the mean and deviation of ImageNet, 512 × 512."""
    from transformers import SegformerForSemanticSegmentation

    keep("segformer-b0", files, cache)
    s = segment.load("segformer-b0", device="cpu")
    unit = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(1))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    net = SegformerForSemanticSegmentation.from_pretrained(files).eval()
    with torch.no_grad():
        logits = net((unit - mean[:, None, None]) / std[:, None, None]).logits
    assert torch.equal(s(unit * 2 - 1), logits.argmax(1, keepdim=True) + 1)
    torch.testing.assert_close(s.scores(unit * 2 - 1, 7), logits.softmax(1)[:, 6], atol=1e-5, rtol=1e-4)


@installed
@pytest.mark.parametrize("variable", ["GAN_DISSECTION_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_and_not_in_the_cache(variable: str, cache: Path, nobody: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", variable == "HF_HUB_OFFLINE")  # read when imported
    with pytest.raises(MissingWeights, match="cache"):
        segformer.load("segformer-b0", device="cpu")
    assert nobody == []


@installed
def test_damaged_or_partial_weights_are_refused(files: Path, cache: Path) -> None:
    from safetensors.torch import load_file, save_file

    shot = keep("segformer-b0", files, cache)
    whole = load_file(shot / "model.safetensors")
    save_file({k: v for k, v in whole.items() if "decode_head" not in k}, shot / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadFile, match="lacks .* decode_head"):
        segment.load("segformer-b0", device="cpu")
    (shot / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(BadFile, match="damaged"):
        segment.load("segformer-b0", device="cpu")


# --- fetching, from a server that answers as the hub does ---------------------------------------------------------------------
@pytest.fixture
def serve_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, bytes]], list[str]]]:
    """serve_hub({file: bytes}) makes these the files of every repository; returns the list of requests."""
    import huggingface_hub.constants

    served: dict[str, bytes] = {}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:  # noqa: N802
            self.answer(body=False)

        def do_GET(self) -> None:  # noqa: N802
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            file = self.path.rpartition("/")[2]
            asked.append(f"{self.command} {file} {self.headers.get('Range', '')}".strip())
            if file not in served:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("X-Repo-Commit", "0123456789abcdef")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = served[file]
            start = int(m[1]) if (m := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0123456789abcdef")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            if body:
                self.wfile.write(data[start:])

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", base)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", base + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def start(files: dict[str, bytes]) -> list[str]:
        served.update(files)
        return asked

    yield start
    server.shutdown()
    server.server_close()


@installed
def test_fetch_tells_how_far_it_is_and_a_second_one_asks_nobody(files: Path, serve_hub: Callable[[dict[str, bytes]], list[str]]) -> None:
    asked = serve_hub({f.name: f.read_bytes() for f in files.iterdir()})
    seen: list[tuple[int, int]] = []
    assert not segment.here("segformer-b2")
    weights.fetch_segmenter("segformer-b2", report=lambda done, total, note="": seen.append((done, total)))
    size = (files / "model.safetensors").stat().st_size
    assert seen[-1] == (size, size)
    assert segment.here("segformer-b2")
    before = len(asked)
    assert len(segment.load("segformer-b2", device="cpu").labels) == 151
    assert len(asked) == before


@installed
def test_repository_with_torch_weights_only(files: Path, tmp_path: Path, serve_hub: Callable[[dict[str, bytes]], list[str]]) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(files / "model.safetensors"), tmp_path / "pytorch_model.bin")
    serve_hub({"config.json": (files / "config.json").read_bytes(), "pytorch_model.bin": (tmp_path / "pytorch_model.bin").read_bytes()})
    assert len(segment.load("segformer-b0", device="cpu").labels) == 151


@installed
def test_cancelled_fetch_is_not_there_and_the_next_one_brings_it(files: Path, serve_hub: Callable[[dict[str, bytes]], list[str]],
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1 << 14)
    serve_hub({f.name: f.read_bytes() for f in files.iterdir()})

    def stop(done: int, total: int, note: str = "") -> None:
        if total > 1 << 16 and done > total // 2:
            raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        weights.fetch_segmenter("segformer-b0", report=stop)
    assert not segment.here("segformer-b0")
    weights.fetch_segmenter("segformer-b0")
    assert segment.here("segformer-b0")


@installed
def test_unreachable_hub_is_one_sentence_with_the_next_step(cache: Path, nobody: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between the library's tries
    with pytest.raises(MissingWeights, match="could not be fetched .*HF_ENDPOINT"):
        weights.fetch_segmenter("segformer-b0")


def test_an_address_of_ours_is_refused() -> None:
    with pytest.raises(BadInput, match="HF_ENDPOINT"):
        weights.fetch_segmenter("segformer-b0", source="https://mirror.example/")
