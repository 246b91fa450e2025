# Models with a residual covariance, by nlme: numbers for tests/test_residual_parity.py.
#
#   Rscript residual.R        writes residual.json and cases/residual_ovary.csv
#
# Data: ../../datasets (or the directory named by MIXEDTEACH_DATASETS) and cases/.

suppressPackageStartupMessages({library(nlme); library(emmeans); library(jsonlite)})
options(contrasts = c("contr.treatment", "contr.poly"), warn = 1)

here <- local({
  file <- grep("^--file=", commandArgs(FALSE), value = TRUE)
  if (length(file)) dirname(normalizePath(sub("^--file=", "", file[1]))) else getwd()
})
data_dir <- Sys.getenv("MIXEDTEACH_DATASETS", file.path(here, "..", "..", "datasets"))
case <- function(name) read.csv(file.path(here, "cases", paste0("extra_", name, ".csv")))

orthodont <- read.csv(file.path(data_dir, "orthodont.csv"))
orthodont$Sex <- factor(orthodont$Sex, levels = c("Male", "Female"))
orthodont$visit <- as.integer(factor(orthodont$age))
lost <- orthodont[-c(2, 7, 9, 18, 19, 31, 44, 58, 63, 74, 86, 99, 101), ]
# nlme normalises residuals of gls wrongly unless the rows of a group and the groups are in order
orthodont <- orthodont[order(orthodont$Subject, orthodont$age), ]
lost <- lost[order(lost$Subject, lost$age), ]
bodyweight <- case("bodyweight")
for (f in c("Rat", "Diet")) bodyweight[[f]] <- factor(bodyweight[[f]])
bodyweight$visit <- as.integer(factor(bodyweight$Time))
machines <- read.csv(file.path(data_dir, "machines.csv"))
machines$Machine <- factor(machines$Machine); machines$Worker <- factor(machines$Worker)
sleep <- read.csv(file.path(data_dir, "sleepstudy.csv"))
sleep$Subject <- factor(sleep$Subject)
ratpup <- case("ratpup")
ratpup$Litter <- factor(ratpup$Litter)
ratpup$Treatment <- factor(ratpup$Treatment, levels = c("Control", "Low", "High"))
ovary <- as.data.frame(Ovary)
ovary$Mare <- factor(as.character(ovary$Mare))
ovary <- ovary[order(ovary$Mare, ovary$Time), c("Mare", "Time", "follicles")]
ovary$s <- sin(2 * pi * ovary$Time); ovary$c <- cos(2 * pi * ovary$Time)
ovary$visit <- ave(seq_along(ovary$Mare), ovary$Mare, FUN = seq_along)
write.csv(ovary, file.path(here, "cases", "residual_ovary.csv"), row.names = FALSE)

lmec <- lmeControl(maxIter = 500, msMaxIter = 1000, msMaxEval = 4000, tolerance = 1e-10,
                   msTol = 1e-12, niterEM = 50)
glsc <- glsControl(maxIter = 500, msMaxIter = 1000, tolerance = 1e-10, msTol = 1e-12)
out <- list()
add <- function(id, data, fixed, random, ours, correlation = NULL, weights = NULL, method = "REML") {
  frame <- get(data)
  fit <- tryCatch(
    if (is.null(random)) do.call(gls, list(fixed, frame, correlation = correlation,
                                           weights = weights, method = method, control = glsc))
    else do.call(lme, list(fixed, frame, random, correlation = correlation, weights = weights,
                           method = method, control = lmec)),
    error = function(e) {message("FAILED ", id, ": ", conditionMessage(e)); NULL})
  if (is.null(fit)) return(invisible())
  mixed <- inherits(fit, "lme")
  table <- summary(fit)$tTable
  sizes <- tryCatch({
    i <- intervals(fit)
    parts <- i[intersect(c("corStruct", "varStruct"), names(i))]
    c(lapply(parts, function(x) unname(apply(x, 1, as.list))), list(sigma = as.list(i$sigma)))
  }, error = function(e) NULL)
  norm <- as.numeric(resid(fit, type = "normalized"))
  means <- NULL  # emmeans differentiates numerically, from the Hessian of nlme
  if (!mixed && grepl("^distance", deparse1(fixed)) && method == "REML") {
    e <- tryCatch(suppressMessages(as.data.frame(emmeans(fit, ~ Sex, mode = "satterthwaite"))),
                  error = function(e) NULL)
    if (!is.null(e)) means <- list(emmean = e$emmean, SE = e$SE, df = e$df)
  }
  entry <- list(
    data = data, fixed = deparse1(fixed), ours = ours, method = method,
    call = paste0(deparse1(correlation), " ", deparse1(weights)),
    coef = unname(table[, 1]), se = unname(table[, 2]),
    df = if (mixed) unname(fit$fixDF$X) else NULL, logLik = as.numeric(logLik(fit)),
    npar = attr(logLik(fit), "df"), sigma = fit$sigma,
    correlation = if (is.null(correlation)) NULL else
      unname(coef(fit$modelStruct$corStruct, unconstrained = FALSE)),
    variance = if (is.null(weights)) NULL else
      unname(coef(fit$modelStruct$varStruct, unconstrained = FALSE)),
    random_sd = if (mixed) suppressWarnings(as.numeric(VarCorr(fit)[, "StdDev"])) else NULL,
    intervals = sizes, emmeans = means, normalised = norm)
  out[[id]] <<- entry
}

F1 <- distance ~ age * Sex
S <- ~ 1 | Subject
O <- "distance ~ age*Sex + (1|Subject)"; G <- "distance ~ age*Sex"
A <- "AR1('visit', by='Subject')"
ar <- corAR1(form = ~ visit | Subject); car <- corCAR1(form = ~ age | Subject)
sy <- corSymm(form = ~ visit | Subject); cs <- corCompSymm(form = ~ 1 | Subject)
sex <- varIdent(form = ~ 1 | Sex); at <- varIdent(form = ~ 1 | age)

for (d in c("orthodont", "lost")) {
  for (m in c("REML", "ML")) {
    id <- function(x) paste(d, x, m, sep = "_")
    add(id("ri_ar1"), d, F1, S, list(O, A, NULL), ar, NULL, m)
    add(id("ri_ar1_sex"), d, F1, S, list(O, A, "UnequalVariances('Sex')"), ar, sex, m)
    add(id("ri_sex"), d, F1, S, list(O, NULL, "UnequalVariances('Sex')"), NULL, sex, m)
    add(id("ar1"), d, F1, NULL, list(G, A, NULL), ar, NULL, m)
    add(id("car1"), d, F1, NULL, list(G, "CAR1('age', by='Subject')", NULL), car, NULL, m)
    add(id("cs"), d, F1, NULL, list(G, "CompoundSymmetry(by='Subject')", NULL), cs, NULL, m)
    add(id("cs_sex"), d, F1, NULL, list(G, "CompoundSymmetry(by='Subject')", "UnequalVariances('Sex')"), cs, sex, m)
    add(id("un"), d, F1, NULL, list(G, "Unstructured('visit', by='Subject')", "UnequalVariances('visit')"), sy, at, m)
    add(id("symm"), d, F1, NULL, list(G, "Unstructured('visit', by='Subject')", NULL), sy, NULL, m)
    add(id("power_age"), d, F1, S, list(O, NULL, "PowerOf('age')"), NULL, varPower(form = ~ age), m)
    add(id("power_mean"), d, F1, NULL, list(G, NULL, "PowerOfMean()"), NULL, varPower(), m)
    add(id("ri_power_mean"), d, F1, S, list(O, NULL, "PowerOfMean()"), NULL, varPower(), m)
  }
}
B <- weight ~ Diet * Time
b <- "weight ~ Diet*Time"
rs <- ~ Time | Rat
add("rats_slope_car1", "bodyweight", B, rs, list(paste(b, "+ (Time|Rat)"), "CAR1('Time', by='Rat')", NULL), corCAR1(form = ~ Time | Rat))
add("rats_slope_power", "bodyweight", B, rs, list(paste(b, "+ (Time|Rat)"), NULL, "PowerOfMean()"), NULL, varPower())
add("rats_slope_both", "bodyweight", B, rs, list(paste(b, "+ (Time|Rat)"), "CAR1('Time', by='Rat')", "PowerOfMean()"), corCAR1(form = ~ Time | Rat), varPower())
add("rats_slope_ar1_diet", "bodyweight", B, rs, list(paste(b, "+ (Time|Rat)"), "AR1('Time', by='Rat')", "UnequalVariances('Diet')"), corAR1(form = ~ visit | Rat), varIdent(form = ~ 1 | Diet))
add("rats_ar1", "bodyweight", B, NULL, list(b, "AR1('Time', by='Rat')", NULL), corAR1(form = ~ visit | Rat))
add("machines", "machines", score ~ Machine, ~ 1 | Worker/Machine, list("score ~ Machine + (1|Worker/Machine)", NULL, "UnequalVariances('Machine')"), NULL, varIdent(form = ~ 1 | Machine))
add("machines_ml", "machines", score ~ Machine, ~ 1 | Worker, list("score ~ Machine + (1|Worker)", NULL, "UnequalVariances('Machine')"), NULL, varIdent(form = ~ 1 | Machine), "ML")
add("sleep_ri_ar1", "sleep", Reaction ~ Days, ~ 1 | Subject, list("Reaction ~ Days + (1|Subject)", "AR1('Days', by='Subject')", NULL), corAR1(form = ~ Days | Subject))
add("sleep_power", "sleep", Reaction ~ Days, ~ Days | Subject, list("Reaction ~ Days + (Days|Subject)", NULL, "PowerOfMean()"), NULL, varPower())
add("ratpup", "ratpup", weight ~ Treatment * sex + Lsize, ~ 1 | Litter, list("weight ~ Treatment*sex + Lsize + (1|Litter)", NULL, "UnequalVariances('Treatment')"), NULL, varIdent(form = ~ 1 | Treatment))
add("ratpup_two", "ratpup", weight ~ Treatment * sex + Lsize, ~ 1 | Litter, list("weight ~ Treatment*sex + Lsize + (1|Litter)", NULL, "UnequalVariances('Treatment:sex')"), NULL, varIdent(form = ~ 1 | Treatment * sex))
add("ovary_ar1", "ovary", follicles ~ s + c, NULL, list("follicles ~ s + c", "AR1('visit', by='Mare')", NULL), corAR1(form = ~ visit | Mare))
add("ovary_car1", "ovary", follicles ~ s + c, NULL, list("follicles ~ s + c", "CAR1('Time', by='Mare')", NULL), corCAR1(form = ~ Time | Mare))
add("ovary_ri_ar1", "ovary", follicles ~ s + c, ~ 1 | Mare, list("follicles ~ s + c + (1|Mare)", "AR1('visit', by='Mare')", NULL), corAR1(form = ~ visit | Mare))
add("ovary_diag_ar1", "ovary", follicles ~ s + c, list(Mare = pdDiag(~ s)), list("follicles ~ s + c + (s||Mare)", "AR1('visit', by='Mare')", NULL), corAR1(form = ~ visit | Mare))

versions <- list(R = paste(R.version$major, R.version$minor, sep = "."), nlme = as.character(packageVersion("nlme")))
writeLines(toJSON(list(versions = versions, models = out), digits = 12, auto_unbox = TRUE, null = "null", na = "null"),
           file.path(here, "residual.json"))
