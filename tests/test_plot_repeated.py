"""Pictures of repeated measures: what is drawn, against the data and against algebra."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mixedteach as mt

WHO = {"x": "night", "subject": "Subject", "response": "Reaction"}
BY = {"time": "night", "by": "Subject"}


@pytest.fixture(autouse=True)
def _tidy():
    before = dict(plt.rcParams)
    yield
    plt.close("all")
    assert dict(plt.rcParams) == before


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    data = mt.load_sleepstudy().query("Days >= 2")
    return data.assign(night=data["Days"] - 2)


@pytest.fixture(scope="module")
def models(sleep) -> dict[str, mt.MixedModel]:
    near = mt.AR1("night", by="Subject")
    return {
        "level": mt.lmer("Reaction ~ night + (1|Subject)", sleep),
        "ar1": mt.gls("Reaction ~ night", sleep, correlation=near),
        "slopes": mt.lmer("Reaction ~ night + (night|Subject)", sleep),
        "both": mt.lmer("Reaction ~ night + (night|Subject)", sleep, correlation=near),
    }


def by_hand(m: mt.MixedModel, nights: np.ndarray) -> np.ndarray:
    """V of a person, from the parameters that the tables show."""
    R = m.residual_covariance(range(8))
    if not m.random:
        return R
    part = m.variance_components["variance"].to_numpy()
    if len(part) == 2:
        return R + part[0]
    level, slope, both = part[:3]
    s, t = np.meshgrid(nights, nights)
    return R + level + both * (s + t) + slope * s * t


# -- trajectories ----------------------------------------------------------------------------------


def test_readings_are_joined_in_order_of_time(sleep) -> None:
    ax = mt.plot.trajectories(sleep.sample(frac=1, random_state=1), **WHO)
    assert len(ax.lines) == 19
    wide = sleep.pivot(index="Subject", columns="night", values="Reaction")
    for line, (_, own) in zip(ax.lines, wide.iterrows(), strict=False):
        np.testing.assert_array_equal(line.get_xdata(), range(8))
        np.testing.assert_allclose(line.get_ydata(), own)
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), wide.mean())
    words = mt.plot.description(ax.figure)
    assert "144 readings of Reaction by night, joined for each of 18 levels of Subject" in words
    assert "standard deviation from 29.5 to 67.0 ms" in words


def test_straight_lines_are_those_of_least_squares(sleep) -> None:
    ax = mt.plot.trajectories(sleep, straight=True, **WHO)
    slopes = [np.diff(line.get_ydata())[0] / 7 for line in ax.lines[:-1]]
    own = [
        mt.lm("Reaction ~ night", one).params["night"]
        for _, one in sleep.groupby("Subject", observed=True)
    ]
    np.testing.assert_allclose(slopes, own)
    mean = mt.lm("Reaction ~ night", sleep).params
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), mean.iloc[0] + mean.iloc[1] * np.r_[0, 7])
    assert "from -4.21 (Subject 335) to 23.3 ms per unit of night (Subject 350)" in (
        mt.plot.description(ax.figure)
    )


def test_subjects_with_one_reading_have_no_line_and_gaps_are_left_out(sleep) -> None:
    some = sleep.drop(sleep[(sleep["Subject"] == "308") & (sleep["night"] > 0)].index)
    assert len(mt.plot.trajectories(some, straight=True, **WHO).lines) == 18
    some = sleep.assign(Reaction=sleep["Reaction"].where(sleep["night"] != 3))
    ax = mt.plot.trajectories(some, **WHO)
    assert len(ax.lines[0].get_xdata()) == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": "Subject", "subject": "Days"}, "holds names, not numbers"),
        ({"x": "nigth"}, "Did you mean 'night'"),
        ({"x": "Reaction"}, "name two different columns"),
        ({"response": "Subject", "subject": "Days"}, "holds names"),
    ],
)
def test_trajectories_refuse(sleep, change, message) -> None:
    with pytest.raises(mt.DataError, match=message):
        mt.plot.trajectories(sleep, **{**WHO, **change})


def test_trajectories_refuse_single_readings(sleep) -> None:
    with pytest.raises(mt.DataError, match="no line to draw"):
        mt.plot.trajectories(sleep[sleep["night"] == 0], **WHO)


# -- covariances of the data and of models ---------------------------------------------------------


def test_structures_draw_the_data_and_what_models_imply(sleep, models) -> None:
    ax = mt.plot.structures(*models.values(), labels=list(models), **BY)
    assert [own.get_title("left") for own in ax] == ["data", *models]
    wide = sleep.pivot(index="Subject", columns="night", values="Reaction")
    np.testing.assert_allclose(ax[0].images[0].get_array(), wide.cov())
    for own, m in zip(ax[1:], models.values(), strict=True):
        np.testing.assert_allclose(own.images[0].get_array(), by_hand(m, np.arange(8)))
    assert len({own.images[0].norm.vmax for own in ax}) == 1  # one scale
    assert "level: variances from 2660 (first) to 2660 (last), all covariances 1747." in (
        mt.plot.description(ax[0].figure)
    )


def test_correlations_are_scaled_covariances(sleep, models) -> None:
    ax = mt.plot.structures(models["ar1"], kind="correlation", labels=["AR(1)"], **BY)
    phi = models["ar1"].residual_parameters.loc["phi", "estimate"]
    lag = np.abs(np.subtract.outer(range(8), range(8)))
    np.testing.assert_allclose(ax[1].images[0].get_array(), phi**lag)
    wide = sleep.pivot(index="Subject", columns="night", values="Reaction")
    np.testing.assert_allclose(ax[0].images[0].get_array(), wide.corr())


def test_few_times_have_their_numbers_written() -> None:
    d = mt.load_orthodont()
    m = mt.gls("distance ~ age*Sex", d, correlation=mt.CompoundSymmetry(by="Subject"))
    ax = mt.plot.structures(m, time="age", by="Subject", kind="correlation")
    assert [text.get_text() for text in ax[1].texts][:4] == ["1.00", "0.63", "0.63", "0.63"]
    assert len(ax[0].figure.axes) == 2  # no bar of colours then
    # residuals from the lines of both sexes: readings differ by sex, too
    left = d["distance"] - mt.lm("distance ~ age*Sex", d).fittedvalues
    wide = d.assign(left=left).pivot(index="Subject", columns="age", values="left")
    np.testing.assert_allclose(ax[0].images[0].get_array(), wide.corr())


def test_sd_by_time_and_correlation_by_lag(sleep, models) -> None:
    wide = sleep.pivot(index="Subject", columns="night", values="Reaction")
    ax = mt.plot.sd_by_time(*models.values(), labels=list(models), **BY)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), wide.std())
    for line, m in zip(ax.lines[1:], models.values(), strict=True):
        V = by_hand(m, np.arange(8))
        np.testing.assert_allclose(line.get_ydata(), np.sqrt(np.diag(V)))
    ax = mt.plot.correlation_by_lag(*models.values(), labels=list(models), **BY)
    R = wide.corr().to_numpy()
    assert len(ax.lines[0].get_xdata()) == 28
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [np.diag(R, k).mean() for k in range(1, 8)])
    phi = models["ar1"].residual_parameters.loc["phi", "estimate"]
    np.testing.assert_allclose(ax.lines[3].get_ydata(), phi ** np.arange(1.0, 8))
    words = mt.plot.description(ax.figure)
    assert "distance in night, 1 to 7: data 0.819 to 0.423; level 0.657 to 0.657;" in words


def test_unequal_distances_and_missing_readings(sleep) -> None:
    some = sleep[sleep["night"].isin([0, 1, 4])].drop(sleep.index[sleep["night"] == 4][:5])
    m = mt.gls("Reaction ~ night", some, correlation=mt.CAR1("night", by="Subject"))
    ax = mt.plot.correlation_by_lag(m, **BY)
    phi = m.residual_parameters.loc["phi", "estimate"]
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), [1, 3, 4])
    np.testing.assert_allclose(ax.lines[2].get_ydata(), phi ** np.array([1.0, 3, 4]))
    assert mt.plot.structures(m, **BY)[0].images[0].get_array().shape == (3, 3)


def test_names_as_times_have_a_matrix_but_no_distances() -> None:
    planks = mt.load_planks().groupby(["plank", "width"], observed=True)["humidity"].mean()
    m = mt.gls("humidity ~ width", planks.reset_index(),
               correlation=mt.Unstructured("width", by="plank"),
               variance=mt.UnequalVariances("width"))  # fmt: skip
    ax = mt.plot.structures(m, time="width", by="plank")
    # all is free, and the fixed part, too: the model says what the data say
    np.testing.assert_allclose(ax[1].images[0].get_array(), ax[0].images[0].get_array(), rtol=1e-5)
    assert mt.plot.sd_by_time(m, time="width", by="plank").lines
    with pytest.raises(mt.DataError, match="no distances"):
        mt.plot.correlation_by_lag(m, time="width", by="plank")


@pytest.mark.parametrize("name", ["structures", "correlation_by_lag", "sd_by_time"])
def test_refusals(name, sleep, models) -> None:
    draw, m = getattr(mt.plot, name), models["level"]
    with pytest.raises(mt.InferenceError, match="1 to 5 models, not 0"):
        draw(**BY)
    with pytest.raises(mt.InferenceError, match="draws models fitted by"):
        draw("m", **BY)
    with pytest.raises(mt.InferenceError, match="different rows"):
        draw(m, mt.lmer("Reaction ~ night + (1|Subject)", sleep[sleep["night"] > 1]), **BY)
    with pytest.raises(mt.DataError, match="Did you mean 'night'"):
        draw(m, time="nigth", by="Subject")
    with pytest.raises(mt.InferenceError, match="a name for each model"):
        draw(m, labels=["a", "b"], **BY)
    machines = mt.lmer("score ~ Machine + (1|Worker)", mt.load_machines())
    with pytest.raises(mt.DataError, match="more than one row at"):
        draw(machines, time="Machine", by="Worker")
    with pytest.raises(mt.DataError, match="144 different values"):
        draw(m, time="Reaction", by="Subject")
    half = sleep["Subject"].isin(sleep["Subject"].unique()[:9])
    few = sleep[np.where(half, sleep["night"] > 0, sleep["night"] < 7)]
    nobody = mt.lmer("Reaction ~ night + (1|Subject)", few)
    with pytest.raises(mt.DataError, match="No Subject was measured at every night"):
        draw(nobody, **BY)


def test_structures_need_an_axes_for_the_data_too(models) -> None:
    with pytest.raises(mt.InferenceError, match="1 Axes, but 2 are needed"):
        mt.plot.structures(models["level"], ax=[mt.plot.axes()], **BY)


# -- normalised residuals --------------------------------------------------------------------------


def test_normalised_residuals_by_a_factor(models) -> None:
    ax = mt.plot.residuals(models["ar1"], by="night", normalised=True)
    drawn = np.sort(
        np.concatenate([line.get_ydata() for line in ax.lines if line.get_marker() == "o"])
    )
    np.testing.assert_allclose(drawn, np.sort(models["ar1"].normalised_resid))
    assert ax.get_ylabel() == "Normalised residual"
    raw = mt.plot.residuals(models["ar1"], by="night")
    drawn = np.sort(np.concatenate([li.get_ydata() for li in raw.lines if li.get_marker() == "o"]))
    np.testing.assert_allclose(drawn, np.sort(models["ar1"].resid))
    assert raw.get_ylabel() == "Residual [ms]"


def test_without_a_structure_normalised_means_divided_by_sigma(models) -> None:
    m = models["level"]
    ax = mt.plot.residuals(m, normalised=True)
    drawn = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(drawn.get_ydata(), m.resid / m.sigma)
