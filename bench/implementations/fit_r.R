# One fit by an R program.
# Arguments: folder of X.bin, y.bin, n.bin, facility.bin; rows; columns; program; nodes; output file.
given <- commandArgs(trailingOnly = TRUE)
folder <- given[1]
rows <- as.integer(given[2])
columns <- as.integer(given[3])
program <- given[4]
nodes <- as.integer(given[5])
out <- given[6]
package <- switch(program, "glmmTMB" = "glmmTMB", "glmmPQL" = "MASS", "lme4")
suppressPackageStartupMessages(library(package, character.only = TRUE))

read <- function(name, kind, count) readBin(file.path(folder, paste0(name, ".bin")), kind, count)
data <- data.frame(events = read("y", "double", rows), cases = read("n", "double", rows))
data$others <- data$cases - data$events
data$facility <- factor(read("facility", "integer", rows))
terms <- "1"
if (columns > 0) {
  names <- paste0("x", seq_len(columns))
  data[names] <- matrix(read("X", "double", rows * columns), rows, columns)
  terms <- paste(names, collapse = " + ")
}
fixed <- as.formula(paste("cbind(events, others) ~", terms))
mixed <- as.formula(paste("cbind(events, others) ~", terms, "+ (1 | facility)"))

heard <- c()
model <- withCallingHandlers(
  switch(program,
    "lme4" = glmer(mixed, data, family = binomial, nAGQ = nodes),
    "glmmTMB" = glmmTMB(mixed, data, family = binomial),
    "glmmPQL" = glmmPQL(fixed, ~ 1 | facility, binomial, data, verbose = FALSE)
  ),
  warning = function(w) {
    heard <<- c(heard, conditionMessage(w))
    invokeRestart("muffleWarning")
  }
)
if (program == "glmmTMB") {
  beta <- fixef(model)$cond
  tau <- attr(VarCorr(model)$cond$facility, "stddev")[[1]]
  effects <- ranef(model)$cond$facility[levels(data$facility), 1]
} else if (program == "glmmPQL") {
  beta <- nlme::fixef(model)
  tau <- as.numeric(nlme::VarCorr(model)["(Intercept)", "StdDev"])
  effects <- nlme::ranef(model)[levels(data$facility), 1]
} else {
  beta <- fixef(model)
  tau <- attr(VarCorr(model)$facility, "stddev")[[1]]
  effects <- ranef(model)$facility[levels(data$facility), 1]
}
number <- function(x) paste(sprintf("%.17g", x), collapse = ", ")
text <- function(x) paste(sprintf("\"%s\"", gsub("[\"\\\\[:cntrl:]]", " ", unique(x))), collapse = ", ")
writeLines(sprintf(
  "{\"mu\": %s, \"beta\": [%s], \"tau\": %s, \"effects\": [%s], \"warnings\": [%s], \"version\": \"%s %s\"}",
  number(beta[1]), number(beta[-1]), number(tau), number(effects), if (length(heard)) text(heard) else "",
  package, as.character(packageVersion(package))
), out)
