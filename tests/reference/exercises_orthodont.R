# The right answers of mixedteach/checks/exercises/orthodont.py, by R:
#     Rscript tests/reference/exercises_orthodont.R > tests/reference/exercises_orthodont.json
suppressPackageStartupMessages({library(lme4); library(nlme)})
children <- read.csv("datasets/orthodont.csv", stringsAsFactors = TRUE)
children$Sex <- factor(children$Sex, levels = c("Male", "Female"))
exact <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-11))
fit <- function(terms, reml = TRUE) {
  lmer(as.formula(paste("distance ~", terms)), children, REML = reml, control = exact)
}
m <- fit("age*Sex + (1|Subject)")
ml <- fit("age*Sex + (1|Subject)", FALSE)
small <- fit("age + Sex + (1|Subject)", FALSE)
components <- function(m) as.data.frame(VarCorr(m))$vcov
marginal <- getVarCov(lme(distance ~ age*Sex, random = ~1|Subject, data = children),
                      type = "marginal")[[1]]
# generalised least squares by hand
Z <- as.matrix(t(getME(m, "Zt")))
V <- components(m)[1] * Z %*% t(Z) + components(m)[2] * diag(nrow(Z))
X <- model.matrix(m); W <- solve(V, X); cov <- solve(t(X) %*% W)
beta <- cov %*% t(W) %*% children$distance; L <- c(0, 1, 0, 1)
test <- anova(small, ml)
by_lme <- anova(lme(distance ~ age + Sex, random = ~1|Subject, data = children, method = "ML"),
                lme(distance ~ age*Sex, random = ~1|Subject, data = children, method = "ML"))
means <- with(children, tapply(distance, list(Sex, age), mean))
cat(jsonlite::toJSON(list(
  profiles = list(Male = unname(means["Male", ]), Female = unname(means["Female", ])),
  variances = list("Subject, REML" = components(m)[1], "Subject, ML" = components(ml)[1],
                   "Residual, REML" = components(m)[2], "Residual, ML" = components(ml)[2]),
  matrices = list(X = ncol(X), Z = ncol(Z), variance = V[1, 1], covariance = V[1, 2],
                  theta = unname(getME(m, "theta"))),
  marginal = list(variance = marginal[1, 1], covariance = marginal[1, 2]),
  girls_slope = list(estimate = sum(L * beta), SE = sqrt(drop(t(L) %*% cov %*% L))),
  likelihood_ratio = list(loglik = as.numeric(logLik(ml)), LRT = test$Chisq[2], df = test$Df[2],
                          p = test$"Pr(>Chisq)"[2]),
  nlme_test = list(loglik = by_lme$logLik[2], LRT = by_lme$L.Ratio[2], df = diff(by_lme$df),
                   p = by_lme$"p-value"[2]),
  reml_compared = as.numeric(2 * (logLik(m) - logLik(fit("age + Sex + (1|Subject)"))))
), auto_unbox = TRUE, digits = 10, pretty = TRUE), "\n")
