"""Discrimination and calibration of a run as plain rows of text."""

from __future__ import annotations

from dataclasses import dataclass

from riskstd.report.national.model_quality import ModelQuality
from riskstd.report.national.risk_groups import RiskGroup
from riskstd.report.national.views import Fact
from riskstd.report.wording import level_text, number


@dataclass(frozen=True)
class GroupRow:
    """One group of cases, as text; rates in percent."""

    by: str
    group: str
    cases: str
    events: str
    predicted: str
    observed: str
    interval: str
    ratio: str


def quality_facts(quality: ModelQuality) -> list[Fact]:
    """Say how well the model tells cases apart and how far it agrees with what was observed."""
    if quality.c is None:
        return []
    c = quality.c
    limits = f"{number(c.lower, 3)} to {number(c.upper, 3)}"
    return [
        Fact("c-statistic", f"{number(c.c, 3)} ({level_text(c.level)} interval {limits})"),
        Fact(
            "Calibration in the large", _with_error(quality.intercept, quality.intercept_se, "log odds; 0 is agreement")
        ),
        Fact("Calibration slope", _with_error(quality.slope, quality.slope_se, "1 is agreement")),
        Fact("Brier score", f"{number(quality.brier, 5)}; scaled {number(quality.brier_scaled, 4)}"),
    ]


def quality_sentence(quality: ModelQuality) -> str:
    """Say in words what the c-statistic means; empty without one.

    Examples
    --------
    >>> quality_sentence(ModelQuality())
    ''
    """
    if quality.c is None:
        return ""
    return (
        "Of two cases, one with a visit and one without, the model gives the one with the visit the higher risk "
        f"{number(100 * quality.c.c)} times in 100 (c-statistic {number(quality.c.c, 2)}); 50 would be a coin toss."
    )


def tenth_rows(quality: ModelQuality) -> list[GroupRow]:
    """Write observed against predicted by tenth of predicted risk."""
    return [_group_row("", group) for group in quality.by_risk]


def subgroup_rows(quality: ModelQuality) -> list[GroupRow]:
    """Write observed against predicted by subgroup."""
    return [_group_row(name, group) for name, groups in quality.by_subgroup for group in groups]


def _group_row(by: str, group: RiskGroup) -> GroupRow:
    ratio, low, high = group.ratio
    return GroupRow(
        by=by,
        group=group.label,
        cases=number(group.cases),
        events=number(group.events),
        predicted=f"{number(100 * group.predicted, 2)} %",
        observed=f"{number(100 * group.observed, 2)} %",
        interval=f"{number(100 * group.lower, 2)} to {number(100 * group.upper, 2)} %",
        ratio=f"{number(ratio, 2)} ({number(low, 2)} to {number(high, 2)})",
    )


def _with_error(value: float, error: float, meaning: str) -> str:
    return f"{number(value, 3)}, standard error {number(error, 3)} ({meaning})"
