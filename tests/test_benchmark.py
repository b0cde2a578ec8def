"""Known holes: shapes, sizes, and what is read off the scores."""
from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from core import benchmark as b
from core.errors import UnknownName
from core.inpaint import fill_hole, holes, samples

TINY = b.Plan(("telea", "harmonic"), size=64, scenes=1, photos=("rocket",))


@pytest.fixture(scope="module")
def result() -> b.Benchmark:
    return b.measure(TINY)


@pytest.mark.parametrize("kind", holes.KINDS)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.4])
def test_hole_has_the_asked_share_and_is_the_same_every_time(kind, share):
    made = [holes.KINDS[kind]((96, 120), share, np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(made[0], made[1])
    assert made[0].mean() == pytest.approx(share, rel=0.12)
    assert not np.array_equal(made[0], holes.KINDS[kind]((96, 120), share, np.random.default_rng(6)))


def test_object_shape_lies_where_no_such_thing_is(monkeypatch):
    """Trees stand in the left half only: a tree's outline goes right, whatever the dice say."""
    from core.scenes import IDS

    monkeypatch.setattr(holes, "SILHOUETTES", ("tree",))
    labels = np.zeros((96, 120), int)
    labels[:, :60] = IDS["tree"]
    for seed in range(6):
        mask = holes.object_shape((96, 120), 0.03, np.random.default_rng(seed), labels)
        assert not (mask & (labels > 0)).any()


def test_labels_are_known_of_scenes_and_not_of_photos():
    assert b.objects("scene 20000", (96, 96)).shape == (96, 96)
    assert b.objects("rocket", (96, 96)) is None


def test_strokes_are_thinner_than_blobs_of_the_same_area():
    import cv2

    def thickness(kind: str) -> float:
        mask = holes.KINDS[kind]((128, 128), 0.08, np.random.default_rng(2))
        return float(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5).max())

    assert thickness("stroke") < 0.6 * thickness("blob")


def test_every_picture_has_every_kind_and_size_of_hole():
    cases = b.Plan(("telea",), scenes=2, repeats=2).cases
    assert len(cases) == (len(b.PHOTOS) + 2) * 3 * 3 * 2
    for case in cases[:40]:
        low, high = b.BINS[case.bin]
        assert low * 0.9 <= case.mask((128, 128)).mean() <= high * 1.1


def test_sample_photos_are_here_without_a_download():
    assert set(b.PHOTOS) <= set(samples.names())
    assert all(samples.SAMPLES[name].credit for name in samples.names())


def test_unknown_sample_names_the_known_ones():
    with pytest.raises(UnknownName, match="rocket"):
        samples.load("rokket")


@pytest.mark.parametrize("name", ["rocket", "camera", "scene 20000"])
def test_intact_pictures_are_square_rgb(name):
    assert b.picture(name, 96).shape == (96, 96, 3)


def test_every_hole_is_scored_for_every_method(result):
    assert result.scores.shape == (2, len(b.METRICS), len(TINY.cases))
    assert np.isfinite(result.values("telea", "hole_mae")).all()
    assert (result.values("telea", "collateral") == 0).all()


def test_methods_are_timed_on_a_third_of_the_holes_of_every_kind_and_size_three_times_after_a_warm_up(result, monkeypatch):
    timed = np.isfinite(result.values("telea", "cpu"))
    assert timed.tolist() == [case.timed for case in TINY.cases]
    assert timed.mean() == pytest.approx(1 / 3)
    cases = b.Plan(("telea",)).cases
    for group in ([c for c in cases if c.kind == kind and c.bin == bin] for kind in holes.KINDS for bin in range(len(b.BINS))):
        assert 0 < sum(c.timed for c in group) < len(group) / 2
    asked = []
    monkeypatch.setattr(b, "fill_hole", lambda *a, runs=1, **k: asked.append(runs) or fill_hole(*a, runs=runs, **k))
    b.measure(b.Plan(("telea",), size=64, scenes=0, photos=("gravel",)))
    assert sorted(set(asked)) == [1, 3]


def test_scores_are_the_same_on_a_second_run(result):
    again = b.measure(TINY)
    timed = [b.METRICS.index(k) for k in ("seconds", "cpu")]
    kept = [k for k in range(len(b.METRICS)) if k not in timed]
    assert np.array_equal(result.scores[:, kept], again.scores[:, kept], equal_nan=True)


def test_stored_benchmark_answers_at_once_and_is_found_by_the_page(store, result):
    first = b.measure(TINY, store=store)
    again = b.measure(TINY, store=store, report=lambda *a: pytest.fail("measured again"))
    assert np.array_equal(first.scores, again.scores, equal_nan=True)
    found = b.load(store)
    assert found is not None
    assert found.plan == TINY
    assert b.load(type(store)(store.root / "none", shipped=())) is None


def planted(scores: dict[str, list[float]], metric: str = "hole_mae") -> b.Benchmark:
    """A benchmark whose scores are given: one a hole, the same in every other metric's place."""
    plan = b.Plan(tuple(scores), size=64, scenes=0, photos=("rocket", "coffee"))
    values = np.full((len(scores), len(b.METRICS), len(plan.cases)), np.nan)
    for m, row in enumerate(scores.values()):
        values[m, b.METRICS.index(metric)] = row
    return b.Benchmark(plan, plan.run(), values, np.empty(0, np.uint8), np.empty(0, int), np.empty((len(scores), 0), int))


def test_summary_is_the_median_and_its_interval_covers_it():
    rng = np.random.default_rng(0)
    found = b.summary(planted({"a": list(rng.normal(10, 1, 18)), "b": [5.0] * 18}), "hole_mae")
    assert found["b"] == b.Interval(5, 5, 5, 18)
    assert found["a"].low <= found["a"].median <= found["a"].high
    assert found["a"].n == 18


def test_meaningless_scores_are_left_out_of_the_median():
    values = [1.0, 3.0, np.nan, np.inf] + [2.0] * 14
    found = b.summary(planted({"a": values}), "hole_mae")["a"]
    assert (found.median, found.n) == (2, 16)


def test_median_agrees_with_numpy():
    values = np.random.default_rng(0).normal(size=(4, 7))
    values[1, :3], values[2, :] = np.nan, np.nan
    assert b._median(values[[0, 1, 3]]) == pytest.approx(np.nanmedian(values[[0, 1, 3]], axis=1))
    assert np.isnan(b._median(values[2]))


def test_lower_error_wins_every_duel_and_the_interval_is_sure():
    won = b.wins(planted({"a": [1.0] * 18, "b": [2.0] * 18}), "hole_mae")
    assert won.share[0, 1] == 1
    assert won.share[1, 0] == 0
    assert won.share[0, 0] == 0.5
    assert won.sure()[0, 1]


def test_equal_methods_are_not_told_apart():
    a = [1.0, 2.0] * 9
    won = b.wins(planted({"a": a, "b": a[::-1]}), "hole_mae")
    assert won.share[0, 1] == 0.5
    assert not won.sure().any()


def test_duels_of_a_ratio_are_won_by_the_one_nearer_to_one():
    won = b.wins(planted({"fog": [0.1] * 18, "right": [1.1] * 18, "wild": [3.0] * 18}, "texture"), "texture")
    assert won.share[1].tolist() == [1, 0.5, 1]
    assert won.share[2, 0] == 1


def test_bins_and_kinds_choose_their_holes_only(result):
    assert result.chosen(kind="blob", bin=0).sum() == 2
    assert result.chosen(source="scenes").sum() == 9
    assert not (result.chosen(source="scenes") & result.chosen(source="photos")).any()


def test_worst_five_are_those_furthest_behind_the_best(result):
    behind = result.values("telea", "hole_mae") - result.values("harmonic", "hole_mae")
    worst = result.worst("telea")
    assert worst[0][0] == result.cases[int(np.argmax(behind))]
    assert len(worst) == 5
    assert worst[0][1].shape == (b.THUMB, 3 * b.THUMB, 3)


def test_the_lesson_ssim_ranks_fog_over_right_texture():
    """Gravel: a fill with the right texture in the wrong place loses to fog by SSIM, and wins by the texture ratio."""
    found = b.measure(b.Plan(("patchmatch", "harmonic"), size=96, scenes=0, photos=("gravel",)))
    assert b.order(found, "hole_ssim")[0] == "harmonic"
    assert b.order(found, "texture")[0] == "patchmatch"


def test_telling_hole_is_where_ssim_prefers_fog_to_the_right_texture():
    found = planted({"fog": [0.0] * 18, "good": [0.0] * 18})
    fog, good = (found.scores[m] for m in range(2))
    at = {k: b.METRICS.index(k) for k in ("hole_ssim", "texture")}
    fog[at["texture"]], good[at["texture"]] = 0.05, 1.0
    fog[at["hole_ssim"]], good[at["hole_ssim"]] = 0.5, 0.6
    assert b.telling(found, "fog", "good") is None
    fog[at["hole_ssim"], 3], fog[at["hole_ssim"], 7] = 0.7, 0.9
    assert b.telling(found, "fog", "good") == 7
    good[at["texture"], 7] = 2.0  # not the right texture
    assert b.telling(found, "fog", "good") == 3


def test_fills_differ_from_the_truth_in_the_hole_only():
    case = TINY.cases[0]
    truth, mask = b.picture(case.picture, TINY.size), case.mask((TINY.size, TINY.size))
    for image in b.fills(TINY, case, TINY.methods):
        assert np.array_equal(image[~mask], truth[~mask])
        assert (image[mask] != truth[mask]).any()


def test_table_of_the_command_names_every_method(result):
    text = b.as_text(result)
    assert "telea" in text
    assert "15% to 40%" in text
    assert "best to worst by SSIM" in text
    assert "duels by Texture" in text


# --- the command ------------------------------------------------------------------------------------------------------------
def run(*arguments: object) -> tuple[int, str]:
    from core.cli import main

    done = CliRunner().invoke(main, ["inpaint", *(str(a) for a in arguments)], standalone_mode=False)
    return done.exit_code, done.output + (f"{type(done.exception).__name__}: {done.exception}" if done.exception else "")


@pytest.fixture
def files(tmp_path):
    from core.image import encode

    image = b.picture("rocket", 64)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:30, 20:30] = 255
    for name, data in (("a.png", image), ("m.png", mask), ("small.png", mask[::2, ::2])):
        (tmp_path / name).write_bytes(encode(data))
    return tmp_path, image, mask > 0


def test_run_writes_the_filled_picture_and_keeps_the_rest(files):
    from core.image import decode

    folder, image, mask = files
    code, text = run("run", "--image", folder / "a.png", "--mask", folder / "m.png", "--method", "telea", "--grow", 0,
                     "--feather", 0, "--out", folder / "b.png")
    assert code == 0, text
    out = decode((folder / "b.png").read_bytes())
    assert np.array_equal(out[~mask], image[~mask])
    assert not np.array_equal(out[mask], image[mask])
    assert "100 pixels" in text


@pytest.mark.parametrize(("change", "words"), [
    ({"--method": "telia"}, "did you mean 'telea'"), ({"--mask": "small.png"}, "has the picture's size"),
    ({"--image": "none.png"}, "cannot be read"), ({"--out": "b.bmp"}, "must end in"), ({"--avoid": "m.png"}, "does not copy"),
])
def test_wrong_calls_say_what_to_do(files, change, words):
    folder, _, _ = files
    options = {"--image": "a.png", "--mask": "m.png", "--method": "telea", "--out": "b.png", **change}
    code, text = run("run", *(x for k, v in options.items() for x in (k, v if k == "--method" else folder / v)))
    assert code != 0
    assert words in text


def test_keep_out_file_is_never_copied_from(files):
    """A red band is the only thing that is red: kept out, none of it comes into the hole."""
    from core.image import decode, encode

    folder, image, mask = files
    image = image.copy()
    image[:, 40:] = (255, 0, 0)
    keep = np.zeros((64, 64), np.uint8)
    keep[:, 40:] = 255
    (folder / "red.png").write_bytes(encode(image))
    (folder / "keep.png").write_bytes(encode(keep))
    code, text = run("run", "--image", folder / "red.png", "--mask", folder / "m.png", "--method", "patchmatch", "--avoid",
                     folder / "keep.png", "--out", folder / "b.png")
    assert code == 0, text
    out = decode((folder / "b.png").read_bytes())
    assert not (out[mask] == (255, 0, 0)).all(axis=1).any()


def test_bench_prints_the_table_of_the_page_and_answers_from_the_store_the_second_time(monkeypatch):
    asked = ("bench", "--methods", "harmonic,telea", "--size", 64, "--scenes", 0)
    code, text = run(*asked)
    assert code == 0, text
    assert "duels by Texture" in text
    monkeypatch.setattr(b, "fill_hole", lambda *a, **k: pytest.fail("measured again"))
    code, again = run(*asked)
    assert code == 0, again
    assert again.splitlines()[-12:] == text.splitlines()[-12:]


def test_list_shows_every_method():
    code, text = run("list")
    assert code == 0
    assert "patchmatch7" in text


def test_plans_run_is_plain_json_and_changes_with_the_plan():
    run_of = TINY.run()
    json.dumps(run_of.as_dict())
    assert run_of.key != b.Plan(("telea",), size=64, scenes=1, photos=("rocket",)).run().key
