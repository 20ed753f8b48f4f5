"""A run beside the results CMS published: distributions, facility by facility, and why they may differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from riskstd.errors import InputError
from riskstd.rates.rules import standardization_of
from riskstd.report.content import Profile, ReportInput, check_profile
from riskstd.report.disclosure.facilities import is_scored, read_facilities
from riskstd.report.published.categories import CategoryCheck, check_categories
from riskstd.report.published.cells import WORDS
from riskstd.report.published.distribution import Distribution, count_words, distribution_of
from riskstd.report.published.file import PublishedResults
from riskstd.report.published.frames import keep_columns, keep_rows
from riskstd.report.published.national import NationalValue, national_value, published_scale
from riskstd.report.published.words import difference_reasons, summary_rows, summary_sentences
from riskstd.spec import Measure

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CategoryCheck",
    "PublishedComparison",
    "check_categories",
    "compare_published",
]

_SCORED = ["npi", "cases", "score", "lower", "upper", "category", "cut_lower"]


@dataclass(frozen=True, eq=False)
class PublishedComparison:
    """What a run and the published results have in common, and what not.

    Attributes
    ----------
    measure_id, year, unit : str
        `year` is the data year of the published results, `unit` that of all scores here.
    this_run, published : Distribution
        Facilities with the minimum of cases; published ones counted once per NPI.
    national : NationalValue
        What published scores are compared with.
    facilities : pandas.DataFrame
        Facilities with a score in both, by NPI: `npi`, `this run`, `published`, `difference`, `cases this run`,
        `cases published`, `category this run`, `category published`.
    rank_correlation : float
        Spearman's, of the matched facilities; NaN for fewer than three or without spread.
    n_same_category, n_both_categories : int
        Matched facilities with the same category, of those that have one in both.
    plot_data : pandas.DataFrame
        Columns `score` and `source`, which is "this run" or "published".
    summary_rows : list of tuple of str
        What, this run, published.
    sentences : list of str
        What the comparison shows, then the reasons.
    reasons : list of str
        Why the score of a facility here may differ from its published one.
    """

    measure_id: str
    year: str
    unit: str
    this_run: Distribution
    published: Distribution
    national: NationalValue
    facilities: pd.DataFrame = field(repr=False)
    rank_correlation: float
    n_same_category: int
    n_both_categories: int
    plot_data: pd.DataFrame = field(repr=False)
    summary_rows: list[tuple[str, str, str]] = field(default_factory=list, repr=False)
    sentences: list[str] = field(default_factory=list, repr=False)
    reasons: list[str] = field(default_factory=list, repr=False)


def compare_published(
    content: ReportInput,
    published: PublishedResults,
    *,
    year: str | None = None,
    national_rate: float | None = None,
    profile: Profile = "facility",
) -> PublishedComparison:
    """Set the scores of a run beside the published ones.

    Parameters
    ----------
    content : ReportInput
        A run with rates; a run on another scale is put on the published one.
    published : PublishedResults
    year : str, optional
        Data year of the published results; the last one unless told.
    national_rate : float, optional
        National value of the published results, as in `check_categories`.
    profile : {"facility-phi", "facility", "public"}
        The public profile uses only facilities whose numbers it may show.

    Returns
    -------
    PublishedComparison

    Raises
    ------
    InputError
        When the run has no rates, or the file no scores of the measure.
    """
    check_profile(profile)
    measure = content.measure
    if content.rates is None:
        raise InputError("a run without rates", expected="rates to compare", hint="leave the published file out")
    rows = published.measure(measure.id, year)
    theirs = keep_rows(rows, rows["score"].notna() & rows["cases"].notna()).reset_index(drop=True)
    if theirs.empty:
        raise InputError(
            f"file {published.file_name} has no score of {measure.id}", expected="at least one facility with a score"
        )
    national = national_value(rows, measure, national_rate)
    ours, our_national = _scores_of_run(content, profile)
    level = content.interval.level if content.interval is not None else 0.95
    their_level = measure.definition.score.categories.display_level
    every = _in_common_words(content.rates, measure)
    run_side = distribution_of(ours, our_national, level, count_words(every))
    their_side = distribution_of(theirs, national.value, their_level, count_words(rows["category"].tolist()))
    matched = _match(ours, theirs)
    both = matched["category this run"].notna() & matched["category published"].notna()
    found = PublishedComparison(
        measure_id=measure.id,
        year=str(rows["year"].iloc[0]),
        unit=published_scale(measure).scale.unit,
        this_run=run_side,
        published=their_side,
        national=national,
        facilities=matched,
        rank_correlation=rank_correlation(matched["this run"].to_numpy(float), matched["published"].to_numpy(float)),
        n_same_category=int(np.count_nonzero(both & (matched["category this run"] == matched["category published"]))),
        n_both_categories=int(np.count_nonzero(both)),
        plot_data=_plot_data(ours, theirs),
    )
    decimals = (2 if published_scale(measure).scale.kind == "ratio" else 1, measure.scale.decimals)
    hide_national = profile == "public" and run_side.n_scored == 0
    found.summary_rows.extend(summary_rows(found, decimals, hide_national=hide_national))
    found.reasons.extend(difference_reasons(found, content))
    found.sentences.extend([*summary_sentences(found, decimals), *found.reasons])
    return found


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation; NaN for fewer than three pairs or without spread.

    Examples
    --------
    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 9.0]))
    1.0
    """
    from scipy.stats import rankdata

    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return round(float(np.corrcoef(rankdata(first), rankdata(second))[0, 1]), 12)


def _scores_of_run(content: ReportInput, profile: Profile) -> tuple[pd.DataFrame, float]:
    """Facilities of the run with the minimum of cases, on the published scale, and the value they compare with."""
    import pandas as pd

    assert content.rates is not None
    assert content.national_rate is not None
    measure = content.measure
    rates = read_facilities(content, profile).drawable if profile == "public" else content.rates
    rates = keep_rows(rates, is_scored(rates, measure))
    national = standardization_of(published_scale(measure)).multiplier(content.national_rate)
    factor = national / standardization_of(measure).multiplier(content.national_rate)
    scores = pd.DataFrame(
        {
            "npi": rates["facility_id"].astype(str).to_numpy(dtype=object),
            "cases": rates["cases"].to_numpy(float),
            **{
                name: rates[column].to_numpy(float) * factor
                for name, column in (("score", "rate"), ("lower", "lower"), ("upper", "upper"))
            },
            "category": pd.Series(_in_common_words(rates, measure), dtype=object),
            "cut_lower": False,
        }
    )
    return keep_columns(scores, _SCORED).sort_values("npi", kind="stable").reset_index(drop=True), national


def _in_common_words(rates: pd.DataFrame, measure: Measure) -> list[str | None]:
    """Put the categories of a run into the words all measures share; None where there is no category."""
    labels = measure.definition.score.categories.labels
    words = {
        labels.better: WORDS.better,
        labels.no_different: WORDS.no_different,
        labels.worse: WORDS.worse,
        labels.too_few: WORDS.too_few,
    }
    return [words.get(value) if isinstance(value, str) else None for value in rates["category"].tolist()]


def _match(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    both = ours.merge(theirs, on="npi", suffixes=(" this run", " published"), validate="one_to_one")
    renamed = both.rename(columns={"score this run": "this run", "score published": "published"})
    renamed = renamed.assign(difference=renamed["this run"] - renamed["published"])
    renamed["cases published"] = renamed["cases published"].astype("int64")
    renamed["cases this run"] = renamed["cases this run"].astype("int64")
    names = ["npi", "this run", "published", "difference", "cases this run", "cases published"]
    names += ["category this run", "category published"]
    return keep_columns(renamed, names).sort_values("npi", kind="stable").reset_index(drop=True)


def _plot_data(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    scores = np.concatenate([ours["score"].to_numpy(float), theirs["score"].to_numpy(float)])
    return pd.DataFrame({"score": scores, "source": ["this run"] * len(ours) + ["published"] * len(theirs)})
