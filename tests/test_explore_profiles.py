"""The explorer of the planks' profiles: its numbers against groupby, algebra and a fitted model."""

import io

import numpy as np
import pytest
from PIL import Image

import mixedteach as mt
from mixedteach.errors import DataError
from mixedteach.explore._planks_profiles import PROFILES, _apart

explorer = mt.explore.planks_profiles()


@pytest.mark.parametrize("profile", PROFILES)
def test_lines_are_means(profile):
    x, trace = PROFILES[profile]
    answer = explorer.answer(profile=profile, level_out=False)
    planks = mt.load_planks()
    for name, line in zip(answer["names"], answer["lines"], strict=True):
        own = planks[planks[trace] == name]
        expected = [own.loc[own[x] == level, "humidity"].mean() for level in answer["positions"]]
        np.testing.assert_allclose(line, expected)
    np.testing.assert_allclose(answer["mean"], answer["lines"].mean(axis=0))


@pytest.mark.parametrize("profile", PROFILES)
def test_taking_levels_out_leaves_shape(profile):
    raw = explorer.answer(profile=profile, level_out=False)["lines"]
    out = explorer.answer(profile=profile, level_out=True)["lines"]
    np.testing.assert_allclose(out.mean(axis=1), raw.mean())
    np.testing.assert_allclose(np.diff(out, axis=1), np.diff(raw, axis=1))


def test_shape_is_what_the_mean_squares_say():
    table = mt.lm(
        "humidity ~ width*depth + plank + plank:width + plank:depth", mt.load_planks()
    ).anova(type=1)
    readings = {
        "depth by width": ("width:depth", 20),
        "width by depth": ("width:depth", 20),
        "depth by plank": ("plank:depth", 3),
        "width by plank": ("plank:width", 5),
    }
    for profile, (term, n) in readings.items():
        shape = explorer.answer(profile=profile)["shape_sd"]
        assert shape == pytest.approx(np.sqrt(table.loc[term, "mean_sq"] / n))
    level = explorer.answer(profile="depth by plank")["level_sd"]
    assert level == pytest.approx(np.sqrt(table.loc["plank", "mean_sq"] / 15))


def test_shape_of_planks_across_the_width_is_the_model_s_variance():
    m = mt.lmer(
        "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)", mt.load_planks()
    )
    variance = m.variance_components.set_index("group")["variance"]
    shape = explorer.answer(profile="width by plank")["shape_sd"]
    assert shape**2 == pytest.approx(variance["plank:width"] + m.scale / 5)


def test_the_answer_needs_moving():
    assert "shape, is" not in explorer.words()  # not given away at the start
    shape = {p: explorer.answer(profile=p)["shape_sd"] for p in PROFILES}
    assert max(shape, key=shape.get) == "width by plank" != explorer.values["profile"]
    said = {explorer.words(profile=p, level_out=True) for p in PROFILES}
    assert len(said) == len(PROFILES)
    assert "0.57 (sd of a plank" in explorer.words(profile="width by plank", level_out=True)


def test_every_state_has_its_own_picture_of_the_same_size():
    states = [{"profile": p, "level_out": out} for p in PROFILES for out in (False, True)]
    shown = [explorer.png(**state) for state in (*states, *states)]
    assert shown[:8] == shown[8:]  # the stored backgrounds give the same picture again
    assert len(set(shown[:8])) == 8
    assert {Image.open(io.BytesIO(png)).size for png in shown} == {(900, 460)}


def test_labels_move_apart_and_keep_their_order():
    heights = np.array([4.5, 5.7, 5.4, 5.45, 4.4])
    places = _apart(heights)
    assert np.diff(np.sort(places)).min() >= 0.33
    assert list(np.argsort(places)) == list(np.argsort(heights))


def test_controls_refuse_what_they_do_not_have():
    with pytest.raises(DataError, match="must be one of"):
        explorer.answer(profile="plank by plank")
