"""The classic mistakes: a short stable name for each, and what is wrong with it in general.

A question says which of them apply to it and computes what each would give; what is special to the
question is added there. Names do not change: teachers count them over a whole class.
"""

from __future__ import annotations

MISTAKES: dict[str, str] = {
    # -- the structure of the experiment is lost --
    "blocks_ignored": "this is what one gets when the readings are taken for independent, as if "
    "each came from an object of its own: what readings of one object have in common is ignored",
    "strata_missing": "the random effect of the object alone is not enough: the treatment differs "
    "from object to object by chance, too, and it must be compared with that",
    "blocks_fixed": "here the objects are fixed effects: the statement holds for these objects "
    "only, where one about all objects of this kind is asked",
    "pseudoreplication": "repeated readings of one object were counted as new objects",
    "unpaired": "this compares two separate groups; here both readings come from the same subject",
    "crossed_as_nested": "crossed factors were fitted as nested ones, or the reverse",
    "slope_missing": "the subjects differ in their slopes, too: a random intercept is not enough",
    "complete_cases": "the incomplete objects were thrown away, though they say something, too",
    "missing_as_zero": "missing values were counted as zeros",
    "covariate_for_factor": "the factor was used as a number: one straight line through all levels "
    "instead of a mean for each",
    "interaction_missing": "the interaction is not in the model",
    "term_missing": "a term that the design asks for is not in the model",
    "term_extra": "the model has a term that is not asked for",
    # -- the wrong number of the right analysis --
    "sign_turned": "the sign is turned: the difference was taken the other way round",
    "reference_turned": "the other level is the reference here",
    "adjacent_cell": "this is another cell of the right table",
    "wrong_row": "this is the right column, in another row",
    "variance_for_sd": "this is the variance; the standard deviation, its square root, is asked",
    "sd_for_variance": "this is the standard deviation; the variance, its square, is asked",
    "sd_for_se": "this is the standard deviation of single values; the standard error is asked",
    "se_of_mean": "this is the standard error of one mean; that of a difference is asked",
    "se_of_difference": "this is the standard error of a difference; that of one mean is asked",
    "percent": "this is a percentage; the proportion is asked (or the reverse)",
    "ratio_inverted": "the ratio is upside down",
    "within_only": "this is the residual variance alone",
    "between_only": "this is the variance between objects alone",
    "rounded_early": "numbers were rounded on the way: round the result only",
    "rounded": "the right number, but rounded too much: give more decimals",
    # -- tests --
    "z_for_t": "this is the z test: it takes the estimated variances for known, and its p is too "
    "small in small experiments; use t (or F) with its degrees of freedom",
    "residual_df": "these are the residual degrees of freedom, number of readings minus number of "
    "coefficients, as if all readings were independent",
    "wrong_denominator": "the F test has another denominator here",
    "one_sided": "this is the one-sided p; the two-sided is asked",
    "two_sided": "this is the two-sided p",
    "unadjusted": "this p is not adjusted for the number of comparisons",
    "bonferroni": "this p is adjusted by Bonferroni's method; Tukey's is asked",
    "tukey_for_single": "this p is adjusted for all pairs; one planned comparison is asked",
    "type3_treatment": "this is the marginal test under treatment coding: it tests the factor at "
    "the reference level of the other factor, not on average",
    "type1_order": "this is the sequential (type I) test: it depends on the order of the terms",
    "chi2_for_f": "this is the chi-squared test: it takes the variances for known",
    "halved_p": "p was halved; that is for a single variance tested against zero",
    "not_halved": "p was not halved: a variance cannot be negative, so only one side counts",
    # -- likelihood --
    "ml_for_reml": "this is the estimate by ML, which is too small in small samples; REML is asked",
    "reml_for_ml": "this is the estimate by REML; ML is asked",
    "reml_compared": "REML likelihoods of models with different fixed effects cannot be compared",
    "deviance_for_loglik": "this is -2 log-likelihood, not the log-likelihood itself",
    "loglik_for_lr": "twice the difference of log-likelihoods is asked, not the difference",
    # -- predictions --
    "not_shrunk": "this is the object's own mean (or line): no shrinkage",
    "deviation_for_level": "this is the deviation from the common mean; the level itself is asked",
    "level_for_deviation": "this is the level itself; the deviation from the common mean is asked",
    "shrunk_too_much": "this is shrunk as if the object had been read once only",
    # -- pictures --
    "axes_exchanged": "what is along the axis and what makes the lines are exchanged",
    "wrong_average": "the picture shows means over something else than asked",
    "raw_lines": "the picture shows single readings where means are asked",
    # -- choices --
    "wrong_choice": "this is not the right choice",
}
