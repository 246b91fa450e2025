# R's numbers for the tests.
#
#   Rscript make_reference.R                 extra_reference.json and cases/extra_*.csv,
#                                            then a check of r_reference.json (nothing overwritten)
#   Rscript make_reference.R extra           only extra_reference.json and its data
#   Rscript make_reference.R check           only the check of r_reference.json
#   Rscript make_reference.R reference FILE  the regenerated r_reference.json, written to FILE
#   Rscript make_reference.R extra ID ...    some models only, printed
#
# Data: ../../datasets (or the directory named by MIXEDTEACH_DATASETS) and cases/.

suppressPackageStartupMessages({
  library(nlme); library(lme4); library(lmerTest); library(pbkrtest)
  library(emmeans); library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.poly"), warn = 1, width = 120)
Sys.setenv(OMP_NUM_THREADS = "1", OPENBLAS_NUM_THREADS = "1")
emm_options(pbkrtest.limit = 5000, lmerTest.limit = 5000, msg.nesting = FALSE,
            msg.interaction = FALSE)

here <- local({
  file <- grep("^--file=", commandArgs(FALSE), value = TRUE)
  if (length(file)) dirname(normalizePath(sub("^--file=", "", file[1]))) else getwd()
})
cases_dir <- file.path(here, "cases")
data_dir <- Sys.getenv("MIXEDTEACH_DATASETS", file.path(here, "..", "..", "datasets"))


# ---- the optimiser -----------------------------------------------------------
# Bobyqa from several starts to rhoend 1e-11, then a few Newton steps on the
# thetas inside their bounds: a minimum found from function values alone is only
# good to the square root of the machine's precision.

central <- c(4/5, -1/5, 4/105, -1/280)   # eighth-order central difference

gradient <- function(fn, z, step) {
  sapply(seq_along(z), function(i) {
    sum(sapply(1:4, function(k) {
      up <- down <- z
      up[i] <- z[i] + k * step; down[i] <- z[i] - k * step
      central[k] * (fn(up) - fn(down))
    })) / step
  })
}

# Steps are taken in coordinates z = inverse(root) (theta - optimum), in which
# the Hessian is about the identity: narrow valleys cost no digits.
newton_polish <- function(fn, par, free) {
  if (!any(free)) return(par)
  p <- par[free]
  f <- function(z) { full <- par; full[free] <- p + as.vector(root %*% z); fn(full) }
  origin <- numeric(length(p))
  root <- diag(0.02 * pmax(abs(p), 0.02), length(p))
  step <- 0.25
  for (round in 1:8) {
    H <- sapply(seq_along(p), function(i) {
      up <- down <- origin
      up[i] <- step; down[i] <- -step
      (gradient(f, up, step) - gradient(f, down, step)) / (2 * step)
    })
    H <- as.matrix(H); H <- (H + t(H)) / 2
    e <- eigen(H, symmetric = TRUE)
    if (max(abs(e$values - 1)) < 0.1) break
    if (min(e$values) < 1e-9 * max(e$values)) return(par)   # a flat direction
    root <- root %*% e$vectors %*% diag(1 / sqrt(pmax(e$values, 1e-6)), length(p))
    step <- 0.02
  }
  for (iteration in 1:6) {
    g <- gradient(f, origin, step)
    move <- -solve(H, g)
    if (!all(is.finite(move)) || max(abs(move)) > 0.5) return(par)
    if (f(move) > f(origin) + 1e-9) break
    p <- p + as.vector(root %*% move)
    if (max(abs(move)) < 1e-9) break
  }
  par[free] <- p
  par
}

polished <- function(fn, par, lower, upper, control = list()) {
  bounded <- is.finite(lower)
  starts <- list(par)
  for (s in c(0.2, 3)) starts[[length(starts) + 1]] <- ifelse(bounded, s, 0)
  if (length(par) > 1) {
    starts[[length(starts) + 1]] <- ifelse(bounded, 0.5, 0.2)
    starts[[length(starts) + 1]] <- ifelse(bounded, 0.5, -0.2)
    starts[[length(starts) + 1]] <- ifelse(bounded, 10^seq(-1, 1, length.out = length(par)), 0)
    starts[[length(starts) + 1]] <- ifelse(bounded, 10^seq(1, -1, length.out = length(par)), 0)
  }
  run <- function(start) minqa::bobyqa(start, fn, lower, upper, control = list(
    rhobeg = min(0.95, max(0.2 * abs(start), 0.02)), rhoend = 1e-11, maxfun = 1e5))
  best <- NULL
  for (s in starts) {
    r <- tryCatch(run(s), error = function(e) NULL)
    if (!is.null(r) && (is.null(best) || r$fval < best$fval)) best <- r
  }
  best2 <- run(best$par)
  if (best2$fval < best$fval) best <- best2
  p <- best$par
  for (i in which(bounded & p < 1e-3)) {   # exactly zero where zero is as good
    q <- p; q[i] <- 0
    if (fn(q) <= fn(p) + 1e-9) p <- q
  }
  p <- newton_polish(fn, p, !(bounded & p == 0))
  if (fn(p) > best$fval + 1e-8) p <- best$par
  list(par = p, fval = fn(p), feval = best$feval, conv = 0, message = "")
}

control <- lmerControl(optimizer = polished, calc.derivs = FALSE, restart_edge = FALSE,
                       boundary.tol = 0, check.conv.singular = "ignore",
                       check.rankX = "silent.drop.cols", check.scaleX = "ignore")
bobyqa_control <- lmerControl(optimizer = "bobyqa", calc.derivs = FALSE,
                              optCtrl = list(rhoend = 1e-11, maxfun = 1e5),
                              check.conv.singular = "ignore",
                              check.rankX = "silent.drop.cols", check.scaleX = "ignore")

# The fits look their data up by the name `dat`, so that update() finds them too.
fit_lmer <- function(formula, data, REML = TRUE, ctl = "control") {
  dat <<- data
  formula <- as.formula(formula, env = globalenv())
  eval(bquote(lmerTest::lmer(.(formula), data = dat, REML = .(REML),
                             control = .(as.name(ctl)))), globalenv())
}


# ---- small helpers -----------------------------------------------------------

quiet <- function(expr) suppressMessages(suppressWarnings(expr))
# NULL where R fails, and also where lmerTest falls back from Kenward-Roger to
# Satterthwaite with a mere warning.
attempt <- function(expr) {
  fallback <- FALSE
  result <- tryCatch(suppressMessages(withCallingHandlers(expr, warning = function(w) {
    if (grepl("Unable to compute Kenward", conditionMessage(w))) fallback <<- TRUE
    invokeRestart("muffleWarning")
  })), error = function(e) NULL)
  if (fallback) NULL else result
}

rows <- function(table, first = "term") {   # a table whose row names are terms
  if (is.null(table)) return(NULL)
  table <- as.data.frame(table)
  out <- cbind(data.frame(term = trimws(rownames(table))), table)
  names(out)[1] <- first
  rownames(out) <- NULL
  out
}

square <- function(m) unname(as.matrix(m))

varcorr <- function(fit) {
  v <- as.data.frame(VarCorr(fit))
  v <- v[, c("grp", "var1", "var2", "vcov", "sdcor")]
  v$sdcor[is.nan(v$sdcor)] <- NA            # correlation with a zero component
  v
}

as_list <- function(x) as.list(x)


# ---- one lmer model ----------------------------------------------------------

# lmerTest takes eigen() of L V L' without saying that it is symmetric. When
# rounding hides the symmetry and eigenvalues coincide (balanced interactions),
# the eigenvectors are not orthogonal and F is off in the fourth digit. Such rows
# are computed again.
satterthwaite_F <- function(fit, L) {
  V <- L %*% fit@vcov_beta %*% t(L)
  e <- eigen((V + t(V)) / 2, symmetric = TRUE)
  q <- sum(e$values > 1e-8 * e$values[1])
  U <- crossprod(e$vectors[, 1:q, drop = FALSE], L)
  d <- e$values[1:q]
  nu <- sapply(1:q, function(m) {
    g <- sapply(fit@Jac_list, function(J) sum(U[m, ] * (J %*% U[m, ])))
    2 * d[m]^2 / sum(g * (fit@vcov_varpar %*% g))
  })
  den <- if (all(abs(diff(nu)) < 1e-8)) mean(nu) else if (any(nu <= 2)) 2 else {
    expected <- sum(nu / (nu - 2)); 2 * expected / (expected - q) }
  list(q = q, den = den, F = sum(as.vector(U %*% fixef(fit))^2 / d) / q)
}

repaired <- function(a, fit) {
  tests <- lmerTest::show_tests(a)
  for (term in rownames(a)) {
    L <- tests[[term]]
    if (is.null(L) || anyNA(L) || nrow(L) < 2 || !isTRUE(a[term, "NumDF"] > 1)) next
    r <- satterthwaite_F(fit, L)
    if (r$q == a[term, "NumDF"] && abs(r$F / a[term, "F value"] - 1) < 1e-6) next
    message("repaired: ", deparsed(formula(fit)), " : ", term, ": F ", signif(a[term, "F value"], 8),
            " -> ", signif(r$F, 8), ", df ", signif(a[term, "DenDF"], 8), " -> ", signif(r$den, 8))
    ms <- r$F * sigma(fit)^2
    a[term, ] <- list(ms * r$q, ms, r$q, r$den, r$F, pf(r$F, r$q, r$den, lower.tail = FALSE))
  }
  a
}

anova_tables <- function(fit) {
  out <- list()
  for (ddf in c("Satterthwaite", "Kenward-Roger")) for (type in c("I", "II", "III")) {
    a <- attempt(anova(fit, ddf = ddf, type = type))
    if (!is.null(a) && nrow(a) > 0 && ddf == "Satterthwaite") a <- repaired(a, fit)
    if (!is.null(a) && nrow(a) == 0) a <- list() else if (!is.null(a)) a <- rows(a)
    out[paste(ddf, type)] <- list(a)
  }
  out
}

ranova_table <- function(fit) {
  r <- attempt(lmerTest::ranova(fit))
  rows(r)
}

summarise <- function(object) {
  s <- as.data.frame(quiet(summary(object, infer = c(TRUE, TRUE))))
  for (j in names(s)) if (is.factor(s[[j]])) s[[j]] <- as.character(s[[j]])
  rownames(s) <- NULL
  s
}

# spec: list(specs, by, weights, at, adjust, contrasts)
emmeans_block <- function(fit, spec, ddf, adjusts) {
  grid <- spec$grid
  args <- list(object = grid, specs = spec$specs)
  if (!is.null(spec$by)) args$by <- spec$by
  if (!is.null(spec$weights)) args$weights <- spec$weights
  em <- quiet(do.call(emmeans, args))
  out <- list(emmeans = summarise(em))
  for (a in adjusts)
    out[[paste0("pairs_", a)]] <- summarise(pairs(em, adjust = a))
  for (kind in spec$contrasts) {
    some <- switch(kind, "trt.vs.ctrl" = c("none", "sidak", "bonferroni", "holm", "dunnettx"),
                   "poly" = "none", c("none", "holm"))
    for (a in some)
      out[[paste0(kind, "_", a)]] <- summarise(contrast(em, kind, adjust = a))
  }
  out
}

lmer_entry <- function(id, formula, data_name, data, specs = list(), profile = FALSE,
                       observations = TRUE, adjusts = c("tukey", "bonferroni", "holm", "none"),
                       small = FALSE, newdata = NULL) {
  f <- fit_lmer(formula, data)
  ml <- fit_lmer(formula, data, REML = FALSE)
  p <- length(fixef(f))
  e <- list(
    id = id, formula = formula, nobs = nobs(f), ngrps = as_list(ngrps(f)),
    fixef = as_list(fixef(f)))
  if (!small || p <= 12) e$vcov <- square(vcov(f))
  e <- c(e, list(
    sigma = sigma(f), varcorr = varcorr(f), theta = unname(getME(f, "theta")),
    singular = isSingular(f, tol = 1e-5),
    logLik_REML = as.numeric(logLik(f)), AIC_REML = AIC(f), BIC_REML = BIC(f),
    REMLcrit = REMLcrit(f),
    ML = list(fixef = as_list(fixef(ml)), se = unname(sqrt(diag(as.matrix(vcov(ml))))),
              sigma = sigma(ml), varcorr = varcorr(ml), logLik = as.numeric(logLik(ml)),
              AIC = AIC(ml), BIC = BIC(ml), deviance = deviance(ml))))
  if (small) e$ML$theta <- unname(getME(ml, "theta"))
  fit_lmer(formula, data)                    # `dat` again
  e$coef_satterthwaite <- rows(attempt(coef(summary(f, ddf = "Satterthwaite"))))
  e["coef_kenward_roger"] <- list(rows(attempt(coef(summary(f, ddf = "Kenward-Roger")))))
  if (!small || p <= 12) {
    V <- attempt(pbkrtest::vcovAdj(f))
    e["vcov_kenward_roger"] <- list(if (!is.null(V)) square(V))
  }
  e$anova <- anova_tables(f)
  if (observations) {
    re <- ranef(f, condVar = TRUE)
    e$ranef <- lapply(re, rows)
    e$ranef_se <- lapply(re, function(r) {
      v <- attr(r, "postVar")
      if (!is.list(v)) v <- list(v)          # a list for (x||g): one array a term
      do.call(cbind, lapply(v, function(a)
        matrix(sqrt(apply(a, 3, diag)), ncol = dim(a)[1], byrow = TRUE)))
    })
    if (!small) e$ranef_se <- lapply(e$ranef_se, function(m) if (ncol(m) == 1) t(m) else m)
    e$ranef <- unclass(e$ranef)[names(re)]
    e$ranef_se <- unclass(e$ranef_se)[names(re)]
    if (!small || nobs(f) <= 120) {
      e$fitted <- unname(fitted(f)); e$resid <- unname(resid(f))
    }
  }
  e["ranova"] <- list(ranova_table(f))
  if (small && (is.null(e$ranova) || any(e$ranova$Df[-1] == 0))) {
    # ranova() stops at missing values; and it turns a lone (0+x|g) into (1|g),
    # which is no smaller: then the table that deletes whole terms is added
    dat <<- data[complete.cases(data[, intersect(names(data), all.vars(formula(f)))]), ]
    f2 <- update(f, data = dat)
    if (is.null(e$ranova)) e$ranova <- ranova_table(f2)
    else e$ranova_delete <- rows(attempt(lmerTest::ranova(f2, reduce.terms = FALSE)))
    dat <<- data
  }
  if (length(specs)) {
    e$emmeans <- list()
    for (ddf in c("satterthwaite", "kenward-roger")) for (spec in specs) {
      key <- paste(c(paste(spec$specs, collapse = " * "), spec$by, ddf,
                     if (!is.null(spec$weights)) spec$weights,
                     if (!is.null(spec$at)) paste0(names(spec$at), " = ",
                       sapply(spec$at, paste, collapse = ", "))), collapse = " | ")
      block <- attempt({
        args <- list(object = f, lmer.df = ddf)
        if (!is.null(spec$at)) args$at <- spec$at
        spec$grid <- do.call(ref_grid, args)
        emmeans_block(f, spec, ddf, adjusts)
      })
      if (small && !is.null(block))
        block <- c(list(specs = I(spec$specs), by = I(as.character(spec$by)), ddf = ddf,
                        weights = if (is.null(spec$weights)) "equal" else spec$weights,
                        at = spec$at), block)
      e$emmeans[key] <- list(block)
    }
    if (!small) {                            # the order of the reference file
      n <- length(specs)
      e$emmeans <- e$emmeans[as.vector(rbind(1:n, n + 1:n))]
    }
  }
  if (isTRUE(profile)) e <- c(e, profile_intervals(formula, data, small))
  ci <- rows(quiet(confint(f, method = "Wald")))
  e$confint_wald <- ci[ci$term %in% names(fixef(f)), ]
  rownames(e$confint_wald) <- NULL
  if (!is.null(newdata)) e$predict <- predictions(f, newdata)
  e$data <- data_name
  e
}

predictions <- function(f, newdata) {
  list(newdata = newdata,
       fixed = unname(predict(f, newdata, re.form = NA)),
       random = unname(predict(f, newdata, re.form = NULL, allow.new.levels = TRUE)))
}


# ---- profile intervals -------------------------------------------------------
# lme4's profile sometimes leaves the curve. Each limit is therefore computed a
# second time by the definition: the value at which the deviance, minimised over
# everything else, lies qchisq(.95, 1) above its minimum.

direct_profile <- function(formula, data, level = 0.95) {
  dat <<- data
  ml <- fit_lmer(formula, data, REML = FALSE)
  target <- qchisq(level, 1)
  lmod <- lFormula(as.formula(formula), data, REML = FALSE, control = control)
  sds <- lme4:::devfun2(ml, signames = FALSE)
  best <- attr(sds, "optimum")
  k <- length(attr(sds, "thopt")) + 1        # sd, correlations, sigma
  dmin <- -2 * as.numeric(logLik(ml))
  crossing <- function(fn, est, low, high, unit) {
    side <- function(sign, end) {
      inside <- est; outside <- est + sign * unit
      for (i in 1:60) {
        if ((outside - end) * sign >= 0) outside <- end
        if (fn(outside) - dmin > target) break
        if (outside == end) return(end)
        inside <- outside; outside <- est + (outside - est) * 1.6
      }
      uniroot(function(v) fn(v) - dmin - target, sort(c(inside, outside)), tol = 1e-9 * max(1, abs(est)))$root
    }
    c(side(-1, low), side(1, high))
  }
  out <- NULL
  is_cor <- grepl("^cor_", names(best)[1:k])
  lower <- ifelse(is_cor, -1, 0); upper <- ifelse(is_cor, 1, Inf)
  lower[k] <- 1e-6 * best[k]
  for (j in 1:k) {
    fn <- function(v) {
      if (k == 2 && j == 1) {
        return(optimize(function(s) sds(c(v, s)), best[2] * c(0.2, 5), tol = 1e-10)$objective)
      }
      inner <- function(free) { full <- numeric(k); full[j] <- v; full[-j] <- free; sds(full) }
      vals <- sapply(list(best[1:k][-j], best[1:k][-j] * 0.5, best[1:k][-j] * 1.5), function(s) {
        s <- pmin(pmax(s, lower[-j] + 1e-8), pmin(upper[-j] - 1e-8, 1e12))
        if (length(s) == 1) optimize(inner, c(lower[-j], 20 * max(s, best[k])), tol = 1e-10)$objective
        else minqa::bobyqa(s, inner, lower[-j], upper[-j],
                           control = list(rhoend = 1e-9, maxfun = 20000))$fval
      })
      min(vals)
    }
    low <- lower[j]; high <- upper[j]
    if (j == k) low <- 1e-4 * best[k]
    unit <- if (is_cor[j]) 0.1 else 0.2 * max(best[j], 0.1 * best[k])
    out <- rbind(out, crossing(fn, best[j], low, high, unit))
  }
  X <- lmod$X; y <- model.response(lmod$fr)
  se <- sqrt(diag(as.matrix(vcov(ml))))
  for (j in seq_len(ncol(X))) {
    fn <- function(b) {
      fr <- lmod$fr; fr[[1]] <- y - b * X[, j]
      Xj <- X[, -j, drop = FALSE]
      if (!ncol(Xj)) Xj <- matrix(0, nrow(X), 0)
      dev <- mkLmerDevfun(fr, Xj, lmod$reTrms, REML = FALSE)
      theta <- getME(ml, "theta")
      low <- environment(dev)$lower
      min(sapply(list(theta, ifelse(is.finite(low), pmax(theta, 0.3), theta)), function(s)
        if (length(s) == 1) optimize(dev, c(0, max(20, 5 * s)), tol = 1e-9)$objective
        else minqa::bobyqa(s, dev, low, control = list(rhoend = 1e-9, maxfun = 20000))$fval))
    }
    out <- rbind(out, crossing(fn, fixef(ml)[[j]], -Inf, Inf, 2 * se[j]))
  }
  dimnames(out) <- list(c(names(best)[1:k], colnames(X)), c("2.5 %", "97.5 %"))
  out
}

profile_intervals <- function(formula, data, small) {
  f <- fit_lmer(formula, data, ctl = "bobyqa_control")
  lme4s <- attempt(confint(f, method = "profile", oldNames = FALSE))
  if (!small) return(list(confint_profile = rows(lme4s)))
  direct <- attempt(direct_profile(formula, data))
  agree <- !is.null(lme4s) && !is.null(direct) && !anyNA(lme4s) &&
    all(abs(lme4s - direct) < 1e-3 * pmax(abs(direct), 0.01 * max(abs(direct))))
  list(confint_profile = if (!is.null(direct)) rows(direct),
       confint_profile_lme4_agrees = agree,
       confint_profile_lme4 = if (!agree && !is.null(lme4s)) rows(lme4s))
}


# ---- one lme or gls model ----------------------------------------------------

strict <- lmeControl(msMaxIter = 500, maxIter = 200, niterEM = 50, msTol = 1e-12,
                     tolerance = 1e-10, returnObject = TRUE)
strict_gls <- glsControl(msMaxIter = 500, maxIter = 200, msTol = 1e-12, tolerance = 1e-10)

# The call as text, so that it can be recorded as it was made.
fit_lme <- function(fixed, random, data, more = "") {
  dat <<- data
  call <- sprintf("lme(%s, data = dat, random = %s%s, na.action = na.omit, control = strict)", fixed, random, more)
  eval(parse(text = call), globalenv())
}

deparsed <- function(call) paste(deparse(call), collapse = "")

varcorr_lme <- function(fit) {
  v <- VarCorr(fit)
  data.frame(unclass(v)[, , drop = FALSE], stringsAsFactors = FALSE,
             row.names = make.unique(make.names(rownames(v))))
}

structures <- function(fit, e) {
  ms <- fit$modelStruct
  if (!is.null(ms$varStruct))
    e$var_ratio <- as_list(coef(ms$varStruct, unconstrained = FALSE, allCoef = TRUE))
  if (!is.null(ms$corStruct)) {
    r <- coef(ms$corStruct, unconstrained = FALSE)
    e$cor_coef <- if (is.null(names(r)) || length(r) > 1) unname(r) else as_list(r)
  }
  e
}

lme_entry <- function(id, fit, data_name, extra = FALSE) {
  ll <- logLik(fit)
  e <- list(
    id = id, call = deparsed(fit$call),
    fixed = rows(summary(fit)$tTable),
    anova_sequential = rows(anova(fit)),
    anova_marginal = rows(anova(fit, type = "marginal")),
    sigma = fit$sigma, logLik = as.numeric(ll), AIC = AIC(fit), BIC = BIC(fit),
    npar = attr(ll, "df"),
    fixDF_X = as_list(fit$fixDF$X), fixDF_terms = as_list(fit$fixDF$terms),
    varcorr = varcorr_lme(fit), vcov = square(vcov(fit)))
  if (extra) {
    e$varcorr <- NULL
    e$random_cov <- lapply(rev(as.list(fit$modelStruct$reStruct)), function(s) {
      m <- as.matrix(s) * fit$sigma^2
      list(names = I(colnames(m)), cov = unname(m))
    })
    e$groups <- as_list(sapply(fit$groups, function(g) length(unique(g))))
    for (k in c("anova_sequential", "anova_marginal")) class(e[[k]]) <- "data.frame"
  }
  e <- structures(fit, e)
  e$data <- data_name
  e
}

gls_entry <- function(id, fit, data_name) {
  e <- list(id = id, call = deparsed(fit$call), fixed = rows(summary(fit)$tTable),
            sigma = fit$sigma, logLik = as.numeric(logLik(fit)), AIC = AIC(fit),
            BIC = BIC(fit), vcov = square(vcov(fit)))
  e <- structures(fit, e)
  e$data <- data_name
  e
}


# ---- writing -----------------------------------------------------------------

json <- function(x, pretty = FALSE)
  toJSON(x, digits = I(12), auto_unbox = TRUE, na = "null", null = "null",
         dataframe = "rows", pretty = pretty)

# One line for each part of each model: long, but a changed number shows.
write_json <- function(x, file) {
  con <- base::file(file, "w", encoding = "UTF-8"); on.exit(close(con))
  quoted <- function(k) as.character(toJSON(k, auto_unbox = TRUE))
  top <- names(x)
  cat("{\n", file = con)
  for (i in seq_along(top)) {
    cat(quoted(top[i]), ": ", sep = "", file = con)
    if (top[i] %in% c("lmer", "lme", "gls", "compare", "datasets", "levels", "profiles")) {
      ids <- names(x[[i]])
      cat("{\n", file = con)
      for (j in seq_along(ids)) {
        entry <- x[[i]][[j]]
        if (top[i] %in% c("lmer", "lme", "gls")) {
          parts <- mapply(function(k, v) paste0("  ", quoted(k), ": ", json(v)),
                          names(entry), entry)
          cat(" ", quoted(ids[j]), ": {\n", paste(parts, collapse = ",\n"), "}", sep = "", file = con)
        } else cat(" ", quoted(ids[j]), ": ", json(entry), sep = "", file = con)
        cat(if (j < length(ids)) ",\n" else "\n", file = con)
      }
      cat("}", file = con)
    } else cat(json(x[[i]]), file = con)
    cat(if (i < length(top)) ",\n" else "\n", file = con)
  }
  cat("}\n", file = con)
}

versions <- function(packages) sapply(packages, function(p) as.character(packageVersion(p)),
                                      simplify = FALSE)


# ---- the further data sets ---------------------------------------------------
# Each: data, the factor columns with their level orders, where it comes from.

datasets <- list()

define <- function(name, data, factors, source = "simulated") {
  for (j in names(data)) {
    if (is.factor(data[[j]])) data[[j]] <- as.character(data[[j]])
    if (is.numeric(data[[j]])) data[[j]] <- signif(data[[j]], 6)
  }
  datasets[[name]] <<- list(data = data, source = source, factors = factors)
}

# level orders: as given, or sorted (digits as numbers)
sorted_levels <- function(data, columns) {
  sapply(columns, function(j) {
    v <- unique(as.character(data[[j]])); v <- v[!is.na(v)]
    if (all(grepl("^[0-9.]+$", v))) v[order(as.numeric(v))] else sort(v, method = "radix")
  }, simplify = FALSE)
}

simulated <- function(seed, expr) {
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  expr
}

tag <- function(prefix, i) sprintf("%s%02d", prefix, as.integer(i))
effects <- function(group, sd) { g <- factor(group); rnorm(nlevels(g), 0, sd)[as.integer(g)] }

define_simulated <- function() {
  # two crossed factors, incomplete and unbalanced, a within factor and a covariate
  simulated(101, {
    d <- expand.grid(subject = tag("s", 1:14), item = tag("i", 1:9), stringsAsFactors = FALSE)
    d$cond <- c("new", "old", "none")[(as.integer(factor(d$subject)) + as.integer(factor(d$item))) %% 3 + 1]
    d$length <- round(runif(9, 3, 12))[as.integer(factor(d$item))]
    d$rt <- 6 + 0.4 * (d$cond == "old") - 0.3 * (d$cond == "none") + 0.05 * d$length +
      effects(d$subject, 0.5) + effects(d$item, 0.3) + effects(d$subject, 0.04) * d$length + rnorm(nrow(d), 0, 0.4)
    d <- d[sort(sample(nrow(d), 97)), ]
    define("crossed_two", d, c(list(cond = c("old", "new", "none")), sorted_levels(d, c("subject", "item"))))
  })
  # two crossed factors with their interaction as third group, unbalanced replicates
  simulated(102, {
    d <- expand.grid(rep = 1:4, oven = tag("o", 1:8), batch = tag("b", 1:6), stringsAsFactors = FALSE)
    d$flour <- sample(c("rye", "spelt", "wheat"), nrow(d), TRUE, c(.5, .3, .2))
    d$volume <- 50 + 3 * (d$flour == "spelt") + 5 * (d$flour == "wheat") + effects(d$oven, 2) +
      effects(d$batch, 3) + effects(paste(d$oven, d$batch), 1.5) + rnorm(nrow(d), 0, 1.5)
    d <- d[sort(sample(nrow(d), 131)), c("oven", "batch", "flour", "volume")]
    define("crossed_interaction", d, sorted_levels(d, c("flour", "oven", "batch")))
  })
  # three crossed factors
  simulated(103, {
    d <- expand.grid(judge = tag("j", 1:9), wine = tag("w", 1:7), day = tag("d", 1:4), stringsAsFactors = FALSE)
    d$glass <- sample(c("bowl", "flute"), nrow(d), TRUE)
    d$temp <- round(rnorm(nrow(d), 14, 2), 1)
    d$score <- 70 + 1.5 * (d$glass == "flute") - 0.4 * d$temp + effects(d$judge, 3) + effects(d$wine, 4) +
      effects(d$day, 1.5) + rnorm(nrow(d), 0, 2)
    d <- d[sort(sample(nrow(d), 150)), ]
    define("crossed_three", d, sorted_levels(d, c("glass", "judge", "wine", "day")))
  })
  # a slope: the same data with the covariate shifted and rescaled; a treatment between groups
  simulated(104, {
    size <- c(3, 5, 6, 7, 8, 4, 6, 9, 5, 7, 6, 8)
    d <- data.frame(plant = rep(tag("p", 1:12), size))
    d$water <- rep(sample(c("dry", "wet", "wet"), 12, TRUE), size)
    d$x <- round(runif(nrow(d), 0, 10), 2)
    d$x_shift <- d$x + 100
    d$x_milli <- d$x * 1000
    d$y <- 20 + 2 * (d$water == "wet") + 1.5 * d$x + effects(d$plant, 2) + effects(d$plant, 0.5) * d$x +
      0.4 * d$x * (d$water == "wet") + rnorm(nrow(d), 0, 1.2)
    define("slopes", d, sorted_levels(d, c("water", "plant")))
  })
  # slopes on a factor
  simulated(105, {
    d <- expand.grid(rep = 1:4, tool = c("saw", "axe", "laser"), worker = tag("w", 1:10), stringsAsFactors = FALSE)
    b <- matrix(rnorm(30), 10) %*% matrix(c(2, 0, 0, 1, 1.5, 0, .5, .5, 1), 3)
    d$speed <- 30 + c(saw = 0, axe = -4, laser = 6)[d$tool] +
      b[cbind(as.integer(factor(d$worker)), match(d$tool, c("saw", "axe", "laser")))] + rnorm(nrow(d), 0, 1)
    d <- d[sort(sample(nrow(d), 99)), c("worker", "tool", "speed")]
    define("factor_slopes", d, c(list(tool = c("saw", "axe", "laser")), sorted_levels(d, "worker")))
  })
  # correlation at its bound
  simulated(106, {
    d <- expand.grid(x = c(0, 1, 2, 3, 5), g = tag("g", 1:9), stringsAsFactors = FALSE)
    u <- rnorm(9)
    g <- as.integer(factor(d$g))
    d$y <- 5 + d$x + u[g] * 1 + 0.5 * u[g] * d$x + rnorm(nrow(d), 0, 1)
    d$f <- rep(c("k", "m", "p"), 3)[g]
    define("singular_correlation", d, sorted_levels(d, c("f", "g")))
  })
  # zero components: an additive, a crossed and a nested layout
  simulated(107, {
    d <- expand.grid(rep = 1:3, a = tag("a", 1:6), b = tag("b", 1:5), stringsAsFactors = FALSE)
    d$f <- sample(c("ctl", "hi", "lo"), nrow(d), TRUE)
    d$x <- round(rnorm(nrow(d), 5, 1), 2)
    e <- rnorm(nrow(d), 0, 1)
    d$y1 <- 10 + (d$f == "hi") + effects(d$a, 1) + e - ave(e, d$b)
    d$y2 <- 10 + (d$f == "hi") + e - ave(e, d$a) - ave(e, d$b) + mean(e)
    d$y3 <- 10 + 0.3 * d$x + effects(d$a, 0.8) + e
    d <- d[sort(sample(nrow(d), 80)), c("a", "b", "f", "x", "y1", "y2", "y3")]
    define("singular_zero", d, sorted_levels(d, c("f", "a", "b")))
  })
  # split plot with lost plots
  simulated(108, {
    d <- expand.grid(B = c("b1", "b2", "b3", "b4"), A = c("low", "mid", "high"), rep = tag("r", 1:5), stringsAsFactors = FALSE)
    d$y <- 40 + c(low = 0, mid = 2, high = 5)[d$A] + c(b1 = 0, b2 = 1, b3 = 3, b4 = 2)[d$B] +
      2 * (d$A == "high" & d$B == "b4") + effects(d$rep, 2) + effects(paste(d$rep, d$A), 1.5) + rnorm(nrow(d), 0, 1)
    d <- d[-c(3, 4, 17, 22, 23, 24, 41, 55), c("rep", "A", "B", "y")]
    define("split_plot_lost", d, c(list(A = c("low", "mid", "high")), sorted_levels(d, c("B", "rep"))))
  })
  # three nested levels, unbalanced, a treatment at each level
  simulated(109, {
    d <- NULL
    for (i in 1:8) for (j in 1:sample(2:4, 1)) for (k in 1:sample(1:4, 1))
      d <- rbind(d, data.frame(a = tag("a", i), b = tag("b", j), c = tag("c", k), r = seq_len(sample(1:3, 1))))
    d$t_a <- ifelse(as.integer(sub("a", "", d$a)) %% 2 == 0, "even", "odd")
    d$t_b <- ifelse(as.integer(sub("b", "", d$b)) == 1, "first", ifelse(as.integer(sub("b", "", d$b)) == 2, "second", "later"))
    d$x <- round(rnorm(nrow(d), 2, 1), 2)
    d$y <- 8 + 1 * (d$t_a == "odd") + 0.5 * (d$t_b == "first") + 0.3 * d$x + effects(d$a, 1) +
      effects(paste(d$a, d$b), 0.8) + effects(paste(d$a, d$b, d$c), 0.6) + rnorm(nrow(d), 0, 0.5)
    d$r <- NULL
    define("nested_three", d, c(list(t_b = c("first", "second", "later")), sorted_levels(d, c("t_a", "a", "b", "c"))))
  })
  # two nested levels, a covariate, a treatment given to classes
  simulated(110, {
    d <- NULL
    for (i in 1:7) for (j in 1:sample(2:4, 1))
      d <- rbind(d, data.frame(school = tag("s", i), class = as.character(j), book = sample(c("A", "B"), 1), pupil = seq_len(sample(2:6, 1))))
    d$hours <- round(runif(nrow(d), 1, 8), 1)
    d$mark <- 3 + 0.3 * (d$book == "B") + 0.2 * d$hours + effects(d$school, 0.4) + effects(paste(d$school, d$class), 0.3) + rnorm(nrow(d), 0, 0.5)
    d$pupil <- NULL
    define("nested_two", d, sorted_levels(d, c("book", "school", "class")))
  })
  # three factors, unbalanced
  simulated(111, {
    d <- expand.grid(A = c("a1", "a2"), B = c("b1", "b2", "b3"), C = c("c1", "c2"), block = tag("k", 1:8), stringsAsFactors = FALSE)
    d$y <- 12 + (d$A == "a2") + 2 * (d$B == "b3") - (d$C == "c2") + 1.5 * (d$A == "a2" & d$B == "b3") +
      effects(d$block, 1) + rnorm(nrow(d), 0, 1)
    d <- d[sort(sample(nrow(d), 71)), ]
    define("three_way", d, sorted_levels(d, c("A", "B", "C", "block")))
  })
  # empty cells and a covariate
  simulated(112, {
    d <- expand.grid(rep = 1:3, A = c("p", "q", "r"), B = c("w", "x", "y", "z"), g = tag("g", 1:6), stringsAsFactors = FALSE)
    d <- d[!(d$A == "q" & d$B == "z") & !(d$A == "r" & d$B == "w"), ]
    d <- d[sort(sample(nrow(d), 88)), ]
    d$x <- round(rnorm(nrow(d), 10, 2), 2)
    d$y <- 5 + (d$A == "q") + 2 * (d$B == "y") + 0.4 * d$x + effects(d$g, 1.2) + rnorm(nrow(d), 0, 1)
    define("empty_cells", d[, c("A", "B", "g", "x", "y")], sorted_levels(d, c("A", "B", "g")))
  })
  # a dose as number: curves, factor(dose), log response
  simulated(113, {
    d <- expand.grid(dose = c(0, 1, 2, 4, 8), rat = tag("r", 1:11), stringsAsFactors = FALSE)
    d$y <- exp(1 + 0.35 * d$dose - 0.03 * d$dose^2 + effects(d$rat, 0.3) + rnorm(nrow(d), 0, 0.2))
    d <- d[sort(sample(nrow(d), 49)), ]
    define("dose", d, sorted_levels(d, "rat"))
  })
  # six treatments in incomplete blocks, levels not in alphabetical order
  simulated(114, {
    blocks <- combn(6, 3)[, c(1, 3, 5, 7, 8, 10, 12, 13, 15, 17, 18, 20)]
    d <- data.frame(block = rep(1:12, each = 3), treat = c("none", "lime", "peat", "moss", "ash", "sand")[as.vector(blocks)])
    d$yield <- 20 + c(none = 0, lime = 3, peat = 1, moss = 2, ash = -1, sand = 0.5)[d$treat] + effects(d$block, 2) + rnorm(nrow(d), 0, 1)
    define("incomplete_blocks", d, c(list(treat = c("none", "lime", "peat", "moss", "ash", "sand")), sorted_levels(d, "block")))
  })
  # very small experiments
  simulated(115, {
    d <- data.frame(block = rep(c("I", "II", "III"), each = 2), f = rep(c("ctl", "trt"), 3))
    d$y <- round(5 + (d$f == "trt") + effects(d$block, 1) + rnorm(6, 0, 0.7), 2)
    define("tiny_blocks", d[-6, ], sorted_levels(d, c("f", "block")))
    d <- expand.grid(B = c("u", "v"), A = c("k", "l", "m"), rep = c("r1", "r2"), stringsAsFactors = FALSE)
    d$y <- round(9 + 2 * (d$A == "m") + (d$B == "v") + effects(d$rep, 1) + effects(paste(d$rep, d$A), 1) + rnorm(12, 0, 0.5), 2)
    define("tiny_split_plot", d, sorted_levels(d, c("A", "B", "rep")))
  })
  # groups with one observation
  simulated(116, {
    size <- c(1, 1, 1, 2, 1, 3, 2, 1, 4, 1, 2, 1, 3, 1, 2, 1, 1, 2)
    d <- data.frame(family = rep(tag("f", seq_along(size)), size))
    d$f <- sample(c("milk", "tea", "water"), nrow(d), TRUE)
    d$age <- sample(4:15, nrow(d), TRUE)
    d$y <- 3 + 0.2 * d$age + 0.5 * (d$f == "milk") + effects(d$family, 0.8) + rnorm(nrow(d), 0, 0.5)
    define("single_members", d, sorted_levels(d, c("f", "family")))
  })
  # columns that say the same thing twice; missing values
  simulated(117, {
    d <- data.frame(g = rep(tag("g", 1:9), each = 6))
    d$f <- sample(c("a", "b", "c"), nrow(d), TRUE)
    d$x <- round(rnorm(nrow(d), 30, 5), 1)
    d$x2 <- 2 * d$x + 10
    d$site <- ifelse(d$f == "a", "north", "south")
    d$y <- 4 + (d$f == "b") + 0.1 * d$x + effects(d$g, 1) + rnorm(nrow(d), 0, 1)
    define("aliased", d, sorted_levels(d, c("f", "site", "g")))
    d$z <- round(rnorm(nrow(d)), 2)
    d$y[c(4, 20)] <- NA; d$x[c(7, 33)] <- NA; d$f[c(12, 50)] <- NA; d$g[28] <- NA; d$z[c(1, 2)] <- NA
    define("missing_values", d[, c("g", "f", "x", "z", "y")], sorted_levels(d, c("f", "g")))
  })
  # two covariates and a factor, factor by covariate
  simulated(118, {
    size <- sample(4:9, 13, TRUE)
    d <- data.frame(farm = rep(tag("f", 1:13), size))
    d$feed <- sample(c("grain", "grass", "mixed", "silage"), nrow(d), TRUE, c(.4, .3, .2, .1))
    d$weight <- round(rnorm(nrow(d), 55, 6), 1)
    d$age <- round(runif(nrow(d), 1, 7), 1)
    d$milk <- 10 + 0.2 * d$weight + 0.8 * d$age + 0.03 * d$weight * d$age + c(grain = 2, grass = 0, mixed = 1, silage = -1)[d$feed] +
      effects(d$farm, 1.5) + effects(d$farm, 0.4) * (d$age - 4) + rnorm(nrow(d), 0, 1.5)
    define("two_covariates", d, sorted_levels(d, c("feed", "farm")))
  })
  # grouping factors coded as numbers; only their combination as a group
  simulated(119, {
    d <- expand.grid(rep = 1:3, plot = 1:7, year = 2018:2021)
    d$sort <- sample(c("Anna", "Berta", "Cilena", "Desiree"), nrow(d), TRUE)
    d$tons <- 30 + 2 * (d$sort == "Cilena") + effects(paste(d$plot, d$year), 2) + rnorm(nrow(d), 0, 1.3)
    d <- d[sort(sample(nrow(d), 66)), c("plot", "year", "sort", "tons")]
    define("plots_years", d, sorted_levels(d, c("sort", "plot", "year")))
  })
  # two within factors with strata, some readings lost
  simulated(120, {
    d <- expand.grid(A = c("a1", "a2", "a3"), B = c("b1", "b2", "b3", "b4"), s = 1:9, stringsAsFactors = FALSE)
    d$y <- 6 + c(a1 = 0, a2 = .5, a3 = 1)[d$A] + c(b1 = 0, b2 = .5, b3 = .2, b4 = 1.2)[d$B] + effects(d$s, 1) +
      effects(paste(d$s, d$A), 0.6) + effects(paste(d$s, d$B), 0.5) + rnorm(nrow(d), 0, 0.4)
    d <- d[sort(sample(nrow(d), 96)), ]
    define("strata_lost", d[, c("s", "A", "B", "y")], sorted_levels(d, c("A", "B", "s")))
  })
  # Latin square with two lost plots
  simulated(121, {
    d <- expand.grid(row = 1:5, column = 1:5)
    d$treat <- LETTERS[(d$row + 2 * d$column) %% 5 + 1]
    d$y <- 50 + 3 * (d$treat == "C") + 2 * (d$treat == "E") + effects(d$row, 2) + effects(d$column, 1.5) + rnorm(25, 0, 1)
    define("latin_square", d[-c(7, 18), ], sorted_levels(d, c("treat", "row", "column")))
  })
  # subjects seen one to three times
  simulated(122, {
    d <- expand.grid(time = c("before", "after", "later"), id = 1:15, stringsAsFactors = FALSE)
    d$score <- 20 + c(before = 0, after = 3, later = 2)[d$time] + effects(d$id, 2.5) + rnorm(nrow(d), 0, 1.5)
    d <- d[sort(sample(nrow(d), 34)), ]
    define("incomplete_repeats", d, c(list(time = c("before", "after", "later")), sorted_levels(d, "id")))
  })
}

define_standard <- function() {
  keep <- function(x, columns) { x <- as.data.frame(x); x <- x[, columns]; rownames(x) <- NULL; x }
  pack <- function(name, data, columns, source) define(name, data, sorted_levels(data, columns), source)
  pack("cake", keep(lme4::cake, c("replicate", "recipe", "temp", "angle")), c("recipe", "replicate"), "lme4::cake")
  pack("pastes", keep(lme4::Pastes, c("batch", "cask", "sample", "strength")), c("batch", "cask", "sample"), "lme4::Pastes")
  pack("dyestuff", keep(lme4::Dyestuff, c("Batch", "Yield")), "Batch", "lme4::Dyestuff")
  pack("dyestuff2", keep(lme4::Dyestuff2, c("Batch", "Yield")), "Batch", "lme4::Dyestuff2")
  d <- keep(lme4::cbpp, c("herd", "period", "incidence", "size")); d$rate <- round(d$incidence / d$size, 4)
  pack("cbpp", d, c("period", "herd"), "lme4::cbpp, rate = incidence/size")
  pack("rail", keep(nlme::Rail, c("Rail", "travel")), "Rail", "nlme::Rail")
  pack("pixel", keep(nlme::Pixel, c("Dog", "Side", "day", "pixel")), c("Dog", "Side"), "nlme::Pixel")
  pack("ergostool", keep(nlme::ergoStool, c("Subject", "Type", "effort")), c("Type", "Subject"), "nlme::ergoStool")
  pack("gasoline", keep(nlme::Gasoline, c("Sample", "endpoint", "vapor", "yield")), "Sample", "nlme::Gasoline")
  d <- keep(nlme::Alfalfa, c("Block", "Variety", "Date", "Yield"))
  levels(d$Date)[levels(d$Date) == "None"] <- "uncut"   # pandas reads "None" as missing
  pack("alfalfa", d, c("Variety", "Date", "Block"), "nlme::Alfalfa, date None renamed uncut")
  pack("alfalfa_lost", d[-c(2, 9, 10, 11, 12, 30, 37, 51, 64, 70), ], c("Variety", "Date", "Block"), "nlme::Alfalfa, date None renamed uncut, ten plots dropped")
  pack("assay", keep(nlme::Assay, c("Block", "sample", "dilut", "logDens")), c("sample", "dilut", "Block"), "nlme::Assay")
  d <- keep(nlme::RatPupWeight, c("Litter", "Treatment", "sex", "Lsize", "weight"))
  d <- d[!as.character(d$Litter) %in% c("1", "11", "21"), ]
  define("ratpup", d, c(list(Treatment = c("Control", "Low", "High"), sex = c("Male", "Female")), sorted_levels(d, "Litter")),
         "nlme::RatPupWeight without litters 1, 11 and 21")
  pack("oxide", keep(nlme::Oxide, c("Source", "Lot", "Wafer", "Site", "Thickness")), c("Source", "Lot", "Wafer", "Site"), "nlme::Oxide")
  pack("bodyweight", keep(nlme::BodyWeight, c("Rat", "Diet", "Time", "weight")), c("Diet", "Rat"), "nlme::BodyWeight")
  pack("npk", keep(datasets::npk, c("block", "N", "P", "K", "yield")), c("N", "P", "K", "block"), "datasets::npk")
  d <- keep(datasets::CO2, c("Plant", "Type", "Treatment", "conc", "uptake"))
  define("co2", d, c(list(Type = c("Quebec", "Mississippi"), Treatment = c("nonchilled", "chilled")), sorted_levels(d, "Plant")), "datasets::CO2")
  i <- as.data.frame(MASS::immer)
  d <- data.frame(Loc = rep(i$Loc, 2), Var = rep(i$Var, 2), year = rep(c("1931", "1932"), each = 30), yield = c(i$Y1, i$Y2))
  pack("barley", d, c("Loc", "Var", "year"), "MASS::immer, both years in one column")
  d <- read.csv(file.path(data_dir, "oats.csv"))
  pack("oats_lost", d[-c(1, 6, 7, 15, 22, 23, 24, 38, 49, 50, 63, 71), ], c("variety", "nitrogen", "block"), "oats.csv, twelve plots dropped")
}

write_data <- function() {
  define_simulated(); define_standard()
  for (name in names(datasets))
    write.csv(datasets[[name]]$data, file.path(cases_dir, paste0("extra_", name, ".csv")), row.names = FALSE)
}

read_extra <- function(name) {
  f <- datasets[[name]]$factors
  d <- read.csv(file.path(cases_dir, paste0("extra_", name, ".csv")),
                colClasses = sapply(f, function(l) "character"), na.strings = "NA")
  for (j in names(f)) d[[j]] <- factor(d[[j]], levels = f[[j]])
  d
}


# ---- the further models ------------------------------------------------------

E <- function(..., by = NULL, weights = NULL, at = NULL, contrasts = NULL)
  list(specs = c(...), by = by, weights = weights, at = at, contrasts = contrasts)
M <- function(id, data, formula, ..., profile = FALSE, notes = NULL, newdata = NULL, satterthwaite = TRUE)
  list(id = id, data = data, formula = formula, specs = list(...), profile = profile,
       notes = notes, newdata = newdata, satterthwaite = satterthwaite)

extra_models <- function() list(
  # crossed
  M("crossed_two", "crossed_two", "rt ~ cond + length + (1|subject) + (1|item)",
    E("cond", contrasts = "trt.vs.ctrl"), E("cond", weights = "proportional"), profile = TRUE,
    newdata = data.frame(cond = c("old", "new", "none", "new"), length = c(5, 8, 8, 4),
                         subject = c("s01", "s02", "s99", "s05"), item = c("i01", "i09", "i02", "i77"))),
  M("crossed_two_slope", "crossed_two", "rt ~ cond * length + (length|subject) + (1|item)", E("cond"), E("cond", at = list(length = c(4, 10)), by = "length")),
  M("crossed_interaction", "crossed_interaction", "volume ~ flour + (1|oven) + (1|batch) + (1|oven:batch)", E("flour"), E("flour", weights = "proportional")),
  M("crossed_interaction_only", "crossed_interaction", "volume ~ flour + (1|oven:batch)", E("flour")),
  M("crossed_star", "crossed_interaction", "volume ~ flour + (1|oven/batch) + (1|batch)", E("flour"), notes = "the same model as crossed_interaction in other words"),
  M("crossed_three", "crossed_three", "score ~ glass + temp + (1|judge) + (1|wine) + (1|day)", E("glass")),
  M("barley", "barley", "yield ~ year + (1|Loc) + (1|Var)", E("year")),
  M("barley_strata", "barley", "yield ~ year + (1|Loc) + (1|Var) + (1|Loc:year)", E("year")),
  M("latin_square", "latin_square", "y ~ treat + (1|row) + (1|column)", E("treat", contrasts = "trt.vs.ctrl")),
  M("strata_lost", "strata_lost", "y ~ A * B + (1|s) + (1|s:A) + (1|s:B)", E("A"), E("B", contrasts = "poly"), E("A", by = "B"), E("A", weights = "proportional")),
  # nested
  M("pastes", "pastes", "strength ~ 1 + (1|batch/cask)", profile = TRUE),
  M("pastes_sample", "pastes", "strength ~ 1 + (1|batch) + (1|sample)", notes = "the same model as pastes with explicit sample labels"),
  M("oxide", "oxide", "Thickness ~ Source + (1|Lot/Wafer)", E("Source"), profile = TRUE),
  M("nested_two", "nested_two", "mark ~ book * hours + (1|school/class)", E("book"),
    newdata = data.frame(book = c("A", "B", "A", "B"), hours = c(2, 3, 4, 5), school = c("s01", "s02", "s03", "s77"), class = c("1", "2", "9", "1"))),
  M("nested_three", "nested_three", "y ~ t_a + t_b + x + (1|a/b/c)", E("t_a"), E("t_b")),
  M("nested_three_product", "nested_three", "y ~ t_a * t_b + (1|a) + (1|a:b)", E("t_a", by = "t_b"), E("t_b", weights = "proportional")),
  M("plots_years", "plots_years", "tons ~ sort + (1|plot:year)", E("sort", contrasts = "trt.vs.ctrl"), notes = "grouping factors are numbers"),
  M("dyestuff", "dyestuff", "Yield ~ 1 + (1|Batch)", profile = TRUE),
  M("rail", "rail", "travel ~ 1 + (1|Rail)", profile = TRUE),
  # blocks and split plots
  M("ergostool", "ergostool", "effort ~ Type + (1|Subject)", E("Type", contrasts = c("trt.vs.ctrl", "poly")), profile = TRUE),
  M("npk", "npk", "yield ~ N * P * K + (1|block)", E("N", by = "K"), E("N", "P")),
  M("alfalfa", "alfalfa", "Yield ~ Variety * Date + (1|Block/Variety)", E("Date", contrasts = "trt.vs.ctrl"), E("Variety")),
  M("alfalfa_lost", "alfalfa_lost", "Yield ~ Variety * Date + (1|Block/Variety)", E("Date"), E("Variety"), E("Date", by = "Variety")),
  M("oats_lost", "oats_lost", "yield ~ variety * nitrogen + (1|block/variety)", E("variety"), E("nitrogen", contrasts = "poly"), E("nitrogen", by = "variety")),
  M("oats_lost_additive", "oats_lost", "yield ~ nitrogen + variety + (1|block/variety)", E("nitrogen", contrasts = c("poly", "trt.vs.ctrl")), E("variety", weights = "proportional"), profile = TRUE),
  M("split_plot_lost", "split_plot_lost", "y ~ A * B + (1|rep/A)", E("A"), E("B", weights = "proportional"), E("A", by = "B")),
  M("incomplete_blocks", "incomplete_blocks", "yield ~ treat + (1|block)", E("treat", contrasts = "trt.vs.ctrl"), profile = TRUE),
  M("incomplete_repeats", "incomplete_repeats", "score ~ time + (1|id)", E("time", contrasts = "trt.vs.ctrl"), profile = TRUE),
  M("three_way", "three_way", "y ~ A * B * C + (1|block)", E("A", by = "B"), E("A", by = c("B", "C")), E("B", weights = "proportional"), E("A", "C")),
  M("three_way_pairs", "three_way", "y ~ (A + B + C)^2 + (1|block)", E("B", by = "A"), E("A", "B")),
  M("cake", "cake", "angle ~ recipe * factor(temp) + (1|recipe:replicate)", E("recipe"), E("temp", contrasts = "poly")),
  M("cake_trend", "cake", "angle ~ recipe + temp + (1|recipe:replicate)", E("recipe")),
  M("assay", "assay", "logDens ~ sample * dilut + (1|Block) + (1|Block:sample) + (1|Block:dilut)", E("sample"), E("dilut", contrasts = "poly")),
  M("assay_additive", "assay", "logDens ~ sample + dilut + (1|Block/sample)", E("sample"), E("dilut")),
  # unbalanced groups and covariates
  M("ratpup", "ratpup", "weight ~ Treatment * sex + Lsize + (1|Litter)", E("Treatment"), E("sex", by = "Treatment"), E("Treatment", weights = "proportional")),
  M("cbpp", "cbpp", "rate ~ period + size + (1|herd)", E("period", contrasts = "trt.vs.ctrl"), notes = "a rate treated as Gaussian"),
  M("gasoline", "gasoline", "yield ~ endpoint + vapor + (1|Sample)"),
  M("gasoline_product", "gasoline", "yield ~ endpoint * vapor + (1|Sample)"),
  M("single_members", "single_members", "y ~ f + age + (1|family)", E("f"), notes = "half of the groups have one observation"),
  M("missing_values", "missing_values", "y ~ f + x + (1|g)", E("f"), notes = "rows with a missing value in a used column are dropped; z is not used"),
  M("two_covariates", "two_covariates", "milk ~ feed + weight * age + (1|farm)", E("feed"), E("feed", weights = "proportional")),
  M("two_covariates_slope", "two_covariates", "milk ~ feed * age + weight + (age|farm)", E("feed"), E("feed", at = list(age = c(2, 6)), by = "age")),
  M("three_products", "two_covariates", "milk ~ feed:age + feed + weight + (1|farm)", E("feed")),
  M("co2_log", "co2", "log(uptake) ~ Type * Treatment * conc + (1|Plant)", E("Type", by = "Treatment"), E("Type", "Treatment"), notes = "means are on the scale of log(uptake)"),
  # curves, numbers as factors
  M("dose_factor", "dose", "y ~ factor(dose) + (1|rat)", E("dose", contrasts = c("poly", "trt.vs.ctrl"))),
  M("dose_log", "dose", "log(y) ~ factor(dose) + (1|rat)", E("dose", contrasts = "poly"), profile = TRUE),
  M("dose_curve", "dose", "y ~ dose + I(dose^2) + (1|rat)"),
  M("dose_curve_slope", "dose", "log(y) ~ dose + I(dose^2) + (dose|rat)"),
  M("pixel", "pixel", "pixel ~ day + I(day^2) + (day|Dog) + (1|Dog:Side)"),
  # slopes
  M("slopes", "slopes", "y ~ x + (x|plant)", profile = TRUE),
  M("slopes_treatment", "slopes", "y ~ water * x + (x|plant)", E("water"), E("water", at = list(x = c(0, 8)), by = "x"),
    newdata = data.frame(water = c("dry", "wet", "wet"), x = c(1, 5, 9), plant = c("p01", "p02", "p99"))),
  M("slopes_shift", "slopes", "y ~ x_shift + (x_shift|plant)", satterthwaite = FALSE,
    notes = "the same model as slopes, covariate shifted by 100; lmerTest's numerical Hessian fails (df 7.90 for the slope, exact is 10.3899 as in slopes), so its Satterthwaite results are left out"),
  M("slopes_milli", "slopes", "y ~ x_milli + (x_milli|plant)", notes = "the same model as slopes, covariate times 1000"),
  M("slopes_diag", "slopes", "y ~ water + x + (x||plant)", E("water"),
    newdata = data.frame(water = c("dry", "wet"), x = c(1, 5), plant = c("p01", "p99"))),
  M("slopes_only", "slopes", "y ~ x + (0+x|plant)"),
  M("slopes_origin", "slopes", "y ~ 0 + x + (0+x|plant)", notes = "through the origin"),
  M("factor_slopes", "factor_slopes", "speed ~ tool + (0+tool|worker)", E("tool")),
  M("factor_slopes_intercept", "factor_slopes", "speed ~ tool + (tool|worker)", E("tool"), notes = "the same model as factor_slopes in another coding"),
  M("factor_slopes_sphere", "factor_slopes", "speed ~ tool + (1|worker) + (1|worker:tool)", E("tool")),
  M("bodyweight", "bodyweight", "weight ~ Diet * Time + (Time|Rat)", E("Diet")),
  # no intercept
  M("no_intercept_factor", "two_covariates", "milk ~ 0 + feed + age + (1|farm)", E("feed")),
  M("no_intercept_product", "slopes", "y ~ 0 + water + water:x + (1|plant)", E("water")),
  # empty cells, aliased columns
  M("empty_cells", "empty_cells", "y ~ A * B + x + (1|g)", E("A", by = "B"), notes = "two empty cells"),
  M("empty_cells_additive", "empty_cells", "y ~ A + B + x + (1|g)", E("A"), E("B"), E("B", weights = "proportional"), notes = "two empty cells"),
  M("aliased_covariate", "aliased", "y ~ f + x + x2 + (1|g)", E("f"), notes = "x2 = 2x + 10: lme4 drops it"),
  M("aliased_factor", "aliased", "y ~ f + site + (1|g)", E("f"), notes = "site is a function of f: lme4 drops it"),
  # singular
  M("dyestuff2", "dyestuff2", "Yield ~ 1 + (1|Batch)", profile = TRUE),
  M("singular_correlation", "singular_correlation", "y ~ x + (x|g)"),
  M("singular_correlation_factor", "singular_correlation", "y ~ f * x + (x|g)", E("f")),
  M("singular_one_zero", "singular_zero", "y1 ~ f + (1|a) + (1|b)", E("f")),
  M("singular_two_zero", "singular_zero", "y2 ~ f + x + (1|a) + (1|b)", E("f")),
  M("singular_one_of_three", "singular_zero", "y1 ~ f + (1|a) + (1|b) + (1|a:b)", E("f")),
  M("singular_three", "singular_zero", "y2 ~ f + (1|a) + (1|b) + (1|a:b)", E("f")),
  M("singular_slope", "singular_zero", "y3 ~ x + (x||a)"),
  M("singular_slope_correlated", "singular_zero", "y3 ~ f + x + (x|a)", E("f")),
  # very small
  M("tiny_blocks", "tiny_blocks", "y ~ f + (1|block)", E("f"), notes = "five observations"),
  M("tiny_split_plot", "tiny_split_plot", "y ~ A * B + (1|rep/A)", E("A"), E("B"), E("A", by = "B"), notes = "twelve observations")
)

extra_lme <- function() {
  L <- function(id, data, fixed, random, more = "") list(id = id, data = data, fixed = fixed, random = random, more = more)
  list(
    L("pastes", "pastes", "strength ~ 1", "~ 1 | batch/cask"),
    L("oxide", "oxide", "Thickness ~ Source", "~ 1 | Lot/Wafer"),
    L("nested_two", "nested_two", "mark ~ book * hours", "~ 1 | school/class"),
    L("nested_three", "nested_three", "y ~ t_a + t_b + x", "~ 1 | a/b/c"),
    L("nested_three_product", "nested_three", "y ~ t_a * t_b * x", "~ 1 | a/b"),
    L("ergostool", "ergostool", "effort ~ Type", "~ 1 | Subject"),
    L("alfalfa_lost", "alfalfa_lost", "Yield ~ Variety * Date", "~ 1 | Block/Variety"),
    L("oats_lost", "oats_lost", "yield ~ variety * nitrogen", "~ 1 | block/variety"),
    L("oats_lost_additive", "oats_lost", "yield ~ nitrogen + variety", "~ 1 | block/variety"),
    L("split_plot_lost", "split_plot_lost", "y ~ A * B", "~ 1 | rep/A"),
    L("npk", "npk", "yield ~ N * P * K", "~ 1 | block"),
    L("ratpup", "ratpup", "weight ~ Treatment * sex + Lsize", "~ 1 | Litter"),
    L("gasoline", "gasoline", "yield ~ endpoint + vapor", "~ 1 | Sample"),
    L("single_members", "single_members", "y ~ f + age", "~ 1 | family"),
    L("two_covariates", "two_covariates", "milk ~ feed + weight * age", "~ 1 | farm"),
    L("two_covariates_slope", "two_covariates", "milk ~ feed * age + weight", "~ age | farm"),
    L("no_intercept_factor", "two_covariates", "milk ~ 0 + feed + age", "~ 1 | farm"),
    L("co2_log", "co2", "log(uptake) ~ Type * Treatment * conc", "~ 1 | Plant"),
    L("slopes", "slopes", "y ~ x", "~ x | plant"),
    L("slopes_treatment", "slopes", "y ~ water * x", "~ x | plant"),
    L("slopes_origin", "slopes", "y ~ 0 + x", "~ 0 + x | plant"),
    L("bodyweight", "bodyweight", "weight ~ Diet * Time", "~ Time | Rat"),
    L("pixel", "pixel", "pixel ~ day + I(day^2)", "list(Dog = ~ day, Side = ~ 1)"),
    L("assay_additive", "assay", "logDens ~ sample + dilut", "~ 1 | Block/sample"),
    L("tiny_blocks", "tiny_blocks", "y ~ f", "~ 1 | block"),
    L("tiny_split_plot", "tiny_split_plot", "y ~ A * B", "~ 1 | rep/A"),
    L("incomplete_repeats_varident", "incomplete_repeats", "score ~ time", "~ 1 | id", ", weights = varIdent(form = ~ 1 | time)"),
    L("bodyweight_ar1", "bodyweight", "weight ~ Diet * Time", "~ 1 | Rat", ", correlation = corAR1(form = ~ 1 | Rat)"),
    L("slopes_ml", "slopes", "y ~ water * x", "~ x | plant", ", method = \"ML\""))
}

extra_comparisons <- function() list(
  list("slopes", "y ~ x + (1|plant)", "y ~ x + (x|plant)"),
  list("slopes", "y ~ x + (x|plant)", "y ~ water * x + (x|plant)"),
  list("oats_lost", "yield ~ nitrogen + (1|block/variety)", "yield ~ nitrogen + variety + (1|block/variety)"),
  list("oats_lost", "yield ~ nitrogen + variety + (1|block/variety)", "yield ~ nitrogen * variety + (1|block/variety)"),
  list("crossed_three", "score ~ glass + (1|judge) + (1|wine) + (1|day)", "score ~ glass + temp + (1|judge) + (1|wine) + (1|day)"),
  list("crossed_interaction", "volume ~ flour + (1|oven) + (1|batch)", "volume ~ flour + (1|oven) + (1|batch) + (1|oven:batch)"),
  list("ergostool", "effort ~ 1 + (1|Subject)", "effort ~ Type + (1|Subject)"),
  list("dose", "log(y) ~ dose + (1|rat)", "log(y) ~ dose + I(dose^2) + (1|rat)"),
  list("dyestuff2", "Yield ~ 1 + (1|Batch)", "Yield ~ 1 + (1|Batch)"),
  list("two_covariates", "milk ~ weight + age + (1|farm)", "milk ~ feed * age + weight + (age|farm)"))

comparison <- function(data_name, formula0, formula1) {
  data <- read_extra(data_name)
  m0 <- fit_lmer(formula0, data, REML = FALSE)
  m1 <- fit_lmer(formula1, data, REML = FALSE)
  a <- rows(anova(m0, m1))
  a$term <- c("m0", "m1")
  list(data = paste0("cases/extra_", data_name), formula0 = formula0, formula1 = formula1, anova = a)
}

make_extra <- function(file = file.path(here, "extra_reference.json"), only = NULL) {
  dir.create(cases_dir, showWarnings = FALSE)
  write_data()
  adjusts <- c("tukey", "sidak", "bonferroni", "holm", "none")
  out <- list(versions = versions(c("nlme", "lme4", "lmerTest", "pbkrtest", "emmeans", "MASS")))
  out$datasets <- sapply(datasets, function(d)
    list(source = d$source, rows = nrow(d$data)), simplify = FALSE)
  names(out$datasets) <- paste0("cases/extra_", names(datasets))
  out$levels <- sapply(datasets, function(d) lapply(d$factors, I), simplify = FALSE)
  names(out$levels) <- names(out$datasets)
  out$lmer <- list()
  for (m in extra_models()) {
    if (!is.null(only) && !m$id %in% only) next
    began <- proc.time()[[3]]
    e <- tryCatch(
      lmer_entry(m$id, m$formula, paste0("cases/extra_", m$data), read_extra(m$data), m$specs,
                 profile = m$profile, adjusts = adjusts, small = TRUE, newdata = m$newdata),
      error = function(err) { message("FAILED ", m$id, ": ", conditionMessage(err)); NULL })
    if (is.null(e)) next
    e$factors <- lapply(datasets[[m$data]]$factors, I)
    if (!m$satterthwaite) {
      e["coef_satterthwaite"] <- list(NULL)
      e$anova[paste("Satterthwaite", c("I", "II", "III"))] <- list(NULL)
    }
    if (!is.null(m$notes)) e$notes <- m$notes
    out$lmer[[m$id]] <- e
    cat(sprintf("%-28s n %3d  p %2d  %s%5.1f s  theta %s\n", m$id, e$nobs, length(e$fixef),
                if (e$singular) "singular " else "", proc.time()[[3]] - began,
                paste(signif(e$theta, 4), collapse = " ")))
  }
  out$lme <- list()
  for (l in extra_lme()) {
    if (!is.null(only) && !l$id %in% only) next
    fit <- tryCatch(quiet(fit_lme(l$fixed, l$random, read_extra(l$data), l$more)),
                    error = function(err) { message("FAILED lme ", l$id, ": ", conditionMessage(err)); NULL })
    if (is.null(fit)) next
    e <- lme_entry(l$id, fit, paste0("cases/extra_", l$data), extra = TRUE)
    e$call <- sprintf("lme(%s, random = %s%s)", l$fixed, l$random, l$more)
    e$fixed_formula <- l$fixed; e$random_formula <- l$random
    e$factors <- lapply(datasets[[l$data]]$factors, I)
    out$lme[[l$id]] <- e
  }
  if (is.null(only)) {
    out$compare <- lapply(extra_comparisons(), function(x) do.call(comparison, x))
    names(out$compare) <- make.unique(sapply(extra_comparisons(), `[[`, 1), sep = "_")
    out$profiles <- list(   # where lme4's own profile of the reference models fails
      tablets = list(data = "tablets", formula = "content ~ method + (1|tablet)"),
      tablets_missing = list(data = "tablets_missing", formula = "content ~ method + (1|tablet)"))
    for (id in names(out$profiles))
      out$profiles[[id]]$confint_profile <- rows(direct_profile(out$profiles[[id]]$formula, read_dataset(id)))
  }
  if (is.null(only)) write_json(out, file) else cat(json(out$lmer, TRUE), json(out$lme, TRUE), "\n")
  invisible(out)
}


# ---- the models of r_reference.json ------------------------------------------

orders <- list(
  tablets = list(method = c("nir", "hplc")),
  oats = list(block = c("I", "II", "III", "IV", "V", "VI"),
              variety = c("Golden.rain", "Marvellous", "Victory"),
              nitrogen = c("0.0cwt", "0.2cwt", "0.4cwt", "0.6cwt")),
  orthodont = list(Sex = c("Male", "Female")),
  machines = list(Machine = c("A", "B", "C")),
  planks = list(width = c("1", "2", "3"), depth = c("1", "3", "5", "7", "9")),
  factor_covariate = list(g = c("a", "b", "c")),
  singular = list(g = c("a", "b", "c")),
  three_levels = list(treat = c("new", "old")))

read_dataset <- function(name) {
  case <- file.path(cases_dir, paste0(sub("^cases/", "", name), ".csv"))
  d <- read.csv(if (startsWith(name, "cases/")) case else file.path(data_dir, paste0(name, ".csv")))
  short <- sub("^cases/", "", name)
  order <- orders[[switch(short, tablets_missing = "tablets", empty_cell = "oats", short)]]
  groups <- c("tablet", "block", "plank", "Subject", "plate", "sample", "Worker", "s", "u", "a", "b", "c")
  for (j in intersect(names(d), groups)) d[[j]] <- factor(d[[j]])
  for (j in intersect(names(d), names(order))) d[[j]] <- factor(as.character(d[[j]]), levels = order[[j]])
  d
}

reference_lmer <- function() {
  R <- function(id, data, formula, ..., profile = FALSE, observations = TRUE)
    lmer_entry(id, formula, data, read_dataset(data), list(...), profile = profile,
               observations = observations)
  list(
    tablets = R("tablets", "tablets", "content ~ method + (1|tablet)", E("method"), profile = TRUE),
    tablets_missing = R("tablets_missing", "tablets_missing", "content ~ method + (1|tablet)", E("method"), profile = TRUE),
    oats_block = R("oats_block", "oats", "yield ~ variety*nitrogen + (1|block)", E("variety"), E("nitrogen")),
    oats_nested = R("oats_nested", "oats", "yield ~ variety*nitrogen + (1|block/variety)", E("variety"), E("nitrogen"), E("nitrogen", by = "variety")),
    planks_plank = R("planks_plank", "planks", "humidity ~ width*depth + (1|plank)", E("width"), E("depth"), E("width", by = "depth"), observations = FALSE),
    planks_additive = R("planks_additive", "planks", "humidity ~ width + depth + (1|plank)", E("width"), E("depth"), observations = FALSE),
    planks_strata = R("planks_strata", "planks", "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)",
                      E("width"), E("depth"), E("width", by = "depth"), E("depth", by = "width"), observations = FALSE),
    sleepstudy = R("sleepstudy", "sleepstudy", "Reaction ~ Days + (Days|Subject)", profile = TRUE),
    sleepstudy_diag = R("sleepstudy_diag", "sleepstudy", "Reaction ~ Days + (Days||Subject)"),
    penicillin = R("penicillin", "penicillin", "diameter ~ 1 + (1|plate) + (1|sample)"),
    machines = R("machines", "machines", "score ~ Machine + (1|Worker) + (1|Worker:Machine)", E("Machine")),
    factor_covariate = R("cases/factor_covariate", "cases/factor_covariate", "y ~ g*x + (1|s)", E("g")),
    factor_covariate_slope = R("cases/factor_covariate", "cases/factor_covariate", "y ~ g + x + (x|s)", E("g")),
    empty_cell = R("cases/empty_cell", "cases/empty_cell", "yield ~ variety*nitrogen + (1|block/variety)"),
    singular = R("cases/singular", "cases/singular", "y ~ g + (1|u)", E("g")),
    no_intercept = R("tablets", "tablets", "content ~ 0 + method + (1|tablet)"),
    three_levels = R("cases/three_levels", "cases/three_levels", "y ~ treat + (1|a/b/c)", E("treat")),
    orthodont = R("orthodont", "orthodont", "distance ~ age*Sex + (age|Subject)", E("Sex")))
}

reference_lme <- function() {
  R <- function(id, data, fixed, random, more = "")
    lme_entry(id, fit_lme(fixed, random, read_dataset(data), more), data)
  list(
    tablets = R("tablets", "tablets", "content ~ method", "~ 1 | tablet"),
    tablets_missing = R("tablets_missing", "tablets_missing", "content ~ method", "~ 1 | tablet"),
    oats_block = R("oats_block", "oats", "yield ~ variety * nitrogen", "~ 1 | block"),
    oats_nested = R("oats_nested", "oats", "yield ~ variety * nitrogen", "~ 1 | block/variety"),
    planks_plank = R("planks_plank", "planks", "humidity ~ width * depth", "~ 1 | plank"),
    tablets_varident = R("tablets_varident", "tablets", "content ~ method", "~ 1 | tablet", ", weights = varIdent(form = ~ 1 | method)"),
    machines_varident = R("machines_varident", "machines", "score ~ Machine", "~ 1 | Worker/Machine", ", weights = varIdent(form = ~ 1 | Machine)"),
    orthodont_slope = R("orthodont_slope", "orthodont", "distance ~ age * Sex", "~ age | Subject"),
    orthodont_ar1 = R("orthodont_ar1", "orthodont", "distance ~ age * Sex", "~ 1 | Subject", ", correlation = corAR1(form = ~ 1 | Subject)"),
    orthodont_varident = R("orthodont_varident", "orthodont", "distance ~ age * Sex", "~ 1 | Subject", ", weights = varIdent(form = ~ 1 | Sex)"),
    three_levels = R("cases/three_levels", "cases/three_levels", "y ~ treat", "~ 1 | a/b/c"),
    no_intercept = R("tablets", "tablets", "content ~ 0 + method", "~ 1 | tablet"),
    orthodont_car1 = R("orthodont", "orthodont", "distance ~ age * Sex", "~ 1 | Subject", ", correlation = corCAR1(form = ~ age | Subject)"))
}

reference_gls <- function() {
  dat <<- read_dataset("orthodont")
  R <- function(id, correlation, weights = NULL)
    gls_entry(id, gls(distance ~ age * Sex, data = dat, correlation = correlation, weights = weights,
                      control = strict_gls), "orthodont")
  list(orthodont_cs = R("orthodont_cs", corCompSymm(form = ~ 1 | Subject)),
       orthodont_ar1 = R("orthodont_ar1", corAR1(form = ~ 1 | Subject)),
       orthodont_un = R("orthodont_un", corSymm(form = ~ 1 | Subject), varIdent(form = ~ 1 | age)))
}

make_r_reference <- function() {
  tab <- read_dataset("tablets"); tm <- read_dataset("tablets_missing"); pl <- read_dataset("planks")
  wide <- tapply(tab$content, list(tab$tablet, tab$method), sum)
  difference <- wide[, "hplc"] - wide[, "nir"]
  t <- t.test(difference)
  aov_rows <- function(fit) rows(anova(fit))
  fixed_means <- function(fit) summarise(emmeans(fit, "method"))
  tukey <- function(fit, terms) lapply(TukeyHSD(fit, terms), rows)
  one_way <- c(tukey(aov(humidity ~ width, pl), "width"), tukey(aov(humidity ~ depth, pl), "depth"))
  w <- tapply(pl$humidity, list(pl$plank, pl$width), mean)
  list(
    versions = versions(c("nlme", "lme4", "lmerTest", "pbkrtest", "emmeans", "MASS")),
    paired_t = list(mean = mean(difference), var = var(difference), sd = sd(difference),
                    t = unname(t$statistic), df = unname(t$parameter), p = t$p.value,
                    ci = as.vector(t$conf.int), se = sd(difference) / sqrt(length(difference)),
                    sd_nir = sd(wide[, "nir"]), se_nir = sd(wide[, "nir"]) / sqrt(nrow(wide))),
    aov_tablets = aov_rows(lm(content ~ method + tablet, tab)),
    aov_missing = aov_rows(lm(content ~ tablet + method, tm)),
    emmeans_fixed_missing = fixed_means(lm(content ~ tablet + method, tm)),
    emmeans_fixed_paired = fixed_means(lm(content ~ tablet + method, tab)),
    lmer = reference_lmer(), lme = reference_lme(), gls = reference_gls(),
    aov_planks_fixed = aov_rows(lm(humidity ~ plank + width * depth + plank:width + plank:depth, pl)),
    aov_planks_additive = aov_rows(lm(humidity ~ plank + width + depth, pl)),
    tukey_oneway_wrong = one_way,
    tukey_fixed_additive = tukey(aov(humidity ~ plank + width + depth, pl), c("width", "depth")),
    levels = orders,
    planks_assumptions = list(paired_t_w1_w2 = t.test(w[, 1], w[, 2], paired = TRUE)$p.value))
}


# ---- old against new ---------------------------------------------------------

flatten <- function(x, path = "") {
  if (is.list(x)) {
    keys <- if (is.null(names(x))) seq_along(x) else names(x)
    terms <- sapply(x, function(e) if (is.list(e) && !is.null(names(e)) && length(e$term) == 1 && is.character(e$term)) e$term else NA)
    if (length(terms) && !anyNA(terms)) keys <- terms
    do.call(c, unname(Map(function(k, e) flatten(e, paste(path, k, sep = "/")), keys, x)))
  } else if (is.null(x)) setNames(list(NA), path) else setNames(list(x), path)
}

compare_references <- function(old_file, new_file) {
  old <- flatten(fromJSON(old_file, simplifyVector = FALSE))
  new <- flatten(fromJSON(new_file, simplifyVector = FALSE))
  cat("only in the old file: ", length(setdiff(names(old), names(new))), "; only in the new: ",
      length(setdiff(names(new), names(old))), "\n", sep = "")
  for (k in head(setdiff(names(old), names(new)), 12)) cat("   -", k, "\n")
  for (k in head(setdiff(names(new), names(old)), 12)) cat("   +", k, "\n")
  both <- intersect(names(old), names(new))
  number <- sapply(both, function(k) is.numeric(old[[k]]) && is.numeric(new[[k]]))
  other <- both[!number]
  differs <- other[!mapply(identical, old[other], new[other])]
  cat("texts and nulls that differ:", length(differs), "\n")
  for (k in head(differs[!grepl("/call$|/varcorr/", differs)], 20))
    cat("   ", k, ":", format(old[[k]]), "->", format(new[[k]]), "\n")
  keys <- both[number]
  a <- as.numeric(unlist(old[keys])); b <- as.numeric(unlist(new[keys]))
  d <- abs(a - b) / pmax(abs(a), 1e-6 * ave(abs(a), sub("/[^/]*$", "", keys), FUN = max), 1e-12)
  p <- grepl("Pr\\(|p.value|p-value|/p$|p adj", keys)
  d[p] <- abs(a - b)[p]
  part <- sub("^/(lmer|lme|gls)/[^/]*/([^/]*)/?.*", "\\1: \\2", keys)
  part <- sub("^/([^/]*).*", "\\1", part)
  part <- paste0(part, ifelse(p, " (p, absolute)", ""))
  df <- grepl("/df$|/DenDF$", keys)
  part[df] <- paste(part[df], "df")
  worst <- tapply(seq_along(d), part, function(i) i[which.max(d[i])])
  out <- data.frame(largest = signif(d[worst], 2), where = keys[worst], row.names = names(worst))
  print(out[order(-out$largest), ], right = FALSE)
}


# ---- what is asked for -------------------------------------------------------

check_reference <- function() {
  new <- tempfile(fileext = ".json")
  write_json(make_r_reference(), new)
  cat("\nr_reference.json against its regeneration (relative differences, p absolute):\n")
  compare_references(file.path(here, "r_reference.json"), new)
}

if (sys.nframe() == 0) {
  asked <- commandArgs(TRUE)
  if (!length(asked)) { make_extra(); check_reference()
  } else switch(asked[1],
    extra = make_extra(only = if (length(asked) > 1) asked[-1]),
    check = check_reference(),
    reference = write_json(make_r_reference(), asked[2]),
    stop("unknown: ", asked[1]))
}
