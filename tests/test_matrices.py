"""The matrices of a model and the optimiser's path, against algebra and the fit itself."""

import numpy as np
import pandas as pd
import pytest

import mixedteach as mt

CASES = {
    "tablets": ("content ~ method + (1|tablet)", mt.load_tablets),
    "missing": ("content ~ method + (1|tablet)", mt.load_tablets_missing),
    "slopes": ("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy),
    "independent": ("Reaction ~ Days + (Days||Subject)", mt.load_sleepstudy),
    "nested": ("yield ~ nitrogen + (1|block/variety)", mt.load_oats),
    "crossed": ("diameter ~ 1 + (1|plate) + (1|sample)", mt.load_penicillin),
}


@pytest.fixture(scope="module", params=CASES)
def model(request) -> mt.MixedModel:
    formula, load = CASES[request.param]
    return mt.lmer(formula, load())


def test_generalised_least_squares_by_hand(model) -> None:
    y, X, Z, G, R, V = (part.to_numpy() for part in model.matrices())
    inverse = np.linalg.inv(V)
    cov = np.linalg.inv(X.T @ inverse @ X)
    beta = cov @ X.T @ inverse @ y
    np.testing.assert_allclose(V, Z @ G @ Z.T + R)
    np.testing.assert_allclose(beta, model.params, rtol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(cov)), model.bse, rtol=1e-8)
    rest = y - X @ beta
    np.testing.assert_allclose(X @ beta + Z @ G @ Z.T @ inverse @ rest, model.fittedvalues)
    n, p = X.shape
    logs = np.linalg.slogdet(V)[1] + np.linalg.slogdet(X.T @ inverse @ X)[1]
    llf = -0.5 * (logs + rest @ inverse @ rest + (n - p) * np.log(2 * np.pi))
    assert llf == pytest.approx(model.llf, rel=1e-9)


def test_blups_by_hand_have_the_names_of_the_columns_of_z() -> None:
    m = mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())
    parts = m.matrices()
    rest = parts.y - parts.X @ m.params
    u = parts.G @ parts.Z.T @ np.linalg.solve(parts.V, rest)
    assert list(u.index[:2]) == ["Subject 308: Intercept", "Subject 308: Days"]
    blups = m.random_effects["Subject"]
    for subject, effect in (("308", "Days"), ("372", "Intercept")):
        assert u[f"Subject {subject}: {effect}"] == pytest.approx(blups.loc[subject, effect])


def test_labels() -> None:
    tablets = mt.load_tablets().set_index(pd.Index(range(100, 120)))
    parts = mt.lmer("content ~ method + (1|tablet)", tablets).matrices()
    assert list(parts.X.columns) == ["Intercept", "method[hplc]"]
    assert list(parts.Z.columns[[0, 9]]) == ["tablet 1", "tablet 10"]
    assert list(parts.G.index) == list(parts.G.columns) == list(parts.Z.columns)
    for labelled in (parts.y, parts.X, parts.Z, parts.R, parts.V):
        assert list(labelled.index) == list(range(100, 120))
    assert parts.y.name == "content"
    assert repr(parts).startswith("Matrices: y (20), X (20 x 2)")


def test_rows_left_out_are_not_in_the_matrices() -> None:
    tablets = mt.load_tablets()
    tablets.loc[3, "content"] = np.nan
    m = mt.lmer("content ~ method + (1|tablet)", tablets)
    assert 3 not in m.matrices().y.index
    assert m.matrices().V.shape == (19, 19)


def test_too_many_rows_are_refused_in_a_sentence() -> None:
    rng = np.random.default_rng(1)
    many = pd.DataFrame({"g": np.arange(2001) // 3, "y": rng.normal(size=2001)})
    m = mt.lmer("y ~ 1 + (1|g)", many)
    with pytest.raises(mt.InferenceError, match=r"2001 observations and 667 random effects"):
        m.matrices()


# -- the optimiser's path --------------------------------------------------------------------------


def test_path_ends_at_the_fit_and_goes_down(model) -> None:
    start = np.where(model.theta > 0, 0.4, model.theta)
    for path in (model.optimizer_path(), model.optimizer_path(start)):
        thetas = path.filter(like="theta").to_numpy()
        np.testing.assert_allclose(thetas[-1], model.theta, atol=1e-5)
        assert path["criterion"].iloc[-1] == pytest.approx(model.deviance, abs=1e-8)
        assert (path["change"].iloc[1:] <= 1e-9).all()
        for theta, value in zip(thetas, path["criterion"], strict=True):
            assert model.profile_deviance(theta) == pytest.approx(value, abs=1e-7)
    np.testing.assert_allclose(thetas[0], start)


def test_path_from_a_bad_start_takes_steps() -> None:
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    assert len(m.optimizer_path()) == 1
    path = m.by_ml().optimizer_path(start=[0.2])
    assert list(path.columns) == ["step", "theta", "criterion", "change"]
    assert list(path["step"]) == list(range(len(path)))
    assert len(path) > 4
    assert "ML deviance" in path.caption
    assert "REML criterion" in m.optimizer_path().caption


@pytest.mark.parametrize("start", ["far", [1, 2], [np.nan]])
def test_bad_starts_are_refused(start) -> None:
    m = mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())
    with pytest.raises(mt.InferenceError, match="start="):
        m.optimizer_path(start=start)
