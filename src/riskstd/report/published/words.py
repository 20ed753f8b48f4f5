"""The comparison of a run with published results in rows and sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from riskstd.report.content import ReportInput
from riskstd.report.published.distribution import Distribution
from riskstd.report.wording import HIDDEN, counted, listed, number, sentence
from riskstd.spec.fidelity import OFFICIAL, TABLES_ONLY

if TYPE_CHECKING:
    from riskstd.report.published.compare import PublishedComparison

_CLEARLY_APART = 1.25
_ORIGINS = {
    "given": "as given by the user",
    "published": "as published in July 2024",
    "definition": "by definition",
    "estimated": "estimated from the scores, weighted by cases",
}
_YEAR_TO_YEAR = {
    "ASC-12": "from 0.1 to 0.2 between years without common cases, 0.67 between the overlapping files of 2021 and 2022",
    "ASC-17": "0.64 between the overlapping files of 2021 and 2022",
    "ASC-18": "0.74 between the overlapping files of 2021 and 2022",
}
"""Rank correlation of published scores of the same facilities between releases, counted from the public files."""


def summary_rows(
    found: PublishedComparison, decimals: tuple[int, int], *, hide_national: bool = False
) -> list[tuple[str, str, str]]:
    """Return rows of text: what, this run, published; `hide_national` suppresses the national value of the run."""
    ours, theirs = found.this_run, found.published
    our_national = HIDDEN if hide_national else ours.national
    rows = [
        ("Facilities compared, with the minimum of cases", number(ours.n_scored), number(theirs.n_scored)),
        ("Median cases of a facility", number(ours.median_cases), number(theirs.median_cases)),
        (f"National value, {found.unit}", number(our_national, 2), number(theirs.national, 2)),
    ]
    for name in ours.quantiles:
        what = {"smallest": "Smallest score", "median": "Median score", "largest": "Largest score"}.get(
            name, f"Score that {name} of the facilities do not exceed"
        )
        rows.append((what, number(ours.quantiles[name], decimals[0]), number(theirs.quantiles[name], decimals[1])))
    rows.append(("Spread of log scores (standard deviation)", number(ours.log_sd, 3), number(theirs.log_sd, 3)))
    rows.append(
        ("Interval, upper over lower limit (median)", number(ours.median_factor, 2), number(theirs.median_factor, 2))
    )
    rows.append(("Spread between facilities that the intervals imply (tau)", _tau(ours), _tau(theirs)))
    rows.append(("Distance of interval widths from the closed form (median)", _error(ours), _error(theirs)))
    rows += [(f"Facilities: {word}", number(n), number(theirs.categories[word])) for word, n in ours.categories.items()]
    return rows


def summary_sentences(found: PublishedComparison, decimals: tuple[int, int]) -> list[str]:
    """Say in a few sentences how the two distributions lie, and how far matched facilities agree."""
    ours, theirs = found.this_run, found.published
    counts = [counted(side.n_scored, "facility", "facilities") for side in (ours, theirs)]
    sentences = [
        sentence(
            f"{counts[0]} of this run and {counts[1]} of the published file (data year {found.year}, each NPI counted "
            "once) have the minimum of cases and a score to compare"
        )
    ]
    national = f"{number(theirs.national, 2)} ({_ORIGINS[found.national.origin]})"
    sentences.append(f"Published scores, in {found.unit}: {_middle(theirs, decimals[1])}; national value {national}.")
    if ours.n_scored:
        national = number(ours.national, 2)
        sentences.append(f"Scores of this run: {_middle(ours, decimals[0])}; national value {national}.")
    if math.isfinite(ours.log_sd) and math.isfinite(theirs.log_sd) and theirs.log_sd > 0:
        how = _compared(ours.log_sd / theirs.log_sd)
        sentences.append(
            f"Scores of this run spread {how} published ones (standard deviation of log scores "
            f"{number(ours.log_sd, 3)} and {number(theirs.log_sd, 3)})."
        )
    return [*sentences, *_interval_sentences(ours, theirs), *_match_sentences(found)]


def difference_reasons(found: PublishedComparison, content: ReportInput) -> list[str]:
    """Say why the score of a facility in this run may differ from its published one; what the data show comes first."""
    reasons: list[str] = []
    pairs = found.facilities
    if len(pairs):
        share = float(np.median(pairs["cases this run"].to_numpy(float) / pairs["cases published"].to_numpy(float)))
        if not 1 / _CLEARLY_APART <= share <= _CLEARLY_APART:
            reasons.append(
                f"Matched facilities have {number(share, 2)} times their published cases here (median): the claims of "
                "this run cover other months, or another part of the patients."
            )
    tau, implied = float((content.model or {}).get("tau", math.nan)), found.published.form
    if implied is not None and tau > 0 and not 1 / _CLEARLY_APART <= tau / implied.tau <= _CLEARLY_APART:
        pulled = "less" if tau > implied.tau else "more"
        reasons.append(
            f"Facilities differ {'more' if tau > implied.tau else 'less'} in the model of this run (tau "
            f"{number(tau, 2)}) than published intervals imply (about {number(implied.tau, 2)}), so that scores "
            f"here are drawn {pulled} towards the average."
        )
    reasons.append(f"The published results are those of data year {found.year}, this run covers {content.period}.")
    if content.fidelity.label != OFFICIAL:
        what = "Rules" if content.fidelity.label == TABLES_ONLY else "Code lists, risk factors and rules"
        reasons.append(
            f"{what} of this run are partly reconstructed from public material, "
            "so that cohort and expected visits differ from those of CMS."
        )
    if found.measure_id in _YEAR_TO_YEAR:
        reasons.append(
            "Published scores themselves move: their rank correlation from release to release is "
            f"{_YEAR_TO_YEAR[found.measure_id]}."
        )
    reasons.append("Published scores and limits are rounded; those of this run are not.")
    return reasons


def _interval_sentences(ours: Distribution, theirs: Distribution) -> list[str]:
    sentences = []
    for who, form in (("published", theirs.form), ("this run's", ours.form)):
        if form is not None:
            error = number(100 * form.median_relative_error, 1)
            text = f"{who} intervals are as wide as the cases and a spread between facilities (tau) of about "
            sentences.append(sentence(f"{text}{number(form.tau, 2)} would make them; the median distance is {error} %"))
    lacking = [who for who, side in (("this run", ours), ("the published file", theirs)) if side.form is None]
    if lacking:
        sentences.append(f"There are too few intervals in {listed(lacking)} to tell how wide they are for their cases.")
    return sentences


def _match_sentences(found: PublishedComparison) -> list[str]:
    pairs = found.facilities
    if pairs.empty:
        none = "No facility of this run has a published score under the same NPI; single facilities cannot be compared."
        return [none, "Simulated data, and facility labels that are not NPIs, have this effect."]
    apart = float(np.median(np.abs(pairs["difference"].to_numpy(float))))
    one = len(pairs) == 1
    text = [
        f"{counted(len(pairs), 'facility has', 'facilities have')} a score in both; "
        + (
            f"the two differ by {number(apart, 1)}."
            if one
            else f"the median distance of the two is {number(apart, 1)}."
        )
    ]
    if math.isfinite(found.rank_correlation):
        text.append(f"The rank correlation of the two scores is {number(found.rank_correlation, 2)}.")
    if found.n_both_categories:
        of = counted(found.n_both_categories, "facility", "facilities")
        same = "None" if found.n_same_category == 0 else f"{found.n_same_category:,}"
        has = "has" if found.n_same_category == 1 else "have"
        text.append(f"{same} of {of} with a category in both {has} the same one.")
    return text


def _middle(side: Distribution, decimals: int) -> str:
    low, middle, high = (number(side.quantiles[name], decimals) for name in ("5 %", "median", "95 %"))
    return f"median {middle}, nine in ten from {low} to {high}"


def _compared(ratio: float) -> str:
    if 1 / _CLEARLY_APART <= ratio <= _CLEARLY_APART:
        return "about as much as"
    return "more than" if ratio > 1 else "less than"


def _tau(side: Distribution) -> str:
    return number(side.form.tau if side.form else None, 3)


def _error(side: Distribution) -> str:
    text = number(100 * side.form.median_relative_error if side.form else None, 1)
    return f"{text} %" if side.form else text
