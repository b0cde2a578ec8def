"""What each score says about pictures whose answer is known on paper."""
from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from core import metrics
from core.metrics import Case

SIDE = 64
HOLE = np.zeros((SIDE, SIDE), bool)
HOLE[20:44, 20:44] = True


def noise(seed: int = 0, amplitude: int = 40) -> np.ndarray:
    """Grey picture with fine texture."""
    values = 128 + np.random.default_rng(seed).integers(-amplitude, amplitude + 1, (SIDE, SIDE, 1))
    return np.repeat(values, 3, axis=2).astype(np.uint8)


def put(image: np.ndarray, value: object, where: np.ndarray = HOLE) -> np.ndarray:
    out = image.copy()
    out[where] = value
    return out


def score(name: str, case: Case) -> float:
    return metrics.REGISTRY[name].score(case)


def truth_case(after: np.ndarray, truth: np.ndarray | None = None) -> Case:
    truth = noise() if truth is None else truth
    return Case(truth, after, HOLE, truth=truth)


@pytest.mark.parametrize(("name", "perfect"), [("hole_mae", 0.0), ("hole_psnr", math.inf), ("hole_ssim", 1.0), ("gmsd", 0.0),
                                               ("texture", 1.0)])
def test_the_truth_itself_scores_perfectly(name, perfect):
    assert score(name, truth_case(noise())) == pytest.approx(perfect, abs=1e-6)


@pytest.mark.parametrize("name", ["hole_mae", "hole_psnr", "hole_ssim"])
def test_errors_outside_the_hole_do_not_count(name):
    """SSIM looks through 7×7 windows, so only the far outside is without influence there."""
    far = cv2.dilate(HOLE.astype(np.uint8), np.ones((9, 9))) == 0
    damaged = put(noise(), 128)
    assert score(name, truth_case(put(damaged, 0, far))) == pytest.approx(score(name, truth_case(damaged)), rel=1e-9)


def test_constant_error_of_ten_levels_has_the_mae_and_psnr_on_paper():
    truth = np.full((SIDE, SIDE, 3), 100, np.uint8)
    case = truth_case(put(truth, 110), truth)
    assert score("hole_mae", case) == 10
    assert score("hole_psnr", case) == pytest.approx(20 * math.log10(255 / 10))


def test_psnr_prefers_fog_to_right_texture_and_the_texture_ratio_does_not():
    """The lesson of the known holes: same noise, other sample, against the flat mean."""
    fog, other = truth_case(put(noise(), 128)), truth_case(put(noise(), noise(7)[HOLE]))
    assert score("hole_psnr", fog) > score("hole_psnr", other) + 2
    assert score("texture", fog) == pytest.approx(0, abs=0.01)
    assert score("texture", other) == pytest.approx(1, abs=0.1)


def test_ssim_agrees_with_scikit_image_on_the_whole_picture():
    from skimage.metrics import structural_similarity

    truth, after = noise(), put(noise(), noise(3)[HOLE])
    _, full = structural_similarity(after, truth, win_size=7, data_range=255, channel_axis=-1, full=True)
    assert score("hole_ssim", truth_case(after, truth)) == pytest.approx(full[HOLE].mean(), abs=1e-9)


def test_gmsd_grows_with_damage():
    values = [score("gmsd", truth_case(put(noise(), np.clip(noise()[HOLE].astype(int) + shift * noise(5)[HOLE], 0, 255))))
              for shift in (0, 0.3, 1)]
    assert values == sorted(values)
    assert values[0] == 0 < values[1]


def test_texture_without_truth_compares_with_the_ring():
    image = noise()
    assert score("texture", Case(image, put(image, noise(9)[HOLE]), HOLE)) == pytest.approx(1, abs=0.1)
    assert score("texture", Case(image, put(image, 128), HOLE)) == pytest.approx(0, abs=0.01)


def test_texture_of_a_hole_too_thin_to_measure_is_not_a_number():
    thin = np.zeros((SIDE, SIDE), bool)
    thin[30:33, 5:60] = True
    assert math.isnan(score("texture", Case(noise(), noise(), thin)))


def test_seam_is_one_for_an_unbroken_picture_and_large_for_a_pasted_block():
    image = noise(amplitude=10)
    assert score("seam", Case(image, image, HOLE)) == pytest.approx(1, abs=0.15)
    assert score("seam", Case(image, put(image, 255), HOLE)) > 5
    smooth = cv2.GaussianBlur(image, (0, 0), 6)
    blurred = put(image, smooth[HOLE | (cv2.dilate(HOLE.astype(np.uint8), np.ones((3, 3))) > 0)],
                  HOLE | (cv2.dilate(HOLE.astype(np.uint8), np.ones((3, 3))) > 0))
    assert score("seam", Case(image, blurred, HOLE)) < 0.5


def raw_case(after: np.ndarray) -> Case:
    return Case(noise(), noise(), HOLE, raw_before=noise(), raw_after=after, raw_hole=HOLE)


def test_collateral_counts_only_pixels_outside_the_hole():
    assert score("collateral", raw_case(put(noise(), 0))) == 0
    assert score("collateral_delta", raw_case(put(noise(), 0))) == 0
    left = np.zeros_like(HOLE)
    left[:, :16] = True
    case = raw_case(put(noise(), 255, left))
    assert score("collateral", case) == pytest.approx(100 * left.sum() / (~HOLE).sum())
    assert score("collateral_delta", case) > 5


def test_collateral_ignores_changes_nobody_can_see():
    assert score("collateral", raw_case(noise() + 1)) == 0
    assert 0 < score("collateral_delta", raw_case(noise() + 1)) < 1


def labelled(before: np.ndarray, after: np.ndarray, label: int = 3) -> Case:
    return Case(noise(), noise(), HOLE, labels_before=before, labels_after=after, label=label)


def ground(label: int = 1) -> np.ndarray:
    """Two channels: objects all `label`, parts empty."""
    return np.stack([np.full((SIDE, SIDE), label), np.zeros((SIDE, SIDE), int)])


def with_object(label: int, where: np.ndarray) -> np.ndarray:
    out = ground()
    out[0][where] = label
    return out


def test_half_of_the_object_gone_is_fifty_per_cent():
    half = HOLE.copy()
    half[:, 32:] = False
    case = labelled(with_object(3, HOLE), with_object(3, half))
    assert score("removal", case) == 50
    assert score("removal_whole", case) == 50


def test_object_that_grows_back_elsewhere_spills_and_is_not_gone_from_the_picture():
    elsewhere = np.zeros_like(HOLE)
    elsewhere[:9, :64] = True
    case = labelled(with_object(3, HOLE), with_object(3, elsewhere))
    assert score("removal", case) == 100
    assert score("removal_whole", case) == 0
    assert score("spill", case) == pytest.approx(100 * elsewhere.sum() / (~HOLE).sum())


def test_parts_count_for_removal_too():
    before = ground()
    before[1][HOLE] = 5
    assert score("removal", labelled(before, ground(), label=5)) == 100


def test_removal_of_what_was_not_there_is_not_a_number():
    assert math.isnan(score("removal", labelled(ground(), ground())))


def test_hole_filled_with_the_ground_agrees_and_shows_nothing_new():
    case = labelled(with_object(3, HOLE), ground())
    assert score("agreement", case) == 100
    assert score("new_class", case) == 0


def test_stranger_in_the_hole_is_a_new_class_and_lowers_agreement():
    quarter = HOLE.copy()
    quarter[32:], quarter[:, 32:] = False, False
    case = labelled(with_object(3, HOLE), with_object(7, quarter))
    assert score("new_class", case) == 1
    assert score("agreement", case) == 75


def test_removed_class_in_the_ring_does_not_count_as_background():
    around = cv2.dilate(HOLE.astype(np.uint8), np.ones((15, 15))) > 0
    case = labelled(with_object(3, around), with_object(3, around))
    assert score("agreement", case) == 0
    assert score("new_class", case) == 0


def test_only_scores_with_their_inputs_are_given():
    assert set(metrics.score(Case(noise(), noise(), HOLE))) == {"texture", "seam"}
    assert "hole_psnr" in metrics.score(truth_case(noise()))
    assert "removal" in metrics.score(labelled(ground(), ground()))
    assert "collateral" in metrics.score(raw_case(noise()))


def test_empty_hole_has_no_scores():
    assert metrics.score(Case(noise(), noise(), np.zeros_like(HOLE))) == {}


@pytest.mark.parametrize("where", [(slice(0, 10), slice(0, 10)), (slice(60, 64), slice(0, 64)), (slice(3, 4), slice(3, 4))])
def test_holes_at_the_border_and_of_one_pixel_are_scored_without_a_crash(where):
    hole = np.zeros((SIDE, SIDE), bool)
    hole[where] = True
    case = Case(noise(), noise(1), hole, truth=noise(), raw_before=noise(), raw_after=noise(1), raw_hole=hole,
                labels_before=ground(), labels_after=ground(), label=1)
    assert set(metrics.score(case)) == set(metrics.REGISTRY)
