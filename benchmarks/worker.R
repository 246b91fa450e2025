# lme4 and pbkrtest in one process: `Rscript worker.R FOLDER` answers as worker.py does.
folder <- commandArgs(trailingOnly = TRUE)[1]
if (!suppressWarnings(suppressPackageStartupMessages(require(lme4, quietly = TRUE)))) {
  cat("absent\n")
  quit(save = "no")
}
enough <- 0.3
formulas <- list(
  tablets = "content ~ method + (1|tablet)",
  planks = "humidity ~ width*depth + (1|plank) + (1|plank:width) + (1|plank:depth)",
  sleepstudy = "Reaction ~ Days + (Days|Subject)",
  nested = "y ~ x + (1|a/b)",
  crossed = "y ~ x + (1|subject) + (1|item)",
  ratings = "y ~ x + (1|rater) + (1|rated)",
  insteval = "y ~ 1 + service + (1|s) + (1|d) + (1|dept:service)"
)
factors <- c("tablet", "method", "plank", "width", "depth", "Subject", "a", "b", "subject", "item",
             "rater", "rated", "service", "s", "d", "dept")
# derivatives at the optimum are only used for warnings: lme4 is quicker without them
control <- lmerControl(calc.derivs = FALSE, check.conv.singular = "ignore")
formula_of <- function(name) as.formula(formulas[[sub("_.*", "", name)]])
fit <- function(name, data) lmer(formula_of(name), data, control = control)
estimates <- function(model) list(as.numeric(logLik(model)), fixef(model))
now <- function() as.numeric(Sys.time())
tables <- list()
table_of <- function(name) {
  if (is.null(tables[[name]])) {
    data <- read.csv(file.path(folder, paste0(name, ".csv")))
    for (column in intersect(names(data), factors)) data[[column]] <- factor(data[[column]])
    tables[[name]] <<- data
  }
  tables[[name]]
}
responses <- function(name) {
  as.matrix(read.csv(file.path(folder, paste0(name, "_responses.csv")), header = FALSE))
}
answer <- function(value, numbers, memory = 0) {
  paste(sprintf("%.17g", c(value, memory, numbers)), collapse = " ")
}
times <- function(call, repeats) {
  seconds <- numeric(0)
  while (length(seconds) < repeats && sum(seconds) < enough) {
    start <- now()
    value <- call(length(seconds) + 1)
    seconds <- c(seconds, now() - start)
  }
  list(value = value, seconds = seconds)
}
rate <- function(call, repeats) {
  start <- now()
  values <- numeric(0)
  while (length(values) < repeats && now() - start < 3) {
    values <- c(values, call(length(values) + 1))
  }
  answer(length(values) / (now() - start), head(values, 200))
}
peak_mb <- function() {
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character(0))
  line <- grep("VmHWM", status, value = TRUE)
  if (length(line)) as.numeric(gsub("[^0-9]", "", line)) / 1024 else sum(gc()[, 6])
}
forget_peak <- function() {
  gc(reset = TRUE)
  try(cat("5", file = "/proc/self/clear_refs"), silent = TRUE)
}
tasks <- list(
  version = function(name, repeats) {
    kr <- if (requireNamespace("pbkrtest", quietly = TRUE)) {
      paste0(", pbkrtest ", packageVersion("pbkrtest"))
    }
    paste0(packageVersion("lme4"), " (R ", getRversion(), kr, ")")
  },
  warm = function(name, repeats) {
    data <- table_of(name)
    out <- times(function(i) estimates(fit(name, data)), repeats)
    answer(out$value[[1]], out$seconds)
  },
  table = function(name, repeats) {
    data <- table_of(name)
    others <- lapply(seq_len(repeats), function(i) data[sample(nrow(data)), ])
    out <- times(function(i) estimates(fit(name, others[[i]])), repeats)
    answer(out$value[[1]], out$seconds)
  },
  refit = function(name, repeats) {
    y <- responses(name)
    model <- fit(name, table_of(name))
    first <- as.numeric(logLik(refit(model, y[1, ])))
    out <- times(function(i) estimates(refit(model, y[(i - 1) %% nrow(y) + 1, ])), repeats)
    answer(first, out$seconds)
  },
  kr = function(name, repeats) {
    stopifnot(requireNamespace("pbkrtest", quietly = TRUE))
    model <- fit(name, table_of(name))
    p <- length(fixef(model))
    out <- times(function(i) {
      plain <- vcov(model)
      adjusted <- pbkrtest::vcovAdj(model)
      sapply(seq_len(p), function(j) pbkrtest::ddf_Lb(adjusted, as.numeric(seq_len(p) == j), plain))
    }, repeats)
    answer(out$value[p], out$seconds)
  },
  many = function(name, repeats) {
    y <- responses(name)
    data <- table_of(name)
    rate(function(i) {
      # fresh fits: refit's objective is another one (see results.md)
      data[[all.vars(formula_of(name))[1]]] <- y[i, ]
      as.numeric(logLik(fit(name, data)))
    }, min(repeats, nrow(y)))
  },
  manyp = function(name, repeats) {
    stopifnot(requireNamespace("pbkrtest", quietly = TRUE))
    y <- responses(name)
    data <- table_of(name)
    response <- all.vars(formula_of(name))[1]
    model <- fit(name, data)
    # type III of width, in treatment coding: means over depth with equal weights
    L <- matrix(0, 2, length(fixef(model)), dimnames = list(NULL, names(fixef(model))))
    for (k in 2:3) {
      own <- grep(paste0("^width", k), colnames(L))
      L[k - 1, own] <- c(1, rep(1 / 5, length(own) - 1))
    }
    rate(function(i) {
      data[[response]] <- y[i, ]
      simulated <<- data  # pbkrtest evaluates the call again
      model <- eval(bquote(lmer(.(formula_of(name)), simulated)))
      pbkrtest::SATmodcomp(model, L)
      pbkrtest::KRmodcomp(model, L)$test["Ftest", "p.value"]
    }, min(repeats, nrow(y)))
  },
  optimum = function(name, repeats) {
    data <- table_of(name)
    y <- responses(name)
    out <- sapply(seq_len(repeats), function(i) {
      data[[all.vars(formula_of(name))[1]]] <- y[i, ]
      as.numeric(logLik(fit(name, data)))
    })
    answer(0, out)
  },
  size = function(name, repeats) {
    data <- table_of(name)
    fit("tablets", table_of("tablets"))
    forget_peak()
    before <- peak_mb()
    out <- times(function(i) fit(name, data), 1)
    memory <- peak_mb() - before
    if (out$seconds < enough) out <- times(function(i) fit(name, data), repeats)
    answer(as.numeric(logLik(out$value)), out$seconds, memory)
  }
)
tasks$cold <- tasks$warm  # lme4 keeps nothing of a formula
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  words <- strsplit(line, " ")[[1]]
  reply <- tryCatch(
    suppressMessages(suppressWarnings(tasks[[words[1]]](words[2], as.integer(words[3])))),
    error = function(e) "none"
  )
  cat(reply, "\n", sep = "")
  flush(stdout())
}
