"""The classic mistakes: a short stable name for each, and what is wrong with it in general.

A question says which of them apply to it and computes what each would give; what is special to the
question is added there. Names do not change: teachers count them over a whole class.
"""

from __future__ import annotations

MISTAKES: dict[str, str] = {
    # -- the structure of the experiment is lost --
    "blocks_ignored": "this is what one gets when all readings are taken for independent, as if "
    "each came from another plank (tablet, person, ...): what those of one share is ignored",
    "strata_missing": "a random effect for the level of each plank (block, ...) is not enough: "
    "the treatment's effect differs between them by chance, too, and must be compared with that",
    "blocks_fixed": "the planks (blocks, persons, ...) are fixed effects here: the statement holds "
    "for these only, where one about all of their kind is asked",
    "fixed_as_random": "a factor whose levels are compared for their own sake is taken as random",
    "roles_exchanged": "what is fixed and what is random are exchanged",
    "blocks_random": "the objects are random effects here; a model in which they are fixed is "
    "asked",
    "pseudoreplication": "repeated readings of one object were counted as new objects",
    "unpaired": "this compares two separate groups; here both readings come from the same subject",
    "crossed_as_nested": "crossed factors were fitted as nested ones, or the reverse",
    "slope_missing": "the subjects differ in their slopes, too: a random intercept is not enough",
    "complete_cases": "the incomplete objects were thrown away, though they say something, too",
    "missing_as_zero": "missing values were counted as zeros",
    "gaps_filled": "gaps were filled with means: invented readings were counted as measured",
    "covariate_for_factor": "the factor was used as a number: one straight line through all levels "
    "instead of a mean for each",
    "interaction_missing": "the interaction is not in the model",
    "term_missing": "a term that the design asks for is not in the model",
    "sides_exchanged": "what was measured belongs at the left of the ~, what explains it at the "
    "right",
    "term_extra": "the model has a term that is not asked for",
    "uncorrelated": "intercepts and slopes of one object were taken for uncorrelated here",
    "factor_for_covariate": "the number was used as a factor: a mean for each value instead of a "
    "line",
    "part_of_data": "only a part of the data was used; the rest says something about the "
    "variances, too",
    "other_levels": "other levels of the factor are compared here than those that are asked",
    "lesson_data": "this comes from the lesson's data, not from this exercise's: these are what "
    "mt.exercise_data(...) returns",
    # -- the wrong number of the right analysis --
    "sign_turned": "the sign is turned: the difference was taken the other way round",
    "reference_turned": "the other level is the reference here",
    "adjacent_cell": "this is another cell of the right table",
    "wrong_row": "this is the right column, in another row",
    "difference_for_level": "this is the difference from the reference level; the value at the "
    "level itself is asked",
    "raw_means": "these are plain means of the readings that are there, in which the levels of the "
    "other factor do not count alike",
    "all_levels": "here every level of a factor has a column in X, and the columns add up to one "
    "another; that of the reference level is left out",
    "reference_dropped": "a level was left out as reference; random effects have none, each object "
    "has its own column",
    "rows_for_columns": "these are the rows, one a reading; the columns are asked",
    "variance_for_sd": "this is the variance; the standard deviation, its square root, is asked",
    "sd_for_variance": "this is the standard deviation; the variance, its square, is asked",
    "sd_for_se": "this is the standard deviation of single values; the standard error is asked",
    "one_reading": "this is a single reading; the mean of several is asked",
    "median_for_mean": "this is the median; the mean is asked",
    "sum_for_mean": "this is the sum; the mean is asked",
    "sd_for_mean": "this is the standard deviation; the mean is asked",
    "se_not_adjusted": "the standard error is the plain one; Kenward and Roger's takes into "
    "account that the variances are estimated",
    "se_of_all_parameters": "this standard error takes the variances for parameters estimated "
    "together with the means (statsmodels prints it); mixedteach, lme4 and nlme take the variances "
    "as they are",
    "sd_by_n": "this standard deviation was divided by n; divide by n - 1, since the mean is "
    "estimated",
    "se_of_mean": "this is the standard error of one mean; that of a difference is asked",
    "se_of_difference": "this is the standard error of a difference; that of one mean is asked",
    "percent": "this is in percent; the number itself is asked",
    "ratio_inverted": "the ratio is upside down",
    "ratio_for_difference": "this is a ratio; the difference is asked",
    "plus_minus_se": "this is the estimate plus and minus one standard error; the 95% interval is "
    "asked",
    "interval_90": "this is the 90% interval (t for one-sided 5%); the 95% interval is asked",
    "one_level_only": "this is computed from the readings of one level alone",
    "within_only": "this is the residual variance alone",
    "between_only": "this is the variance between objects alone",
    "icc_for_ratio": "this is the share of the variance that lies between objects; the ratio of "
    "the two standard deviations is asked",
    "correlation_for_covariance": "this is the correlation; the covariance is asked",
    "covariance_for_correlation": "this is the covariance; the correlation is asked",
    "raw_correlation": "this is the correlation of the readings themselves; what the fixed effects "
    "explain is in it, too",
    "raw_sd": "this is the spread of the readings themselves; that of the residuals is asked",
    "estimates_for_effects": "how two estimates go together (in new studies) and how the random "
    "effects do (from child to child) are taken one for the other",
    "predictions_for_effects": "this is computed from the predicted random effects, which are "
    "shrunk; the model's own estimate is asked",
    "wrong_centre": "the covariate is counted from another value than the one asked for",
    "covariance_forgotten": "the covariance of the two estimates was left out: the variance of a "
    "sum holds it twice",
    "se_added": "standard errors do not add up: variances do, with twice the covariance",
    "balanced_formula": "this formula is for complete, balanced data; some readings are lost here",
    "total_variance": "this is the variance of one reading; what two readings share is asked",
    "part_to_part": "this is the ratio of the two variances; the share of the total is asked",
    "variance_of_means": "this is the spread of means of readings, which contains errors as well",
    "difference_for_mean": "these are differences from the reference level; the means are asked",
    "plain_means": "these are plain means: each group of readings comes from other objects",
    "one_group_alone": "this uses the readings of this group alone; the model learns the variance "
    "from all groups",
    "wrong_n": "the variance is divided by another number than that of the readings averaged",
    "rounded_early": "numbers were rounded on the way: round the result only",
    "rounded": "the right number, but rounded too much: give more decimals",
    # -- tests --
    "z_for_t": "this is the z test: it takes the estimated variances for known, and its p is too "
    "small in small experiments; use t (or F) with its degrees of freedom",
    "residual_df": "these are the residual degrees of freedom, number of readings minus number of "
    "coefficients, as if all readings were independent",
    "other_df": "these degrees of freedom are those of another method than the one asked for",
    "n_for_df": "these are not the degrees of freedom but how many there are: the mean that is "
    "estimated takes one away",
    "wrong_count": "these degrees of freedom count something else than the independent pieces of "
    "information",
    "num_df_for_den": "these are the degrees of freedom of the numerator; those of the denominator "
    "are asked",
    "parameters_for_df": "this is the number of parameters of a model; the degrees of freedom of "
    "the test are how many more one model has than the other",
    "wrong_denominator": "the F test has another denominator here",
    "one_sided": "this is the one-sided p; the two-sided is asked",
    "unadjusted": "this p is not adjusted for the number of comparisons",
    "bonferroni": "this p is adjusted by Bonferroni's method; Tukey's is asked",
    "type3_treatment": "this is the marginal test under treatment coding: it tests the factor at "
    "the reference level of the other factor, not on average",
    "type1_order": "this is the sequential (type I) test: it depends on the order of the terms",
    "type2_for_type3": "this is the type II test, which weighs cells by their readings; the type "
    "III test, in which all levels of the other factor count alike, is asked",
    "chi2_for_f": "this is the chi-squared test: it takes the variances for known",
    "single_pair": "this is a test of the two groups alone, as if nothing else had been compared",
    "one_level": "this holds at one level of another factor; the average over its levels is asked",
    "tests_zero": "this tests whether the true value is zero; another value is asked",
    "halved_p": "p was halved; that is for a single variance tested against zero",
    # -- likelihood --
    "ml_for_reml": "this is the estimate by ML, which is too small in small samples; REML is asked",
    "reml_for_ml": "this is the estimate by REML; ML is asked",
    "reml_compared": "REML likelihoods of models with different fixed effects cannot be compared",
    "deviance_for_loglik": "this is -2 log-likelihood, not the log-likelihood itself",
    "loglik_for_lr": "twice the difference of log-likelihoods is asked, not the difference",
    "f_for_lr": "this is the F test of the term; the likelihood ratio is asked",
    "reml_refused": "where the fixed effects are the same, REML likelihoods may be compared, too",
    # -- residual structures --
    "boundary_ignored": "a variance cannot be negative: without it the statistic is often zero, or "
    "smaller than this chi-squared takes it for",
    "other_structure": "this comes from another covariance structure than the one asked for",
    "wrong_lag": "AR(1) counts visits: two years from one to the next are one step, not two",
    "bic_for_aic": "this is BIC; AIC is asked",
    "loglik_for_aic": "this is the log-likelihood; AIC is -2 log-likelihood plus two for each "
    "parameter",
    "deviance_for_aic": "this is -2 log-likelihood; AIC adds two for each parameter",
    "other_count": "the parameters are counted in another way",
    # -- planning --
    "sd_of_one": "this is made with the standard deviation of one value (or mean); that of a "
    "difference of two is larger: variances add up",
    "sd_of_difference": "this is made with the standard deviation of differences within an object; "
    "separate groups have no such differences",
    "se_for_sd": "this standard deviation was divided by the root of the pilot's number of "
    "objects: that is a standard error",
    "between_forgotten": "the differences between objects were left out: where groups are "
    "separate, they do not cancel",
    "paired_for_unpaired": "this is the plan in which every object gets both; the groups are "
    "separate here",
    "total_for_group": "the number in all and that in each group are taken one for the other",
    "rounded_down": "this many do not quite reach the power: round up",
    "not_whole": "nobody can measure a part of a worker: round up, and give the power of that many",
    "beta_for_power": "this is the chance to miss the difference; power is one minus it",
    "wrong_effect": "this is planned for another difference than the one that matters",
    "observed_effect": "this takes the difference that the pilot happened to find; a plan is for "
    "the difference that would matter",
    "wrong_alpha": "this test has another alpha than the one asked for",
    "wrong_cost": "the cost is added up in another way",
    "dearer_design": "this design reaches the power, but another one does so for less money",
    "q_for_t": "this is Tukey's q, which belongs to the root of two times |t|",
    "interval_for_se": "this is half of a 95% interval; the standard error is asked",
    # -- predictions --
    "not_shrunk": "this is the object's own mean (or line): no shrinkage",
    "deviation_for_level": "this is the deviation from the common mean; the level itself is asked",
    "level_for_deviation": "this is the level itself; the deviation from the common mean is asked",
    "shrunk_too_much": "this is shrunk as if the object had been read once only",
    # -- pictures --
    "axes_exchanged": "what is along the axis and what makes the lines are exchanged",
    "wrong_average": "the picture shows means over something else than asked",
    "raw_lines": "the picture shows single readings where means are asked",
    "model_means": "the picture shows means that a model estimates, where means of the readings "
    "are asked",
    "means_only": "the picture shows means only, where a line for each object is asked",
    "differences_drawn": "the picture shows differences, where the readings themselves are asked",
    # -- choices --
    "wrong_choice": "this is not the right choice",
}
