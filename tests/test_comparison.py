"""Comparison of models: what R does not print, or what R gets by other means."""

import numpy as np
import pytest

import mixedteach as mt


def test_units_and_coding_do_not_change_a_comparison_by_reml() -> None:
    sleep = mt.load_sleepstudy().assign(milli=lambda d: d["Days"] * 1000)
    small = mt.lmer("Reaction ~ Days + (1|Subject)", sleep)
    large = mt.lmer("Reaction ~ Days + (Days|Subject)", sleep)
    other = mt.lmer("Reaction ~ milli + (Days|Subject)", sleep)
    same, turned = mt.compare(small, large), mt.compare(small, other)
    np.testing.assert_allclose(same["LRT"].iloc[1], turned["LRT"].iloc[1], rtol=1e-9)
    machines = mt.load_machines()
    one = mt.lmer("score ~ Machine + (1|Worker)", machines)
    sums = mt.lmer("score ~ C(Machine, Sum) + (1|Worker) + (1|Worker:Machine)", machines)
    plain = mt.lmer("score ~ Machine + (1|Worker) + (1|Worker:Machine)", machines)
    expected = 2 * (plain.llf - one.llf)
    assert mt.compare(one, sums)["LRT"].iloc[1] == pytest.approx(expected, rel=1e-9)


def test_a_linear_model_may_be_compared() -> None:
    oats = mt.load_oats()
    linear, mixed = mt.lm("yield ~ nitrogen", oats), mt.lmer("yield ~ nitrogen + (1|block)", oats)
    table = mt.compare(mixed, linear)
    assert table["npar"].tolist() == [5, 6]
    # the same test as that of the random effect
    ranova = mixed.ranova()
    assert table["LRT"].iloc[1] == pytest.approx(ranova["LRT"].iloc[1], rel=1e-10)
    assert any("too large" in note for note in table.notes)
    # by ML against another mean: R's anova(m, lm(...)) refits, too
    by_ml = mt.compare(mt.lm("yield ~ 1", oats), mixed)
    assert by_ml["loglik"].iloc[0] == pytest.approx(mt.lm("yield ~ 1", oats).llf, rel=1e-12)
    assert by_ml["loglik"].iloc[1] == pytest.approx(mixed.by_ml().llf, rel=1e-12)
