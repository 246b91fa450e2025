# Random effects that share one variance, by nlme's pdIdent: numbers for tests/test_tied.py.
#
#   Rscript identity.R        writes identity.json
#
# Data: ../../datasets (or the directory named by MIXEDTEACH_DATASETS) and cases/.

suppressPackageStartupMessages({library(nlme); library(jsonlite)})
options(contrasts = c("contr.treatment", "contr.poly"), warn = 1)

here <- local({
  file <- grep("^--file=", commandArgs(FALSE), value = TRUE)
  if (length(file)) dirname(normalizePath(sub("^--file=", "", file[1]))) else getwd()
})
data_dir <- Sys.getenv("MIXEDTEACH_DATASETS", file.path(here, "..", "..", "datasets"))
read <- function(name) read.csv(file.path(data_dir, paste0(name, ".csv")))
sleepstudy <- read("sleepstudy"); sleepstudy$Subject <- factor(sleepstudy$Subject)
machines <- read("machines")
machines$Machine <- factor(machines$Machine); machines$Worker <- factor(machines$Worker)
oats <- read("oats")
oats$block <- factor(oats$block); oats$variety <- factor(oats$variety)
oats$nitrogen <- factor(oats$nitrogen); oats$dose <- as.numeric(sub("cwt", "", oats$nitrogen))
orthodont <- read("orthodont")
orthodont$Sex <- factor(orthodont$Sex, levels = c("Male", "Female"))
orthodont$visit <- as.integer(factor(orthodont$age))
ratpup <- read.csv(file.path(here, "cases", "extra_ratpup.csv"))
ratpup$Litter <- factor(ratpup$Litter)
ratpup$Treatment <- factor(ratpup$Treatment, levels = c("Control", "Low", "High"))
ratpup$sex <- factor(ratpup$sex, levels = c("Female", "Male"))

control <- lmeControl(maxIter = 500, msMaxIter = 1000, msMaxEval = 4000, tolerance = 1e-10,
                      msTol = 1e-12, niterEM = 50)
out <- list()
add <- function(id, data, fixed, random, ours, correlation = NULL, weights = NULL) {
  for (method in c("REML", "ML")) {
    fit <- do.call(lme, list(fixed, get(data), random, correlation = correlation,
                             weights = weights, method = method, control = control))
    table <- summary(fit)$tTable
    tests <- anova(fit)
    out[[paste(id, method, sep = "_")]] <<- list(
      data = data, ours = ours, method = method,
      coef = unname(table[, 1]), se = unname(table[, 2]), df = unname(table[, 3]),
      anova = list(num_df = tests$numDF, den_df = tests$denDF, F = tests[["F-value"]]),
      logLik = as.numeric(logLik(fit)), npar = attr(logLik(fit), "df"), sigma = fit$sigma,
      random_sd = suppressWarnings(as.numeric(VarCorr(fit)[, "StdDev"])),
      correlation = if (is.null(correlation)) NULL else
        unname(coef(fit$modelStruct$corStruct, unconstrained = FALSE)),
      variance = if (is.null(weights)) NULL else
        unname(coef(fit$modelStruct$varStruct, unconstrained = FALSE)),
      fitted = as.numeric(fitted(fit)))
  }
}

add("sleep", "sleepstudy", Reaction ~ Days, list(Subject = pdIdent(~ Days)),
    list("Reaction ~ Days + (Days|||Subject)", NULL, NULL))
add("machines", "machines", score ~ Machine, list(Worker = pdIdent(~ Machine - 1)),
    list("score ~ Machine + (0+Machine|||Worker)", NULL, NULL))
add("machines_coded", "machines", score ~ Machine, list(Worker = pdIdent(~ Machine)),
    list("score ~ Machine + (Machine|||Worker)", NULL, NULL))
add("machines_both", "machines", score ~ Machine,
    list(Worker = pdBlocked(list(pdIdent(~ 1), pdIdent(~ Machine - 1)))),
    list("score ~ Machine + (1|Worker) + (0+Machine|||Worker)", NULL, NULL))
add("machines_sd", "machines", score ~ Machine, list(Worker = pdIdent(~ Machine - 1)),
    list("score ~ Machine + (0+Machine|||Worker)", NULL, "UnequalVariances('Machine')"),
    weights = varIdent(form = ~ 1 | Machine))
add("oats", "oats", yield ~ variety * nitrogen, list(block = pdBlocked(list(
      pdIdent(~ 1), pdIdent(~ variety - 1), pdIdent(~ nitrogen - 1)))),
    list("yield ~ variety*nitrogen + (1|block) + (0+variety|||block) + (0+nitrogen|||block)", NULL, NULL))
add("oats_nested", "oats", yield ~ dose, list(block = pdIdent(~ dose), variety = pdIdent(~ 1)),
    list("yield ~ dose + (dose|||block) + (1|block:variety)", NULL, NULL))
add("orthodont", "orthodont", distance ~ age * Sex, list(Subject = pdIdent(~ age)),
    list("distance ~ age*Sex + (age|||Subject)", NULL, NULL))
add("orthodont_ar1", "orthodont", distance ~ age * Sex, list(Subject = pdIdent(~ age)),
    list("distance ~ age*Sex + (age|||Subject)", "AR1('visit', by='Subject')", "UnequalVariances('Sex')"),
    correlation = corAR1(form = ~ visit | Subject), weights = varIdent(form = ~ 1 | Sex))
add("ratpup", "ratpup", weight ~ Treatment * sex + Lsize, list(Litter = pdIdent(~ sex - 1)),
    list("weight ~ Treatment*sex + Lsize + (0+sex|||Litter)", NULL, NULL))

versions <- list(R = paste(R.version$major, R.version$minor, sep = "."), nlme = as.character(packageVersion("nlme")))
writeLines(toJSON(list(versions = versions, models = out), digits = 12, auto_unbox = TRUE, null = "null", na = "null"),
           file.path(here, "identity.json"))
