r"""Power: how often an experiment, done again and again, would find what is there.

An experiment is a table (who is measured, where, how often), fixed effects and variances; all
three come from a fitted model, or are written down. Responses are drawn from it, the model is
fitted to each, the test is made; the share of p-values below alpha is the power. Where theory
gives the answer, it is computed instead, and the caption says so.

==================  ============================================================
``planned.py``      an experiment written down: :func:`crossed`, :func:`planned`
``designs.py``      more groups, more readings, larger effects
``residuals.py``    residuals that are correlated or have unequal variances
``questions.py``    which test is made of a fit, and its p-value
``exact.py``        power by formula, in balanced blocks
``simulation.py``   replicates in chunks, on one core, several, or a cluster
``curve.py``        :func:`power_curve`, :func:`power_of` and their table
==================  ============================================================

Sources: Cohen (1988), Statistical Power Analysis for the Behavioral Sciences; Searle, Casella and
McCulloch (1992), Variance Components, chapter 3; Martin, Nussey, Wilson and Reale (2011), Methods
in Ecology and Evolution 2, 362-374 (the R package pamm); Green and MacLeod (2016), the same 7,
493-498 (simr).
"""
