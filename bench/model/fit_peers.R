# Measured process: lme4 or glmmTMB.
# Arguments: folder of X.bin, y.bin, facility.bin; rows; columns; program; budget in seconds; output file.
given <- commandArgs(trailingOnly = TRUE)
folder <- given[1]
rows <- as.integer(given[2])
columns <- as.integer(given[3])
program <- given[4]
budget <- as.numeric(given[5])
out <- given[6]
package <- if (program == "glmmTMB") "glmmTMB" else "lme4"
suppressPackageStartupMessages(library(package, character.only = TRUE))

status_mb <- function(key) {
  line <- grep(paste0("^", key), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) * 1024 / 1e6
}

names <- paste0("x", seq_len(columns))
X <- matrix(readBin(file.path(folder, "X.bin"), "double", rows * columns), rows, columns, dimnames = list(NULL, names))
data <- as.data.frame(X)
rm(X)
data$y <- readBin(file.path(folder, "y.bin"), "integer", rows)
data$facility <- factor(readBin(file.path(folder, "facility.bin"), "integer", rows))
formula <- as.formula(paste("y ~", paste(names, collapse = " + "), "+ (1 | facility)"))

fit <- function(data) {
  switch(program,
    "lme4 nAGQ=0" = glmer(formula, data, family = binomial, nAGQ = 0),
    "lme4 nAGQ=1" = glmer(formula, data, family = binomial, nAGQ = 1),
    "glmmTMB" = glmmTMB(formula, data, family = binomial)
  )
}

labels <- levels(data$facility)
first <- labels[seq_len(min(length(labels), max(60, floor(0.05 * length(labels)))))]
part <- droplevels(data[data$facility %in% first, ])
try(suppressWarnings(fit(part)), silent = TRUE) # the part may be too small for this model; it only warms up
rm(part)
invisible(gc())
try(writeLines("5", "/proc/self/clear_refs"), silent = TRUE)
loaded <- status_mb("VmRSS")
seconds <- c()
heard <- c()
peak <- NA
while (length(seconds) == 0 || (length(seconds) < 3 && sum(seconds) < budget)) {
  start <- proc.time()[["elapsed"]]
  model <- withCallingHandlers(fit(data), warning = function(w) {
    heard <<- c(heard, conditionMessage(w))
    invokeRestart("muffleWarning")
  })
  seconds <- c(seconds, proc.time()[["elapsed"]] - start)
  if (is.na(peak)) peak <- status_mb("VmHWM")
}
if (program == "glmmTMB") {
  beta <- fixef(model)$cond
  tau <- attr(VarCorr(model)$cond$facility, "stddev")[[1]]
} else {
  beta <- fixef(model)
  tau <- attr(VarCorr(model)$facility, "stddev")[[1]]
}
number <- function(x) paste(sprintf("%.17g", x), collapse = ", ")
text <- function(x) paste(sprintf("\"%s\"", gsub("[\"\\\\[:cntrl:]]", " ", unique(x))), collapse = ", ")
writeLines(sprintf(
  "{\"seconds\": %s, \"runs\": [%s], \"loaded_mb\": %s, \"peak_mb\": %s, \"mu\": %s, \"beta\": [%s], \"tau\": %s, \"log_likelihood\": %s, \"warnings\": [%s], \"version\": \"%s\"}",
  number(median(seconds)), number(seconds), number(loaded), number(peak), number(beta[1]), number(beta[-1]),
  number(tau), number(as.numeric(logLik(model))), if (length(heard)) text(heard) else "",
  as.character(packageVersion(package))
), out)
