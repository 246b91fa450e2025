# The right answers of mixedteach/checks/exercises/growth.py, by R (nlme):
#     Rscript tests/reference/exercises_growth.R > tests/reference/exercises_growth.json
suppressPackageStartupMessages(library(nlme))
children <- read.csv("datasets/orthodont.csv", stringsAsFactors = TRUE)
children$Sex <- factor(children$Sex, levels = c("Male", "Female"))
children$centred <- children$age - 11
fine <- lmeControl(msMaxIter = 500, msTol = 1e-12, tolerance = 1e-10, returnObject = TRUE,
                   opt = "nlminb", niterEM = 50)
fine_gls <- glsControl(msMaxIter = 500, msTol = 1e-12, tolerance = 1e-10)
mixed <- function(fixed = distance ~ age*Sex, random = ~1|Subject, method = "REML", ...) {
  # names in a call: lme keeps it for anova() and intervals()
  do.call(lme, list(fixed, data = children, random = random, method = method, control = fine, ...))
}
plain <- function(method = "REML", ...) {
  do.call(gls, list(distance ~ age*Sex, data = children, method = method, control = fine_gls, ...))
}
intercept <- mixed()
line <- mixed(random = ~age|Subject)
centred <- mixed(distance ~ centred*Sex, random = ~centred|Subject)
ar1 <- plain(correlation = corAR1(form = ~1|Subject))
both <- mixed(correlation = corAR1(form = ~1|Subject))
free <- plain(correlation = corSymm(form = ~1|Subject))
by_sex <- mixed(weights = varIdent(form = ~1|Sex))
within <- intercept$sigma^2
between <- as.numeric(VarCorr(intercept)[1, 1])
corr_estimates <- function(m) cov2cor(vcov(m))[1, 2]
corr_children <- function(m) cov2cor(getVarCov(m))[1, 2]
loglik <- function(m) as.numeric(logLik(m))
lrt <- 2 * (loglik(line) - loglik(intercept))
p <- pchisq(lrt, 2:1, lower.tail = FALSE)
phi <- intervals(both, which = "var-cov")$corStruct["Phi", ]
sds <- coef(by_sex$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)
ratio <- sds[["Female"]] / sds[["Male"]]
test <- anova(intercept, by_sex)
first <- function(m) {
  V <- if (inherits(m, "lme")) getVarCov(m, individuals = "M01", type = "marginal")[[1]]
       else getVarCov(m, individual = "M01")
  unname(cov2cor(V)[1, 2:4])
}
se <- function(m) sqrt(vcov(m)["age:SexFemale", "age:SexFemale"])
ml <- function(fixed) mixed(fixed, method = "ML", weights = varIdent(form = ~1|Sex))
slopes <- anova(ml(distance ~ age + Sex), ml(distance ~ age*Sex))
independent <- lm(distance ~ age*Sex, data = children)
cat(jsonlite::toJSON(list(
  one_child = list(sd = sqrt(between + within), correlation = between / (between + within)),
  centring = list("estimates, age" = corr_estimates(line),
                  "estimates, centred" = corr_estimates(centred),
                  "children, age" = corr_children(line),
                  "children, centred" = corr_children(centred)),
  line_test = list(LRT = lrt, df = 2, p = p[1], p_mixture = mean(p)),
  anova_line = anova(intercept, line)$"p-value"[2],
  autocorrelation = list(phi = phi[["est."]], lower = phi[["lower"]], upper = phi[["upper"]]),
  sd_ratio = list(ratio = ratio, LRT = test$L.Ratio[2], df = diff(test$df)),
  correlations = lapply(list(intercept = intercept, line = line, AR1 = ar1, unstructured = free),
                        first),
  aic = list(intercept = AIC(intercept), line = AIC(line), AR1 = AIC(ar1),
             "intercept and AR1" = AIC(both), unstructured = AIC(free), "sd by Sex" = AIC(by_sex)),
  slopes_differ = list(SE_independent = se(independent), SE_chosen = se(by_sex),
                       LRT = slopes$L.Ratio[2], p = slopes$"p-value"[2]),
  reml_compared = 2 * (loglik(by_sex) - loglik(mixed(distance ~ age + Sex,
                                                     weights = varIdent(form = ~1|Sex)))),
  phi_alone = unname(coef(ar1$modelStruct$corStruct, unconstrained = FALSE)),
  phi_by_ml = unname(coef(mixed(method = "ML", correlation = corAR1(form = ~1|Subject))
                          $modelStruct$corStruct, unconstrained = FALSE)),
  coefficient = list(estimate = fixef(by_sex)[["age:SexFemale"]], SE = se(by_sex))
), auto_unbox = TRUE, digits = 10, pretty = TRUE), "\n")
