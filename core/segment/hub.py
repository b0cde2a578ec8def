"""SegFormer's weights in the hub's own cache: which they are, whether they are there, fetching them. Imports no torch.

The library of the hub (it comes with the optional package `transformers`) downloads, checks and keeps them; where, and from which
mirror, its own settings say (HF_HOME, HF_ENDPOINT). With HF_HUB_OFFLINE=1 or GAN_DISSECTION_OFFLINE=1 nothing is asked for.
"""
from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from core.errors import JobCancelled, MissingPackage, MissingWeights
from core.jobs import Report, no_report

PACKAGE, LIBRARY = "transformers", "huggingface_hub"
CONFIG, WEIGHTS = "config.json", ("model.safetensors", "pytorch_model.bin")  # the newer kind first


def repository(name: str) -> tuple[str, int]:
    """Hub name of the weights and the side they were trained at, for "segformer-b0" … "segformer-b5"."""
    size = name.removeprefix("segformer-")
    side = 640 if size == "b5" else 512
    return f"nvidia/segformer-{size}-finetuned-ade-{side}-{side}", side


def installed() -> bool:
    """Whether the optional package is."""
    return importlib.util.find_spec(PACKAGE) is not None


def cached(name: str) -> bool:
    """Whether the package and these weights are on this disk."""
    if not installed():
        return False
    where, _ = repository(name)
    look = _library(name).try_to_load_from_cache
    return isinstance(look(where, CONFIG), str) and any(isinstance(look(where, file), str) for file in WEIGHTS)


def fetch(name: str, report: Report = no_report) -> Path:
    """The weights' path, fetched where they are not there. Raises MissingPackage, MissingWeights."""
    from core.zoo import weights

    library, (where, _) = _library(name), repository(name)
    if cached(name):
        return _download(library, where, local_files_only=True)
    if weights.offline():
        raise MissingWeights(f"{where} is not in the hub's cache and the network is switched off (GAN_DISSECTION_OFFLINE); "
                             "copy the hub's cache folder of another machine")
    try:
        return _download(library, where, tqdm_class=_bar(library, report))
    except JobCancelled:
        raise
    except Exception as error:  # the network code of another library: whatever it raises becomes one sentence
        raise MissingWeights(f"{where} could not be fetched ({type(error).__name__}: {str(error).splitlines()[0][:160]}); try again "
                             "later, name a mirror (HF_ENDPOINT), or copy the hub's cache folder of another machine") from error


def _download(library: Any, where: str, **how: Any) -> Path:
    library.hf_hub_download(where, CONFIG, **how)
    for file in WEIGHTS:
        try:
            return Path(library.hf_hub_download(where, file, **how))
        except library.errors.LocalEntryNotFoundError:
            if not how.get("local_files_only"):  # nobody was reached
                raise
        except library.errors.EntryNotFoundError:  # this repository has only the other kind
            pass
    raise FileNotFoundError(f"{where} has neither {' nor '.join(WEIGHTS)}")


def _library(name: str) -> Any:
    if not installed():
        raise MissingPackage(f"the segmenter {name!r}", PACKAGE)
    return importlib.import_module(LIBRARY)


def _bar(library: Any, report: Report) -> type:
    """A progress bar of the library that draws nothing and tells `report`, which may raise JobCancelled."""
    class Nowhere:
        def write(self, text: str) -> None: ...
        def flush(self) -> None: ...

    class Bar(library.utils.tqdm):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named | {"disable": False, "file": Nowhere()})

        def update(self, n: float | None = 1) -> Any:
            from core.zoo.weights import speed

            shown = super().update(n)
            report(int(self.n), int(self.total or self.n), speed(int(self.n - self.initial), self.format_dict["elapsed"]))
            return shown

    return Bar
