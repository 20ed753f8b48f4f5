"""`standardize`: from a fit to rates, intervals, categories and reliability per facility."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import OptionError
from riskstd.model import HierarchicalFit
from riskstd.model.compiled import thread_count
from riskstd.model.options import check_seed
from riskstd.rates.bootstrap import VARIANCES, Resampler
from riskstd.rates.checkpoint import open_checkpoint
from riskstd.rates.facility_rates import FacilityRates
from riskstd.rates.intervals import (
    Limits,
    Scored,
    bootstrap_limits,
    check_interval,
    formula_limits,
    score_fit,
)
from riskstd.rates.progress import Report, reporting
from riskstd.rates.rules import Standardization, categorize, check_national_rate, read_standardization
from riskstd.rates.stability import Stability, category_stability, stability_warning
from riskstd.rates.storage import fill_store, open_store

FloatArray = NDArray[np.floating[Any]]

__all__ = ["FacilityRates", "check_interval", "standardize"]


def standardize(
    fit: HierarchicalFit,
    *,
    measure: Any = None,
    scale: str | None = None,
    national_rate: float | None = None,
    interval: str = "bootstrap",
    n_bootstrap: int = 2000,
    level: float | None = None,
    seed: int | None = None,
    variance: str = "prediction",
    progress: Callable[[int, int], None] | bool | None = None,
    checkpoint: str | Path | None = None,
    threads: int | None = None,
) -> FacilityRates:
    """Standardize: predicted / expected x national rate, with interval and category.

    Parameters
    ----------
    fit : HierarchicalFit
    measure : object, optional
        A loaded measure, or anything with the attributes of `Standardization`: scale,
        minimum_cases, display_level, category_level, category_labels.
    scale : {"per_1000", "percent", "ratio"}, optional
        Takes the place of the measure's scale; "percent" without a measure.
    national_rate : float, optional
        Proportion; the crude mean over all cases of the model when left out.
    interval : {"bootstrap", "plug-in", "closed-form", "none"}
        CMS facility bootstrap; ratio at effect +- z standard errors; ratio x
        exp(+- z / sqrt(ratio sum p(1-p) + 1/tau^2)); no interval. A fit by "pymc" has that of its posterior.
    n_bootstrap : int
    level : float, optional
        Level of the printed interval; the measure's display level, or 0.95, when left out.
    seed : int
        Needed for the bootstrap.
    variance : {"prediction", "posterior"}
        Variance of the effects: with the uncertainty of the coefficients (as SAS prints it),
        or without.
    progress : callable(done, total) or True, optional
        Called after each chunk of replicates; True shows a bar on standard error.
    checkpoint : str or Path, optional
        Folder that keeps the replicates. A second call with the same fit, seed and variance takes
        them from there and draws only what is missing, bit for bit as in one run; it may ask for
        more replicates, another level, scale or national rate. It stays until deleted.
    threads : int, optional
        Threads of the bootstrap; all cores when left out. The result does not depend on it.

    Returns
    -------
    FacilityRates

    Raises
    ------
    OptionError
        An option outside its values, a checkpoint of another run, no room on the disk.

    Notes
    -----
    In the bootstrap a replicate's rate is its ratio x its own crude rate (x national_rate /
    crude mean of the full data when a national rate is given). The scale "ratio" shows the
    ratio itself, with comparator 1.

    Examples
    --------
    >>> from riskstd.model import fit_hierarchical
    >>> deaths, cases = [0, 18, 8, 46, 8, 13], [47, 148, 119, 810, 211, 196]
    >>> fit = fit_hierarchical(deaths, np.zeros((6, 0)), list("ABCDEF"), trials=cases)
    >>> rates = standardize(fit, scale="percent", n_bootstrap=50, seed=1)
    >>> rates.to_frame().shape
    (6, 14)
    """
    if fit.method == "pymc":
        from riskstd.model.bayes import BayesianFit
        from riskstd.rates.posterior import posterior_rates

        assert isinstance(fit, BayesianFit)
        return posterior_rates(fit, measure=measure, scale=scale, national_rate=national_rate, level=level).rates
    rules = read_standardization(measure, scale, level)
    check_interval(interval, n_bootstrap)
    check_national_rate(national_rate)
    if variance not in VARIANCES:
        raise OptionError(f"variance {variance!r}", expected="one of " + ", ".join(VARIANCES))
    scored = score_fit(fit, variance)
    national = scored.crude_rate if national_rate is None else float(national_rate)
    if interval == "bootstrap":
        _check_bootstrap_options(seed, threads)
        assert seed is not None
        with reporting(progress) as report:
            limits = _bootstrap(
                fit,
                scored,
                rules,
                national,
                n_bootstrap=n_bootstrap,
                seed=seed,
                variance=variance,
                checkpoint=checkpoint,
                threads=threads,
                report=report,
            )
    else:
        if checkpoint is not None:
            raise OptionError(f"a checkpoint with interval={interval!r}", expected="a checkpoint of a bootstrap only")
        limits = formula_limits(scored, rules, interval, rules.multiplier(national))
    return assemble_rates(
        fit.facilities,
        scored,
        limits,
        rules,
        national_rate=national,
        interval=interval,
        variance=variance,
        seed=seed if interval == "bootstrap" else None,
        warnings=fit.warnings,
        measure=measure,
        threads=thread_count(threads),
    )


def assemble_rates(
    facilities: NDArray[Any],
    scored: Scored,
    limits: Limits,
    rules: Standardization,
    *,
    national_rate: float,
    interval: str,
    variance: str,
    seed: int | None,
    warnings: tuple[str, ...],
    measure: Any,
    threads: int = 1,
) -> FacilityRates:
    """Put scores and limits together: rates, categories, reliability, stability, warnings."""
    multiplier = rules.multiplier(national_rate)
    category = categorize(*limits.judged, scored.cases, comparator=multiplier, rules=rules)
    stability = _stability(limits, category, rules, threads)
    return FacilityRates(
        facility_id=facilities,
        cases=_counts(scored.cases),
        observed=_counts(scored.observed),
        observed_rate=_observed_rate(scored, rules),
        predicted=scored.predicted / scored.cases,
        expected=scored.expected / scored.cases,
        ratio=scored.ratio,
        rate=scored.ratio * multiplier,
        lower=limits.shown[0],
        upper=limits.shown[1],
        category=category,
        reliability=reliability(scored.tau, scored.information),
        effect=scored.effects,
        effect_se=np.sqrt(scored.effect_variance),
        flip_probability=stability.flip_probability,
        replicates_to_settle=stability.replicates_to_settle,
        national_rate=national_rate,
        comparator=multiplier,
        scale=rules.scale,
        interval=interval,
        variance=variance,
        level=rules.display_level,
        category_level=rules.category_level,
        n_bootstrap=limits.n_bootstrap,
        n_dropped=limits.n_dropped,
        n_flagged=limits.n_flagged,
        n_retried=limits.n_retried,
        seed=seed,
        warnings=(*warnings, *_bootstrap_warnings(limits, stability)),
        measure=measure,
    )


def reliability(tau: float, information: FloatArray) -> FloatArray:
    """Share of the variance on the log-odds scale that is not chance.

    tau^2 / (tau^2 + 1 / information), with information = sum of p(1-p) over the cases.

    Examples
    --------
    >>> reliability(0.5, np.array([4.0, 0.0])).tolist()
    [0.5, 0.0]
    """
    signal = tau**2 * information
    return signal / (1.0 + signal)


def _bootstrap(
    fit: HierarchicalFit,
    scored: Scored,
    rules: Standardization,
    national: float,
    *,
    n_bootstrap: int,
    seed: int,
    variance: str,
    checkpoint: str | Path | None,
    threads: int | None,
    report: Report | None,
) -> Limits:
    def sampler() -> Resampler:
        return Resampler(fit, seed=seed, variance=variance, threads=threads)

    if checkpoint is not None:
        kept = open_checkpoint(checkpoint, fit, n_bootstrap, seed=seed, variance=variance)
        fill_store(kept, sampler, n_bootstrap, report)
        return bootstrap_limits(kept, n_bootstrap, scored, rules, national, thread_count(threads))
    with open_store(fit.n_facilities, n_bootstrap) as store:
        fill_store(store, sampler, n_bootstrap, report)
        return bootstrap_limits(store, n_bootstrap, scored, rules, national, thread_count(threads))


def _stability(limits: Limits, category: NDArray[np.object_], rules: Standardization, threads: int) -> Stability:
    if limits.draws is None:
        return Stability.unknown(len(category))
    return category_stability(
        limits.draws,
        category,
        level=rules.category_level,
        labels=rules.category_labels,
        n_bootstrap=limits.n_bootstrap,
        n_dropped=limits.n_dropped,
        threads=threads,
    )


def _observed_rate(scored: Scored, rules: Standardization) -> FloatArray:
    """Events per case in the scale; per expected event where the scale is the ratio."""
    if rules.scale == "ratio":
        return scored.observed / scored.expected
    return scored.observed / scored.cases * rules.factor


def _counts(values: FloatArray) -> NDArray[Any]:
    return values.astype(np.int64) if np.all(values % 1 == 0) else values


def _bootstrap_warnings(limits: Limits, stability: Stability) -> list[str]:
    found = []
    total = limits.n_bootstrap
    if limits.n_dropped:
        found.append(f"{limits.n_dropped} of {total} bootstrap replicates dropped: no convergence")
    if limits.n_flagged:
        found.append(
            f"{limits.n_flagged} of {total} bootstrap replicates hold a risk factor at the full fit's "
            "coefficient, because one of its values has no events or only events there"
        )
    unsettled = stability_warning(stability, total)
    return [*found, unsettled] if unsettled else found


def _check_bootstrap_options(seed: int | None, threads: int | None) -> None:
    if seed is None:
        raise OptionError("no seed for the bootstrap", expected="seed=, a whole number", hint="record it")
    check_seed(seed)
    if threads is not None and (not isinstance(threads, int | np.integer) or threads < 1):
        raise OptionError(f"threads {threads!r}", expected="a whole number of 1 or more, or None for all cores")
