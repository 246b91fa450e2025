"""Kenward and Roger's method where theory is exact: Hotelling's T^2, known biases, equal models.

Kenward and Roger (1997, section 4) show that their F is Hotelling's where a covariance matrix is
free. Ours is computed in other parameters (ratios of standard deviations, correlations), in which
V is not linear: it reaches the same number only if the second derivatives *and* the bias of the
parameters (2009) enter as they should.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import special

import mixedteach as mt
from mixedteach.inference.kenward_roger import KenwardRoger
from mixedteach.inference.kenward_roger_nonlinear import KenwardRogerNonlinear

UN = {"correlation": mt.Unstructured("t", by="s"), "variance": mt.UnequalVariances("t")}


def subjects(seed: int, counts: dict[str, int], times: int):
    """Draw groups of subjects measured at all times; return the arrays and a long table."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(times, times))
    arrays, rows = {}, []
    for group, n in counts.items():
        Y = rng.normal(size=(n, times)) @ root + rng.normal(size=times)
        arrays[group] = Y
        rows += [(f"{group}{i}", group, f"t{j}", Y[i, j]) for i in range(n) for j in range(times)]
    return arrays, pd.DataFrame(rows, columns=["s", "g", "t", "y"])


@pytest.mark.parametrize(("n", "times"), [(12, 4), (7, 3), (30, 2)])
def test_one_sample_is_hotellings_t2(n, times):
    arrays, data = subjects(n, {"a": n}, times)
    Y = arrays["a"]
    mean, S = Y.mean(0), np.cov(Y.T)
    m = mt.gls("y ~ 0 + t", data, **UN)
    method = m.method("kenward-roger")
    np.testing.assert_allclose(method.cov, S / n, rtol=1e-7)
    differences = np.eye(times)[:-1] - np.eye(times)[1:]
    for L in (np.eye(times), differences, differences[:1], np.eye(times)[:1]):
        q = len(L)
        T2 = n * (L @ mean) @ np.linalg.solve(L @ S @ L.T, L @ mean)
        F, num, den, _ = method.test(L, m.fit.beta)
        assert num == q
        assert den == pytest.approx(n - q, rel=1e-8)
        assert pytest.approx(T2 * (n - q) / ((n - 1) * q), rel=1e-8) == F


def test_two_samples_are_hotellings_t2():
    arrays, data = subjects(5, {"a": 6, "b": 9}, 3)
    m = mt.gls("y ~ 0 + t:g", data, **UN)
    n = {name: len(Y) for name, Y in arrays.items()}
    nu = sum(n.values()) - 2
    S = sum((n[g] - 1) * np.cov(Y.T) for g, Y in arrays.items()) / nu
    gap = arrays["a"].mean(0) - arrays["b"].mean(0)
    scale = 1 / (1 / n["a"] + 1 / n["b"])
    names = list(m.params.index)
    L = np.zeros((3, len(names)))
    for j in range(3):
        L[j, names.index(f"t[t{j}]:g[a]")], L[j, names.index(f"t[t{j}]:g[b]")] = 1, -1
    parallel = np.array([[1.0, -1, 0], [0, 1, -1]])
    for C in (np.eye(3), parallel):
        q = len(C)
        T2 = scale * (C @ gap) @ np.linalg.solve(C @ S @ C.T, C @ gap)
        F, _, den, _ = m.method("kenward-roger").test(C @ L, m.fit.beta)
        assert den == pytest.approx(nu - q + 1, rel=1e-8)
        assert pytest.approx(T2 * (nu - q + 1) / (nu * q), rel=1e-8) == F
    # the test of the time by group interaction, as a reader asks for it
    own = mt.gls("y ~ t*g", data, **UN).anova(ddf="kenward-roger").loc["t:g"]
    assert own["F"] == pytest.approx(F, rel=1e-7)
    assert own["den_df"] == pytest.approx(nu - 1, rel=1e-7)


class _Of1997(KenwardRogerNonlinear):
    """Without the bias of the parameters."""

    def _curvature(self, P):
        pairs, R, _ = self.fit.curvature
        weight = np.array([self.W[r, s] * (1 if r == s else 2) for r, s in pairs])
        return 0.25 * np.einsum("m,mij->ij", weight, R)


def test_either_part_alone_is_not_exact():
    """In these parameters the second derivatives without the bias miss S / n; so the test bites."""
    arrays, data = subjects(12, {"a": 12}, 4)
    fit = mt.gls("y ~ 0 + t", data, **UN).fit
    exact = np.cov(arrays["a"].T) / 12
    errors = [
        np.abs(method(fit).cov / exact - 1).max()
        for method in (KenwardRogerNonlinear, _Of1997, KenwardRoger)
    ]
    assert errors[0] < 1e-7
    assert errors[1] > 0.01
    # V is linear in its own entries, and there the terms vanish: leaving out both is right as well
    assert errors[2] < 1e-7


def test_the_bias_of_a_ratio_of_variances():
    """b_r is the bias of log(s_b / s_a), known exactly: (psi(nu_b / 2) - log(nu_b / 2) - ...) / 2.

    To first order (1 / nu_a - 1 / nu_b) / 2; sigma^2 = s_a^2 itself is unbiased.
    """
    rng = np.random.default_rng(1)
    n = {"a": 41, "b": 16}
    data = pd.DataFrame({"f": np.repeat(list(n), list(n.values())), "y": rng.normal(size=57)})
    m = mt.gls("y ~ f", data, variance=mt.UnequalVariances("f"))
    method = KenwardRogerNonlinear(m.fit)
    pairs, _, traces = m.fit.curvature
    weight = np.array([method.W[r, s] * (1 if r == s else 2) for r, s in pairs])
    bias = -0.25 * method.W @ (weight @ traces)
    first = (1 / 40 - 1 / 15) / 2
    np.testing.assert_allclose(bias, [0, first], atol=1e-10)

    def of_log_sd(nu):
        return (special.psi(nu / 2) - np.log(nu / 2)) / 2

    assert of_log_sd(15) - of_log_sd(40) == pytest.approx(first, rel=0.1)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(
    "structure",
    [mt.AR1("t", by="s"), mt.CAR1("t", by="s"), mt.Unstructured("t", by="s"),
     mt.CompoundSymmetry("s")],
    ids=["AR1", "CAR1", "Unstructured", "CompoundSymmetry"],
)  # fmt: skip
def test_two_times_are_a_random_intercept(structure, reml):
    """One correlation, whatever it is called: the model is (1|s), rows missing or not."""
    rng = np.random.default_rng(2)
    s, t = np.repeat(np.arange(14), 2), np.tile([1.0, 4.0], 14)
    x = rng.normal(size=28)
    data = pd.DataFrame({"s": s.astype(str), "t": t, "x": x, "g": np.where(s < 6, "a", "b")})
    data["y"] = x + rng.normal(size=14)[s] + rng.normal(size=28)
    data = data.drop(index=[3, 8, 21])
    one = mt.gls("y ~ x + g", data, correlation=structure, reml=reml)
    other = mt.lmer("y ~ x + g + (1|s)", data, reml=reml)
    assert other.theta[0] > 0.3
    assert one.llf == pytest.approx(other.llf, abs=1e-9)
    for ddf in ("satterthwaite", *(["kenward-roger"] if reml else [])):
        columns = ["estimate", "SE", "t", "p"]
        np.testing.assert_allclose(
            one.coefficients(ddf)[columns], other.coefficients(ddf)[columns], rtol=1e-5
        )
    if reml:
        np.testing.assert_allclose(
            one.cov_params("kenward-roger"), other.cov_params("kenward-roger"), rtol=1e-7
        )
        tests = ["num_df", "den_df", "F", "p"]  # sums of squares are in units of sigma^2
        own = [m.anova(ddf="kenward-roger")[tests] for m in (one, other)]
        np.testing.assert_allclose(*own, rtol=1e-5)
