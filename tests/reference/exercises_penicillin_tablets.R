# What R says to the questions of the exercises penicillin and tablets.
#
#     Rscript tests/reference/exercises_penicillin_tablets.R datasets > out.json
#
# Needs lme4, lmerTest, pbkrtest, emmeans and jsonlite; the committed output is
# exercises_penicillin_tablets.json.
suppressMessages({
  library(lmerTest)
  library(emmeans)
  library(jsonlite)
})
folder <- commandArgs(trailingOnly = TRUE)[1]
read <- function(name) read.csv(file.path(folder, paste0(name, ".csv")))
found <- list()

# -- penicillin --
p <- read("penicillin")
p$plate <- factor(p$plate)
p$sample <- factor(p$sample)
m <- lmer(diameter ~ sample + (1 | plate), p)
v <- as.data.frame(VarCorr(m))
found$same_plate <- list(
  sd_plate = v$sdcor[1], sd_residual = v$sdcor[2],
  covariance = v$vcov[1], correlation = v$vcov[1] / sum(v$vcov)
)
found$plate_m <- list(
  blup = ranef(m)$plate["m", 1], kept = v$vcov[1] / (v$vcov[1] + v$vcov[2] / 6)
)
found$sample_means <- as.data.frame(emmeans(m, "sample", lmer.df = "satterthwaite"))
a <- anova(m)
found$f_sample <- list(F = a$`F value`, num_df = a$NumDF, den_df = a$DenDF)
s <- summary(aov(diameter ~ sample + Error(plate), p))
found$f_by_aov <- s[["Error: Within"]][[1]]$`F value`[1]
fixed <- as.data.frame(emmeans(lm(diameter ~ sample + plate, p), "sample"))
found$se_plates_fixed <- fixed[1, c("SE", "df")]
found$sd_by_ml <- as.data.frame(VarCorr(update(m, REML = FALSE)))$sdcor

# -- tablets --
t <- read("tablets_missing")
t$tablet <- factor(t$tablet)
t$method <- factor(t$method, levels = c("nir", "hplc"))
high <- t$tablet[t$method == "nir" & !is.na(t$content) & t$content >= 10.5]
t$content[t$tablet %in% high & t$method == "hplc"] <- NA
w <- reshape(t, idvar = "tablet", timevar = "method", direction = "wide")
d <- na.omit(w$content.hplc - w$content.nir)
test <- t.test(d)
found$pairs_only <- list(
  estimate = mean(d), SE = test$stderr, df = unname(test$parameter)
)
fixed <- coef(summary(lm(content ~ tablet + method, t)))["methodhplc", ]
found$pairs_by_lm <- list(difference = fixed[[1]], SE = fixed[[2]])
m <- lmer(content ~ method + (1 | tablet), t)
v <- as.data.frame(VarCorr(m))$vcov
found$mixed_model <- list(variance = v[1], residual = v[2], observations = nobs(m))
row <- coef(summary(m))["methodhplc", ]
found$difference <- list(estimate = row[[1]], SE = row[[2]], df = row[[3]])
row <- coef(summary(m, ddf = "Kenward-Roger"))["methodhplc", ]
found$kenward_roger <- list(SE = row[[2]], df = row[[3]], p = row[[5]])
found$method_means <- as.data.frame(emmeans(m, "method", lmer.df = "satterthwaite"))
found$fixed_means <- as.data.frame(emmeans(lm(content ~ tablet + method, t), "method"))

cat(toJSON(found, digits = 8, auto_unbox = TRUE, pretty = TRUE), "\n")
