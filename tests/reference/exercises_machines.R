# The right answers of mixedteach/checks/exercises/machines.py, by R (lme4, lmerTest, emmeans):
#     Rscript tests/reference/exercises_machines.R > tests/reference/exercises_machines.json
suppressMessages({library(lmerTest); library(emmeans)})
machines <- read.csv("datasets/machines.csv")
machines$Worker <- factor(machines$Worker)
machines$Machine <- factor(machines$Machine)
cells <- aggregate(score ~ Worker + Machine, data = machines, FUN = mean)
model <- lm(score ~ Machine + Worker, data = cells)
table <- anova(model)
row <- function(term) list(num_df = table[term, "Df"], mean_sq = table[term, "Mean Sq"],
                           F = table[term, "F value"])
means <- emmeans(model, "Machine")
pair <- as.data.frame(pairs(means))
hsd <- TukeyHSD(aov(score ~ Worker + Machine, data = cells), "Machine")$Machine
mixed <- lmer(score ~ Machine + (1 | Worker), data = cells)
strata <- lmer(score ~ Machine + (1 | Worker) + (1 | Worker:Machine), data = machines)
se <- function(m) as.data.frame(emmeans(m, "Machine"))[2, "SE"]
readings <- anova(lm(score ~ Machine + Worker, data = machines))
cat(jsonlite::toJSON(list(
  cell_means = setNames(as.list(cells$score), paste(cells$Worker, cells$Machine, sep = ", ")),
  model = list(observations = nobs(model), fixed_effects = length(coef(model)),
               residual_variance = sigma(model)^2),
  anova = list(Machine = row("Machine"), Worker = row("Worker"),
               Residual = list(num_df = table["Residuals", "Df"],
                               mean_sq = table["Residuals", "Mean Sq"])),
  tukey = lapply(split(pair, sub("Machine", "", pair$contrast)),
                 function(r) list(estimate = r$estimate, SE = r$SE, df = r$df, p = r$p.value)),
  tukey_hsd = lapply(setNames(rownames(hsd), rownames(hsd)),
                     function(n) list(diff = hsd[n, "diff"], "p adj" = hsd[n, "p adj"])),
  errors = list(same_workers = se(model), new_workers = se(mixed), difference = pair$SE[1]),
  errors_strata = list(new_workers = se(strata),
                       difference = as.data.frame(pairs(emmeans(strata, "Machine")))$SE[1]),
  mixed_anova = list(F = anova(mixed)[["F value"]], num_df = anova(mixed)$NumDF,
                     den_df = anova(mixed)$DenDF),
  readings = list(F = readings["Machine", "F value"], df = readings["Residuals", "Df"],
                  mean_sq = readings["Residuals", "Mean Sq"])
), auto_unbox = TRUE, digits = 10, pretty = TRUE), "\n")
