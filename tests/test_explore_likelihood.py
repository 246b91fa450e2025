"""The likelihood explorer: its numbers are those of fits, and its question needs the controls."""

import numpy as np
import pytest

import mixedteach as mt


def best(explorer: mt.explore.Explorer, by: str) -> dict:
    """Return the answer at the slider's best position."""
    slider = explorer.controls["theta"]
    steps = round((slider.high - slider.low) / slider.step)
    thetas = [round(slider.low + k * slider.step, 4) for k in range(steps + 1)]
    return min((explorer.answer(theta=t, by=by) for t in thetas), key=lambda at: at["criterion"])


@pytest.mark.parametrize("load", [mt.load_tablets, mt.load_tablets_missing])
def test_numbers_are_those_of_the_fits(load) -> None:
    m = mt.lmer("content ~ method + (1|tablet)", load())
    explorer = mt.explore.likelihood(m)
    for by, fit in {"REML": m, "ML": m.by_ml()}.items():
        at = explorer.answer(theta=float(fit.theta[0]), by=by)
        assert at["criterion"] == pytest.approx(fit.deviance, abs=1e-9)
        assert at["room"] + at["noise"] == pytest.approx(at["criterion"])
        assert at["sigma"] == pytest.approx(fit.sigma)
        np.testing.assert_allclose(at["beta"], fit.params, rtol=1e-8)
        blups = fit.random_effects["tablet"]["Intercept"]
        np.testing.assert_allclose(at["blups"], blups, atol=1e-9)
        for theta in (0.0, 0.7, 2.5):
            value = explorer.answer(theta=theta, by=by)["criterion"]
            assert value == pytest.approx(fit.profile_deviance([theta]), abs=1e-9)


def test_the_question_is_answered_by_moving_the_controls() -> None:
    """Balanced: the same theta, and a smaller sigma by ML; not balanced: another theta too."""
    explorer = mt.explore.likelihood()
    reml, ml = best(explorer, "REML"), best(explorer, "ML")
    assert reml["theta"] == ml["theta"] == 1.43
    assert ml["sigma"] / reml["sigma"] == pytest.approx(np.sqrt(0.9))
    assert ml["sd"] < reml["sd"]
    missing = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets_missing())
    explorer = mt.explore.likelihood(missing)
    reml, ml = best(explorer, "REML"), best(explorer, "ML")
    assert (reml["theta"], ml["theta"]) == (1.53, 1.57)
    assert ml["sd"] < reml["sd"]


def test_room_rises_and_noise_falls() -> None:
    explorer = mt.explore.likelihood()
    for by in ("REML", "ML"):
        answers = [explorer.answer(theta=theta, by=by) for theta in np.linspace(0, 3, 31)]
        assert (np.diff([at["room"] for at in answers]) > 0).all()
        assert (np.diff([at["noise"] for at in answers]) < 0).all()


def test_the_words_give_what_the_bars_show() -> None:
    explorer = mt.explore.likelihood()
    here, start = (explorer.answer(theta=theta) for theta in (1.43, 0.0))
    words = explorer.words(theta=1.43).replace("−", "-")
    for name, part in (("-determinants)", "room"), ("best σ)", "noise"), ("sum", "criterion")):
        assert f"{name} {here[part] - start[part]:+.2f}" in words


def test_blups_go_from_zero_to_the_deviations() -> None:
    explorer = mt.explore.likelihood()
    kept = []
    for theta in (0.0, 1.0, 3.0):
        at = explorer.answer(theta=theta)
        # ten tablets with two readings each: the share 2 theta^2 / (1 + 2 theta^2) is kept
        share = 2 * theta**2 / (1 + 2 * theta**2)
        np.testing.assert_allclose(at["blups"], share * at["deviations"], atol=1e-9)
        kept.append(share)
        assert f"keep {100 * share:.0f}%" in explorer.words(theta=theta)
    assert kept == sorted(kept)


def test_the_picture_moves() -> None:
    explorer = mt.explore.likelihood()
    pictures = {
        explorer.png(theta=theta, by=by) for theta in (0.0, 1.43, 3.0) for by in ("REML", "ML")
    }
    assert len(pictures) == 6
    assert all(png.startswith(b"\x89PNG") for png in pictures)


def test_the_widget_follows() -> None:
    explorer = mt.explore.likelihood()
    first = explorer.widget.children[-2].value
    explorer.set(theta=2.0, by="ML")
    assert explorer.widget.children[-2].value != first
    assert explorer.values["by"] == "ML"
    assert "ML criterion at θ = 2.00" in explorer.widget.children[-1].value
    assert "REML" not in explorer.widget.children[-1].value


@pytest.mark.parametrize(
    ("formula", "load"),
    [
        ("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy),
        ("yield ~ nitrogen + (1|block/variety)", mt.load_oats),
    ],
)
def test_other_models_are_refused(formula, load) -> None:
    with pytest.raises(mt.InferenceError, match="one random intercept"):
        mt.explore.likelihood(mt.lmer(formula, load()))


def test_what_is_no_mixed_model_is_refused() -> None:
    with pytest.raises(mt.InferenceError, match="fitted by lmer"):
        mt.explore.likelihood(mt.lm("content ~ method", mt.load_tablets()))
