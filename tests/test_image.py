"""Pictures at the rim: ranges, hostile files, masks."""
from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core import image
from core.errors import BadInput


@given(st.integers(0, 255))
def test_eight_bits_survive_the_round_trip_within_one_level(value: int) -> None:
    u8 = np.full((2, 3, 3), value, np.uint8)
    assert abs(int(image.to_u8(image.from_u8(u8))[0, 0, 0, 0]) - value) <= 1


def test_bytes_are_truncated_and_clipped_like_the_reference() -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0]).reshape(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert image.to_u8(x)[0, 0, :, 0].tolist() == [0, 0, 127, 255, 255]


def png(array: np.ndarray, mode: str | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_grey_alpha_palette_and_sixteen_bit_become_rgb() -> None:
    grey = np.full((4, 5), 200, np.uint8)
    assert image.decode(png(grey)).tolist() == np.full((4, 5, 3), 200).tolist()
    rgba = np.zeros((4, 5, 4), np.uint8)
    assert image.decode(png(rgba)).min() == 255, "transparent is shown on white"
    deep = np.full((4, 5), 51400, np.uint16)
    assert abs(int(image.decode(png(deep))[0, 0, 0]) - 200) <= 1


def test_exif_rotation_is_applied() -> None:
    picture = Image.new("RGB", (8, 4), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif)
    assert image.decode(buffer.getvalue()).shape == (8, 4, 3)


@pytest.mark.parametrize("data", [b"", b"GIF89a" + b"0" * 50,
                                  b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n" + b"0" * 80])
def test_what_is_not_a_picture_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput):
        image.decode(data)


def test_a_truncated_file_is_refused() -> None:
    data = png(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    with pytest.raises(BadInput, match="damaged"):
        image.decode(data[: len(data) // 2])


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(BadInput, match="million"):
        image.decode(png(np.zeros((6000, 6000), np.uint8)))


def test_a_large_file_is_refused() -> None:
    with pytest.raises(BadInput, match="at most"):
        image.decode(b"0" * (image.MAX_BYTES + 1))


def test_masks_survive_a_png() -> None:
    mask = np.random.default_rng(1).random((9, 7)) > 0.5
    np.testing.assert_array_equal(image.mask_from_png(image.mask_to_png(mask), mask.shape), mask)


def test_a_wrong_mask_is_named() -> None:
    with pytest.raises(BadInput, match=r"\(3, 4\).*\(4, 3\)"):
        image.check_mask(np.zeros((4, 3), bool), (3, 4))
    with pytest.raises(BadInput, match="bool"):
        image.check_mask(np.zeros((3, 4), np.uint8), (3, 4))
