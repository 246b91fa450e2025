# The right answers of mixedteach/checks/exercises/oats.py, by R:
#     Rscript tests/reference/exercises_oats.R > tests/reference/exercises_oats.json
suppressPackageStartupMessages({library(lmerTest); library(emmeans); library(nlme)})
emm_options(msg.interaction = FALSE)
oats <- read.csv("datasets/oats.csv", stringsAsFactors = TRUE)
lost <- c("I Golden.rain 0.6cwt", "II Victory 0.0cwt", "II Victory 0.2cwt", "III Victory 0.0cwt",
          "IV Golden.rain 0.4cwt", "IV Golden.rain 0.6cwt", "V Victory 0.0cwt",
          "VI Marvellous 0.2cwt")
oats$yield[paste(oats$block, oats$variety, oats$nitrogen) %in% lost] <- NA
exact <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-11))
m <- lmer(yield ~ variety*nitrogen + (1|block/variety), oats, control = exact)
tests <- anova(m)  # type III, Satterthwaite
row <- function(table, i, ...) {
  names <- c(...)
  setNames(as.list(data.frame(table)[i, names]), sub("p.value", "p", names))
}
varieties <- function(ddf) pairs(emmeans(m, ~ variety, lmer.df = ddf))
steps <- function(ddf) pairs(emmeans(m, ~ nitrogen, lmer.df = ddf), reverse = TRUE)
means <- data.frame(emmeans(m, ~ variety))
cells <- with(oats, tapply(yield, list(variety, nitrogen), mean, na.rm = TRUE))
by_lme <- lme(yield ~ variety*nitrogen, random = ~1|block/variety, data = oats,
              na.action = na.omit)
cat(jsonlite::toJSON(list(
  profiles = lapply(split(cells, rownames(cells)), as.numeric),
  split_tests = list("variety: F" = tests["variety", "F value"],
                     "variety: den_df" = tests["variety", "DenDF"],
                     "nitrogen: F" = tests["nitrogen", "F value"],
                     "nitrogen: den_df" = tests["nitrogen", "DenDF"]),
  variety_means = setNames(as.list(means$emmean), means$variety),
  variety_difference = row(varieties("kenward-roger"), 3, "estimate", "SE", "df"),
  satterthwaite = row(varieties("satterthwaite"), 3, "estimate", "SE", "df"),
  nitrogen_step = row(steps("satterthwaite"), 6, "estimate", "p.value", "df"),
  kenward_roger = row(steps("kenward-roger"), 6, "estimate", "p.value", "df"),
  sequential = list(F = anova(by_lme)[2:3, "F-value"], df = anova(by_lme)[2:3, "denDF"])
), auto_unbox = TRUE, digits = 10, pretty = TRUE), "\n")
