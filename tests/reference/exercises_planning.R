# The right answers of mixedteach/checks/exercises/planning.py, by R:
#     Rscript tests/reference/exercises_planning.R > tests/reference/exercises_planning.json
suppressPackageStartupMessages(library(lme4))
pilot <- read.csv("datasets/machines.csv", stringsAsFactors = TRUE)
pilot$Worker <- factor(pilot$Worker)
m <- lmer(score ~ Machine + (1|Worker) + (1|Worker:Machine), pilot,
          control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-11)))
v <- as.data.frame(VarCorr(m)); v <- setNames(v$vcov, v$grp)
worker <- v[["Worker"]]; pair <- v[["Worker:Machine"]]; run <- v[["Residual"]]
difference <- function(runs = 3) sqrt(2 * (pair + run / runs))
single <- sqrt(worker + pair + run / 3)
power <- function(n, sd, type, delta = 4) {
  power.t.test(n = n, delta = delta, sd = sd, type = type, strict = TRUE)$power
}
needed <- function(sd, type) {
  n <- 2
  while (power(n, sd, type) < 0.8) n <- n + 1
  n
}
n <- needed(difference(), "paired")
g <- needed(single, "two.sample")
workers <- seq(4, 24, 4)
cost <- do.call(rbind, lapply(1:6, function(runs) {
  n <- needed(difference(runs), "paired")
  data.frame(workers = n, runs = runs, cost = n * (200 + 2 * runs * 5),
             power = power(n, difference(runs), "paired"))
}))
# likelihood ratio of (1|Worker), REML, as a function of the ratio w of mean squares
of_variance <- function(g, k, sd = 0.8) {
  nu <- g * (k - 1); rest <- g * k - 1
  lrt <- function(w) rest * log(((g - 1) * w + nu) / rest) - (g - 1) * log(w)
  w <- uniroot(function(w) lrt(w) - qchisq(0.95, 1), c(1, 1e4), tol = 1e-12)$root
  pf(w / (1 + k * sd^2 / run), g - 1, nu, lower.tail = FALSE)
}
df <- 30; se <- difference() / 4; critical <- qtukey(0.95, 3, df) / sqrt(2)
tukey <- pt(critical, df, 4 / se, lower.tail = FALSE) + pt(-critical, df, 4 / se)
cat(jsonlite::toJSON(list(
  sds = list(difference = difference(), single = single),
  pairs_needed = list(workers = n, power = power(n, difference(), "paired")),
  solved = power.t.test(power = 0.8, delta = 4, sd = difference(), type = "paired",
                        strict = TRUE, tol = 1e-8)$n,
  groups_needed = list(per_machine = g, total = 2 * g, power = power(g, single, "two.sample")),
  curves = list(one = sapply(workers, power, sd = difference(1), type = "paired"),
                twelve = sapply(workers, power, sd = difference(12), type = "paired"),
                separate = sapply(workers / 2, power, sd = single, type = "two.sample")),
  cheapest = as.list(cost[which.min(cost$cost), ]),
  designs = cost,
  split = list("3 x 12" = of_variance(3, 12), "6 x 6" = of_variance(6, 6),
               "12 x 3" = of_variance(12, 3), "18 x 2" = of_variance(18, 2)),
  tukey = list(SE = se, critical = critical, power = tukey,
               mc_error = sqrt(tukey * (1 - tukey) / 2000))
), auto_unbox = TRUE, digits = 10, pretty = TRUE), "\n")
