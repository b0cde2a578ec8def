"""Edits equal the reference's, and obey their own algebra."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.edits import UnitEdit, ablation, apply, pool_mask, render
from core.errors import BadInput
from core.image import to_u8
from core.zoo import proggan
from core.zoo.generator import ChainGenerator

GOLDEN = Path(__file__).parent / "golden"
LAYER = "layer4"


@pytest.fixture(scope="module")
def g() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "ablation.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def generator() -> ChainGenerator:
    with np.load(GOLDEN / "proggan.npz") as file:
        state = {k[3:]: torch.from_numpy(file[k]) for k in file.files if k.startswith("sd/")}
    return ChainGenerator(proggan.build(state), name="golden", fingerprint="golden", z_dim=32)


def picture(generator: ChainGenerator, g: dict[str, np.ndarray], *edits: UnitEdit) -> np.ndarray:
    with torch.no_grad():
        return render(generator, torch.from_numpy(g["z"]).flatten(1), edits).numpy()


def units(g: dict[str, np.ndarray]) -> tuple[int, ...]:
    return tuple(int(u) for u in g["units"])


def reference_edits(g: dict[str, np.ndarray]) -> dict[str, tuple[UnitEdit, ...]]:
    chosen, values = units(g), g["insert_values"]
    some = values[list(chosen)]
    return {
        "base": (),
        "ablate_all": (ablation(LAYER, chosen),),
        "ablate_partial_0.4": (UnitEdit(LAYER, chosen, 0.0, 0.4),),
        "ablate_masked": (UnitEdit(LAYER, chosen, 0.0, 1.0, g["mask_layer"][0, 0]),),
        "insert_masked": (UnitEdit(LAYER, chosen, some, 1.0, g["mask_layer"][0, 0]),),
        "insert_one_pixel_each": (UnitEdit(LAYER, chosen, some, 1.0, g["mask_per_image"][:, 0]),),
        "insert_all_units_default_alpha": (UnitEdit(LAYER, tuple(range(40)), values),),
        "insert_scalar_alpha_0.25": (UnitEdit(LAYER, tuple(range(40)), values, 0.25),),
        "ablate_layer4_and_layer6_units_1_5": (ablation(LAYER, chosen), ablation("layer6", (1, 5))),
    }


@pytest.mark.parametrize("case", ["base", "ablate_all", "ablate_partial_0.4", "ablate_masked", "insert_masked",
                                  "insert_one_pixel_each", "insert_all_units_default_alpha", "insert_scalar_alpha_0.25",
                                  "ablate_layer4_and_layer6_units_1_5"])
def test_pictures_equal_the_reference(case: str, generator: ChainGenerator, g: dict[str, np.ndarray]) -> None:
    mine = picture(generator, g, *reference_edits(g)[case])
    np.testing.assert_allclose(mine, g[case], atol=1e-4)
    if case != "base":
        assert np.abs(mine - g["base"]).max() > 0.05


def server_edits(g: dict[str, np.ndarray]) -> dict[str, tuple[UnitEdit, ...]]:
    chosen, values = units(g), g["insert_values"]
    mask, box = g["mask_image"] > 0, g["mask_bitbounds_decoded"]
    some = values[list(chosen)]
    return {
        "srv_ablate_maxpool": (UnitEdit(LAYER, chosen, 0.0, 1.0, mask, "max"),),
        "srv_ablate_meanpool": (UnitEdit(LAYER, chosen, 0.0, 1.0, mask, "area"),),
        "srv_insert_maxpool": (UnitEdit(LAYER, chosen, some, 1.0, box, "max"),),
        "srv_compose": (ablation(LAYER, chosen), UnitEdit(LAYER, (3, 5, 7), values[[3, 5, 7]], 0.6, box, "max"),
                        UnitEdit(LAYER, (3,), 9.0, 0.5, mask, "max")),
    }


@pytest.mark.parametrize("case", ["srv_ablate_maxpool", "srv_ablate_meanpool", "srv_insert_maxpool", "srv_compose"])
def test_the_servers_compositions_are_the_same(case: str, generator: ChainGenerator, g: dict[str, np.ndarray]) -> None:
    """out = x·(1−A) + V·A, so A and V are read off two constant inputs; the picture may differ by one grey level."""
    edits = server_edits(g)[case]
    zero, one = torch.zeros(1, 40, 8, 8), torch.ones(1, 40, 8, 8)
    for edit in edits:
        zero, one = apply(zero, edit), apply(one, edit)
    alpha = (1 - (one - zero))[0].numpy()
    np.testing.assert_allclose(alpha, g[f"{case}/alpha"], atol=2e-6)
    np.testing.assert_allclose(zero[0].numpy(), g[f"{case}/alpha"] * g[f"{case}/value"], atol=2e-5)
    mine = to_u8(torch.from_numpy(picture(generator, g, *edits))).transpose(0, 3, 1, 2).astype(int)
    theirs = g[f"{case}/image_byte"].astype(int)
    assert np.abs(mine - theirs).max() <= 1
    assert (mine != theirs).mean() < 1e-3


def test_strength_zero_and_an_empty_mask_change_nothing(generator: ChainGenerator, g: dict[str, np.ndarray]) -> None:
    plain = picture(generator, g)
    none = np.zeros((64, 64), bool)
    for edit in (UnitEdit(LAYER, (3,), 5.0, 0.0), UnitEdit(LAYER, (3,), 5.0, 1.0, none), UnitEdit(LAYER, (), 5.0)):
        np.testing.assert_array_equal(picture(generator, g, edit), plain)


def test_the_input_is_untouched_and_other_units_keep_their_values() -> None:
    x = torch.randn(2, 6, 4, 4)
    kept = x.clone()
    y = apply(x, UnitEdit("l", (1, 4), np.array([2.0, -1.0]), np.array([1.0, 0.5])))
    torch.testing.assert_close(x, kept, rtol=0, atol=0)
    torch.testing.assert_close(y[:, [0, 2, 3, 5]], kept[:, [0, 2, 3, 5]], rtol=0, atol=0)
    torch.testing.assert_close(y[:, 1], torch.full((2, 4, 4), 2.0))
    torch.testing.assert_close(y[:, 4], kept[:, 4] * 0.5 - 0.5)


def test_a_mask_is_pooled_by_area_so_that_its_edges_are_soft() -> None:
    mask = np.zeros((8, 8), bool)
    mask[:3, :2] = True
    assert pool_mask(mask, (2, 2))[0, 0].tolist() == [[6 / 16, 0], [0, 0]]
    assert pool_mask(mask, (2, 2), "max")[0, 0].tolist() == [[1, 0], [0, 0]]


def test_what_cannot_be_done_is_refused() -> None:
    x = torch.zeros(2, 6, 4, 4)
    for edit, word in ((UnitEdit("l", (6,)), "unit 6"), (UnitEdit("l", (1, 1)), "twice"), (UnitEdit("l", (1,), np.nan), "finite"),
                       (UnitEdit("l", (1,), 0.0, 1.5), "strength"), (UnitEdit("l", (1, 2), np.zeros(3)), "value"),
                       (UnitEdit("l", (1,), 0.0, 1.0, np.ones((3, 8, 8), bool)), "masks")):
        with pytest.raises(BadInput, match=word):
            apply(x, edit)


def test_an_edit_of_an_earlier_layer_comes_too_late(generator: ChainGenerator) -> None:
    from core.edits import apply_all

    acts = generator.head(generator.z_for_seeds([1]), "layer6")
    with pytest.raises(BadInput, match="too late"):
        apply_all(generator, acts, "layer6", [ablation("layer4", (1,))])
