"""The model of a run as plain rows of text: facts, risk factors, discrimination and calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskstd.report.cases import Cases
from riskstd.report.content import Profile, ReportInput
from riskstd.report.disclosure.counts import Counts
from riskstd.report.disclosure.suppression import is_small
from riskstd.report.national.views import Fact, hides_text
from riskstd.report.wording import HIDDEN, MISSING, number, sentence

MEDIAN_ODDS_FACTOR = math.sqrt(2.0) * 0.6744897501960817
LOGISTIC_VARIANCE = math.pi**2 / 3.0
"""Variance of the standard logistic distribution."""


@dataclass(frozen=True)
class FactorRow:
    """One risk factor of the model, as text."""

    label: str
    share: str
    beta: str
    odds_ratio: str
    interval: str


def model_facts(content: ReportInput) -> list[Fact]:
    """Say how the model was fitted and how much facilities differ."""
    assert content.model is not None
    model, tau = content.model, float(content.model["tau"])
    state = "converged" if model["converged"] else "did not converge: treat every number below as provisional"
    if model.get("iterations") is not None:
        state += f" ({int(model['iterations']):,} iterations)"
    nodes = f", {model['n_nodes']} nodes" if model.get("n_nodes") is not None else ""
    error = f", standard error {number(model['tau_se'], 3)}" if model.get("tau_se") is not None else ""
    icc = latent_icc(tau)
    facts = [
        Fact("Estimator", f"{model['method']}{nodes}"),
        Fact("State", state),
        Fact("Intercept (mu)", number(model["mu"], 3)),
        Fact("Spread of facility effects (tau)", f"{number(tau, 3)} log odds{error}"),
        Fact("Share of variation between facilities (ICC)", f"{number(icc, 4)} on the latent scale, {100 * icc:.1f} %"),
        Fact("Median odds ratio", number(median_odds_ratio(tau), 2)),
        Fact("Log-likelihood", number(model["log_likelihood"], 2)),
    ]
    if model["singular"]:
        facts.append(
            Fact(
                "At the boundary",
                "tau is 0: no difference between facilities could be estimated; every ratio is 1",
            )
        )
    return facts


def median_odds_ratio(tau: float) -> float:
    """Median odds ratio between two facilities drawn at random, the higher over the lower.

    Larsen and Merlo, American Journal of Epidemiology 2005;161:81: exp(sqrt(2) tau Phi^-1(0.75)).

    Examples
    --------
    >>> round(median_odds_ratio(0.2), 3)
    1.21
    """
    return math.exp(MEDIAN_ODDS_FACTOR * tau)


def latent_icc(tau: float) -> float:
    """Intraclass correlation on the latent scale, tau^2 / (tau^2 + pi^2 / 3).

    Snijders and Bosker, Multilevel Analysis (2012), section 17.3.

    Examples
    --------
    >>> round(latent_icc(0.5), 4)
    0.0706
    """
    return tau**2 / (tau**2 + LOGISTIC_VARIANCE)


def factor_rows(content: ReportInput, counts: Counts, profile: Profile, cases: Cases | None = None) -> list[FactorRow]:
    """Write the risk factors of the model with their odds ratios.

    The public profile hides all that is told of a factor whose share of the cases is hidden, and the interval of
    one with few visits on either side, since its width tells of their number.
    """
    assert content.model is not None
    rows = []
    for term in content.model["coefficients"]:
        rare = profile == "public" and _is_hidden(term, counts)
        hides_interval = rare or (profile == "public" and _has_few_events(term, cases))
        rows.append(
            FactorRow(
                label=str(term.get("label") or term["factor"]),
                share=number(HIDDEN) if rare else _share(term),
                beta=number(HIDDEN if rare else term["beta"], 3),
                odds_ratio=number(HIDDEN if rare else term["odds_ratio"], 2),
                interval=number(HIDDEN) if hides_interval else _limits(term),
            )
        )
    return rows


def drawable_terms(
    content: ReportInput, counts: Counts, profile: Profile, cases: Cases | None = None
) -> list[Mapping[str, Any]]:
    """Return the coefficients whose odds ratio and interval the profile shows."""
    assert content.model is not None
    terms = content.model["coefficients"]
    if profile != "public":
        return list(terms)
    return [term for term in terms if not _is_hidden(term, counts) and not _has_few_events(term, cases)]


def dropped_rows(content: ReportInput, counts: Counts, profile: Profile) -> list[tuple[str, str]]:
    """List risk factors that the model left out, and why."""
    assert content.model is not None
    rows = []
    for factor in content.model.get("dropped", ()):
        reason = sentence(str(factor["reason"]))
        if hides_text(reason, counts, profile):
            reason = "The reason is not shown, since it may state a small count."
        rows.append((str(factor.get("label") or factor["factor"]), reason))
    return rows


def warning_sentences(warnings: Sequence[str], counts: Counts, profile: Profile) -> list[str]:
    """Write the warnings of the model; the public profile leaves out those that may state a hidden count."""
    return [sentence(text) for text in warnings if not hides_text(text, counts, profile)]


def _is_hidden(term: Mapping[str, Any], counts: Counts) -> bool:
    return term.get("prevalence") is not None and counts.hides_factor(term["factor"])


def _has_few_events(term: Mapping[str, Any], cases: Cases | None) -> bool:
    """Tell whether visits, or cases without one, number 1 to 10 among those with or without a factor."""
    names = [factor.name for factor in cases.factors if factor.is_flag] if cases is not None else []
    if cases is None or term["factor"] not in names:
        return False
    position = [factor.name for factor in cases.factors].index(term["factor"])
    has = cases.X[:, position] > 0
    return any(is_small(int((side & (cases.outcome == outcome)).sum())) for side in (has, ~has) for outcome in (0, 1))


def _share(term: Mapping[str, Any]) -> str:
    if (share := term.get("prevalence")) is not None:
        return f"{100 * share:.1f} %"
    if (mean := term.get("mean")) is not None:
        return f"mean {number(mean, 2)}"
    return MISSING


def _limits(term: Mapping[str, Any]) -> str:
    low, high = number(term["lower"], 2), number(term["upper"], 2)
    return MISSING if MISSING in (low, high) else f"{low} to {high}"
