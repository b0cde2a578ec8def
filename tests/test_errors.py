"""Errors quote what came and what is known."""
from __future__ import annotations

from core.errors import GanLabError, MissingPackage, UnknownName


def test_unknown_name_quotes_the_name_the_known_ones_and_the_nearest() -> None:
    text = str(UnknownName("layer", "layer44", ["layer4", "layer5"]))
    assert "'layer44'" in text
    assert "did you mean 'layer4'" in text
    assert "layer4, layer5" in text


def test_a_long_hostile_name_is_cut() -> None:
    assert len(str(UnknownName("model", "x" * 10_000, ["scenes"]))) < 300


def test_missing_package_says_what_to_install() -> None:
    error = MissingPackage("SegFormer", "transformers")
    assert isinstance(error, GanLabError)
    assert "pip install transformers" in str(error)
