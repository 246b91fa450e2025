# The right answers of mixedteach/checks/exercises/sleep.py, by R:
#     Rscript tests/reference/exercises_sleep.R > tests/reference/exercises_sleep.json
study <- read.csv("datasets/sleepstudy.csv", colClasses = c(Subject = "character"))
sleep <- study[study$Days %in% c(2, 9), ]
sleep$day <- factor(sleep$Days, labels = c("day 2", "day 9"))
wide <- reshape(sleep[c("Subject", "Days", "Reaction")], idvar = "Subject", timevar = "Days",
                direction = "wide")
d <- setNames(wide$Reaction.9 - wide$Reaction.2, wide$Subject)
test <- t.test(wide$Reaction.9, wide$Reaction.2, paired = TRUE)
sixty <- t.test(d, mu = 60)
linear <- summary(lm(Reaction ~ day + Subject, data = sleep))
two <- t.test(wide$Reaction.9, wide$Reaction.2, var.equal = TRUE)
welch <- t.test(wide$Reaction.9, wide$Reaction.2)
cat(jsonlite::toJSON(list(
  changes = as.list(d),
  difference = list(estimate = unname(test$estimate), SE = test$stderr, df = unname(test$parameter)),
  interval = list(lower = test$conf.int[1], upper = test$conf.int[2]),
  sixty_ms = list(p = sixty$p.value, df = unname(sixty$parameter)),
  linear = list(estimate = linear$coefficients["dayday 9", 1],
                SE = linear$coefficients["dayday 9", 2], df = linear$df[2]),
  two_sample = list(SE = two$stderr, df = unname(two$parameter),
                    lower = two$conf.int[1], upper = two$conf.int[2]),
  welch = list(SE = welch$stderr, df = unname(welch$parameter),
               lower = welch$conf.int[1], upper = welch$conf.int[2])
), auto_unbox = TRUE, digits = 10, pretty = TRUE), "\n")
