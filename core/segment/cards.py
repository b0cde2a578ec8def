"""What is known of a segmenter without loading it. Imports no torch."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core import store

BUNDLED = Path(__file__).resolve().parent.parent / "zoo" / "bundled"
UPERNET_HOSTS = ("https://dissect.csail.mit.edu/models/segmodel/upp-resnet50-upernet/",
                 "http://netdissect.csail.mit.edu/data/segmodel/upp-resnet50-upernet/")


@dataclass(frozen=True)
class SegmenterCard:
    """One segmenter that can be chosen by name.

    files: what it needs on this disk; hosts: addresses of folders with these files ("" = nothing to fetch); package: an optional
    library, whose own cache keeps the weights (core/segment/hub.py); bytes: size of what is fetched, about; general: of use for any
    photographic model, whatever made it.
    """

    name: str
    title: str
    family: str
    files: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    folder: str = ""
    bytes: int = 0
    package: str = ""
    general: bool = False
    labels: str = ""
    licence: str = ""
    citation: str = ""

    def path(self, file: str) -> Path:
        """Where a file of this segmenter is, or would be."""
        return (store.CACHE / "weights" / self.folder if self.folder else BUNDLED) / file


UPERNET_FILES = ("labels.json", "encoder_epoch_40.pth", "decoder_epoch_40.pth")


def _upernet(name: str, title: str, labels: str) -> SegmenterCard:
    return SegmenterCard(name, title, "upernet", UPERNET_FILES, UPERNET_HOSTS, "upernet", 400_000_000, general=True, labels=labels,
                         licence="code MIT (CSAILVision); weights trained on Broden+, for research",
                         citation="T. Xiao et al.: Unified Perceptual Parsing for Scene Understanding, ECCV 2018")


SEGFORMER_PARAMETERS = (3_752_694, 13_715_798, 27_461_974, 47_337_814, 64_108_374, 84_708_694)  # B0 … B5 with 150 classes


def _segformer(size: int) -> SegmenterCard:
    return SegmenterCard(f"segformer-b{size}", f"SegFormer-B{size} (ADE20K)", "segformer", package="transformers", general=True,
                         bytes=4 * SEGFORMER_PARAMETERS[size], labels="150 objects", licence="NVIDIA source code licence: research only",
                         citation="E. Xie et al.: SegFormer, NeurIPS 2021")


CARDS: dict[str, SegmenterCard] = {c.name: c for c in (
    SegmenterCard("scenes", "Bundled dissector", "bundled", ("scenes-dissector.safetensors",), labels="30 labels of painted churches",
                  licence="MIT"),
    SegmenterCard("scenes-judge", "Bundled judge", "bundled", ("scenes-judge.safetensors",), labels="30 labels of painted churches",
                  licence="MIT"),
    _upernet("upernet", "Unified parsing (UPerNet)", "335 objects, 25 materials, parts of sky, building and person"),
    _upernet("upernet-quad", "Unified parsing with quadrants", "as upernet, and the top, left, bottom and right of every object"),
    _upernet("upernet-parts", "Unified parsing, all parts", "335 objects, 25 materials, parts of every object"),
    *(_segformer(size) for size in range(6)),
)}
