"""Pictures of matrices and likelihoods: what is drawn, against algebra and other fits."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mixedteach as mt


@pytest.fixture(autouse=True)
def _tidy():
    before = dict(plt.rcParams)
    yield
    plt.close("all")
    assert dict(plt.rcParams) == before


@pytest.fixture(scope="module")
def tablets() -> mt.MixedModel:
    return mt.lmer("content ~ method + (1|tablet)", mt.load_tablets())


@pytest.fixture(scope="module")
def missing() -> mt.MixedModel:
    return mt.lmer("content ~ method + (1|tablet)", mt.load_tablets_missing())


@pytest.fixture(scope="module")
def oats() -> mt.MixedModel:
    return mt.lmer("yield ~ nitrogen + (1|block/variety)", mt.load_oats())


def written(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def shown(labels) -> list[str]:
    return [label.get_text() for label in labels]


# -- matrices --------------------------------------------------------------------------------------


def test_matrix_draws_its_entries_and_labels(tablets) -> None:
    V = tablets.matrices().V.iloc[:4, :4]
    ax = mt.plot.matrix(V, title="V")
    np.testing.assert_array_equal(ax.images[0].get_array(), V)
    assert written(ax)[:4] == ["0.133", "0.089", "0", "0"]
    assert shown(ax.get_xticklabels()) == shown(ax.get_yticklabels()) == ["0", "1", "2", "3"]
    assert "4 x 4: 8 of its 16 entries are not zero" in mt.plot.description(ax.figure)


def test_matrix_has_white_zeros_and_one_scale_for_both_signs() -> None:
    ax = mt.plot.matrix(np.array([[0.0, -2.0], [1.0, 2.0]]))
    picture = ax.images[0]
    assert picture.norm.vmin == -picture.norm.vmax
    np.testing.assert_allclose(picture.to_rgba(picture.get_array())[0, 0], 1, atol=0.01)
    assert written(ax) == ["0", "-2", "1", "2"]
    assert shown(ax.get_xticklabels()) == []


def test_numbers_are_written_only_where_they_fit(tablets) -> None:
    large = tablets.matrices().V
    assert written(mt.plot.matrix(large)) == []
    assert len(written(mt.plot.matrix(large, numbers=True))) == 40  # without zeros
    assert written(mt.plot.matrix(np.eye(2), numbers=False)) == []


def test_letters_can_be_read_from_the_last_row(tablets, oats) -> None:
    drawn = [mt.plot.matrix(tablets.matrices().V), *mt.plot.design(tablets), *mt.plot.design(oats)]
    drawn.append(mt.plot.matrix(oats.matrices().G))
    for ax in drawn:
        letters = [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels()]
        assert letters
        assert min(text.get_fontsize() for text in letters) >= 12
    X, Z = written(drawn[1]), written(drawn[2])
    assert (X.count("1"), X.count("0")) == (30, 10)
    assert Z == ["1"] * 20  # of large matrices zeros are not written


def test_crowded_labels_are_thinned() -> None:
    labels = [f"row {k}" for k in range(40)]
    ax = mt.plot.matrix(pd.DataFrame(np.eye(40), labels, labels))
    assert shown(ax.get_yticklabels()) == labels[::2]


def test_matrix_takes_a_vector_and_a_given_ax() -> None:
    left, _ = mt.plot.axes(1, 2)
    ax = mt.plot.matrix(pd.Series([1.5, 2.5], index=["a", "b"], name="y"), ax=left)
    assert ax is left
    assert ax.images[0].get_array().shape == (2, 1)
    assert shown(ax.get_yticklabels()) == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pd.DataFrame({"a": ["x", "y"]}), "numeric columns"),
        (np.zeros((2, 2, 2)), "two-dimensional"),
        (np.array([[1.0, np.nan]]), "1 entries of the matrix are missing"),
        (np.empty((0, 3)), "rows and columns"),
    ],
)
def test_what_is_no_matrix_is_refused(values, message) -> None:
    with pytest.raises(mt.DataError, match=message):
        mt.plot.matrix(values)


def test_design_shows_x_and_z(tablets) -> None:
    left, right = mt.plot.design(tablets)
    parts = tablets.matrices()
    np.testing.assert_array_equal(left.images[0].get_array(), parts.X)
    np.testing.assert_array_equal(right.images[0].get_array(), parts.Z)
    assert shown(left.get_yticklabels())[:2] == ["1 hplc", "1 nir"]
    assert shown(left.get_xticklabels()) == ["Intercept", "method[hplc]"]
    assert shown(right.get_xticklabels()) == [str(j) for j in range(1, 11)]
    assert "one column a tablet" in mt.plot.description(left.figure)


def test_design_shows_the_first_rows_and_their_groups(oats) -> None:
    left, right = mt.plot.design(oats, rows=24)
    assert left.images[0].get_array().shape == (24, 4)
    assert right.images[0].get_array().shape == (24, 2 + 6)
    assert "first 24 rows" in right.get_title(loc="left")
    with pytest.raises(mt.InferenceError, match="rows=0"):
        mt.plot.design(oats, rows=0)


# -- likelihoods -----------------------------------------------------------------------------------


def curve(ax, label: str) -> tuple[np.ndarray, np.ndarray]:
    line = next(line for line in ax.lines if line.get_label() == label)
    return line.get_xdata(), line.get_ydata()


def test_likelihood_of_theta_is_the_profiled_deviance(missing) -> None:
    ax = mt.plot.likelihood(missing, of="theta")
    for label, m in {"REML": missing, "ML": missing.by_ml()}.items():
        x, y = curve(ax, label)
        for k in (0, 40, 120):
            drop = m.profile_deviance([x[k]]) - m.deviance
            assert y[k] == pytest.approx(-drop / 2, abs=1e-9)
        assert f"{label}: {m.theta[0]:.2f}" in written(ax)


def test_likelihood_of_the_sd_falls_by_1_92_at_the_profile_limits(tablets) -> None:
    ax = mt.plot.likelihood(tablets.by_ml())
    x, y = curve(ax, "ML")
    limits = tablets.conf_int("profile").filter(like="sd", axis=0).iloc[0]
    for limit in limits[["lower", "upper"]]:
        assert np.interp(limit, x, y) == pytest.approx(-3.841459 / 2, abs=2e-3)
    assert {"REML: 0.299", "ML: 0.284"} <= set(written(ax))
    assert ax.get_xlabel() == r"sd of tablet, $\sigma_T$ [%]"


def test_likelihood_is_for_one_variance(oats) -> None:
    with pytest.raises(mt.InferenceError, match=r"use likelihood_contour"):
        mt.plot.likelihood(oats)
    with pytest.raises(mt.InferenceError, match=r"fitted by mt\.lmer"):
        mt.plot.likelihood(mt.lm("content ~ method", mt.load_tablets()))


def test_likelihood_knows_its_axes(tablets) -> None:
    with pytest.raises(mt.InferenceError, match="Did you mean 'theta'"):
        mt.plot.likelihood(tablets, of="teta")
    given = mt.plot.axes()
    assert mt.plot.likelihood(tablets, ax=given) is given


def deviance_by_hand(m: mt.MixedModel, sd: float, sigma: float) -> float:
    """The REML criterion at both standard deviations, from V itself."""
    y, X, Z = (part.to_numpy() for part in m.matrices()[:3])
    V = sd**2 * Z @ Z.T + sigma**2 * np.eye(len(y))
    A = X.T @ np.linalg.solve(V, X)
    rest = y - X @ np.linalg.solve(A, X.T @ np.linalg.solve(V, y))
    logs = np.linalg.slogdet(V)[1] + np.linalg.slogdet(A)[1]
    n, p = X.shape
    return logs + rest @ np.linalg.solve(V, rest) + (n - p) * np.log(2 * np.pi)


@pytest.mark.parametrize("which", ["tablets", "missing"])
def test_contours_are_those_of_the_criterion(which, request) -> None:
    m = request.getfixturevalue(which)
    ax = mt.plot.likelihood_contour(m, start=[0.2])
    lines = next(c for c in ax.collections if type(c).__name__ == "QuadContourSet" and not c.filled)
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        for sd, sigma in path.vertices[5:60:20]:
            above = deviance_by_hand(m, sd, sigma) - m.deviance
            assert above == pytest.approx(level, rel=0.02, abs=0.02)


def test_the_way_is_that_of_the_optimiser(tablets) -> None:
    ax = mt.plot.likelihood_contour(tablets, start=[0.2])
    path = tablets.optimizer_path(start=[0.2])
    way = next(line for line in ax.lines if len(line.get_xdata()) == len(path))
    np.testing.assert_allclose(way.get_xdata() / way.get_ydata(), path["theta"])
    for sd, sigma, value in zip(way.get_xdata(), way.get_ydata(), path["criterion"], strict=True):
        assert deviance_by_hand(tablets, sd, sigma) == pytest.approx(value, abs=1e-7)
    assert {"0", "1", "2", "3 to 5"} <= set(written(ax))
    assert "takes 5 steps" in mt.plot.description(ax.figure)


def test_contours_of_two_relative_sds(oats) -> None:
    given = mt.plot.axes()
    ax = mt.plot.likelihood_contour(oats, start=[0.1, 2.0], ax=given)
    assert ax is given
    assert ax.get_ylabel().startswith("sd of block:variety")
    way = next(line for line in ax.lines if len(line.get_xdata()) > 2)
    np.testing.assert_allclose([way.get_xdata()[-1], way.get_ydata()[-1]], oats.theta, atol=1e-6)


def test_three_variances_have_no_map() -> None:
    m = mt.lmer("Reaction ~ Days + (Days|Subject)", mt.load_sleepstudy())
    with pytest.raises(mt.InferenceError, match=r"one or two parameters.*has 3"):
        mt.plot.likelihood_contour(m)
