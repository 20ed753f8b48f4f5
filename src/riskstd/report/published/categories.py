"""Whether published categories follow from published limits under the rule of a definition."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from riskstd.errors import InputError
from riskstd.model.options import check_level
from riskstd.rates.rules import Standardization, standardization_of
from riskstd.report.published.category_rule import categories_by_rule, fitting_levels, within_rounding
from riskstd.report.published.cells import WORDS
from riskstd.report.published.file import PublishedResults
from riskstd.report.published.frames import keep_columns, keep_rows
from riskstd.report.published.national import NationalValue, national_value, published_scale
from riskstd.report.wording import counted, level_text, number, sentence
from riskstd.spec import Measure

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class CategoryCheck:
    """Published categories against those the rule gives for the published limits.

    Attributes
    ----------
    measure_id, year : str
    national : NationalValue
    display_level, category_level : float
        Level of the printed limits, and of the limits the rule was applied to.
    n_checked : int
        Facilities with a category, a score and limits.
    n_cut : int
        Facilities left out because decimals of the lower limit are missing.
    misses : pandas.DataFrame
        One row per facility whose category differs: `npi`, `cases`, `score`, `lower`, `upper`, `published`,
        `by_rule`, `gap` (how far the limit of the rule lies beyond the national value, in the unit of the score;
        for a limit that does not lie beyond it, how far it falls short), `within_rounding`, `reason`.
    fitting_levels : tuple of float, or None
        Lowest and highest level, from 90 to 99.9 %, that leaves the fewest misses; None when there is nothing to find.
    fewest_misses : int
        Misses at these levels.
    """

    measure_id: str
    year: str
    national: NationalValue
    display_level: float
    category_level: float
    n_checked: int
    n_cut: int
    misses: pd.DataFrame = field(repr=False)
    fitting_levels: tuple[float, float] | None = None
    fewest_misses: int = 0

    @property
    def n_misses(self) -> int:
        """Facilities whose printed limits and category do not agree."""
        return len(self.misses)

    @property
    def n_beyond_rounding(self) -> int:
        """Misses that no rounding of the printed limits explains."""
        return int(np.count_nonzero(~self.misses["within_rounding"].to_numpy(dtype=bool)))

    @property
    def holds(self) -> bool:
        """Whether the rule gives every category, rounding aside."""
        return self.n_beyond_rounding == 0

    @property
    def sentences(self) -> list[str]:
        """The check in words."""
        return _sentences(self)


def check_categories(
    published: PublishedResults,
    measure: Measure,
    national_rate: float | None = None,
    *,
    year: str | None = None,
    category_level: float | None = None,
) -> CategoryCheck:
    """Apply the category rule of a definition to published limits, and list where the label is another.

    Parameters
    ----------
    published : PublishedResults
    measure : Measure
        Gives scale, levels, minimum of cases and comparator; its options do not matter, CMS publishes one scale.
    national_rate : float, optional
        On the published scale, for example 9.9 visits per 1,000. When left out: 1 for a ratio; the published
        value where it is known (data years 2022 and 2023); else the mean score weighted by cases, an estimate.
    year : str, optional
        Data year; the last one unless told.
    category_level : float, optional
        In place of the level of the definition.

    Returns
    -------
    CategoryCheck

    Raises
    ------
    InputError
        When the file has no scores of the measure.
    OptionError
        When the national rate is far outside the published scores, so that it must be on another scale.

    Notes
    -----
    The rule: better when the upper limit lies below the national value, worse when the lower limit lies above,
    no different otherwise. Where the category level is not that of the printed limits, these are moved to it:
    each arm on the log scale is multiplied by the ratio of normal quantiles. CMS classifies before rounding, and
    prints one decimal: a miss within half a unit of it is marked as such.
    """
    rows = published.measure(measure.id, year)
    rules = standardization_of(published_scale(measure))
    level = rules.category_level if category_level is None else category_level
    check_level(level, "category_level")
    rules = replace(rules, category_labels=WORDS, category_level=level)
    with_limits = rows["lower"].notna() & rows["upper"].notna() & rows["score"].notna() & rows["cases"].notna()
    rows = keep_rows(rows, with_limits & rows["category"].isin([WORDS.better, WORDS.no_different, WORDS.worse]))
    if rows.empty:
        raise InputError(
            f"file {published.file_name} has no facility with score, limits and category of {measure.id}",
            expected="at least one",
        )
    national = national_value(rows, measure, national_rate)
    cut = rows["cut_lower"].to_numpy(dtype=bool)
    checked = keep_rows(rows, ~cut).reset_index(drop=True)
    half = 0.5 * 10.0 ** -published_scale(measure).scale.decimals
    misses = _misses(checked, rules, national.value, half, measure.definition.score.categories.caution)
    levels, fewest = fitting_levels(checked, rules, national.value, half) if len(misses) else (None, 0)
    return CategoryCheck(
        measure.id,
        str(rows["year"].iloc[0]),
        national,
        rules.display_level,
        level,
        len(checked),
        int(np.count_nonzero(cut)),
        misses,
        levels,
        fewest,
    )


def _misses(rows: pd.DataFrame, rules: Standardization, national: float, half: float, caution: str) -> pd.DataFrame:
    lower, upper, found = categories_by_rule(rows, rules, national)
    category = rows["category"].to_numpy(dtype=object)
    touched_above = (found == WORDS.worse) | (category == WORDS.worse)
    listed = rows.assign(
        published=category,
        by_rule=found,
        gap=np.abs(np.where(touched_above, lower, upper) - national).round(6),
        within_rounding=within_rounding(rows, rules, national, half) & (found != WORDS.too_few),
    )
    missed = keep_rows(listed, found != category).reset_index(drop=True)
    names = ["npi", "cases", "score", "lower", "upper", "published", "by_rule", "gap", "within_rounding"]
    reasons = [_reason(row, rules, caution) for row in missed.to_dict("records")]
    return keep_columns(missed, names).assign(reason=reasons)


def _reason(row: dict[str, Any], rules: Standardization, caution: str) -> str:
    if row["by_rule"] == WORDS.too_few:
        return f"the release gave scores below the {rules.minimum_cases} cases of this definition"
    if row["within_rounding"]:
        return "rounding of the printed limit"
    if row["published"] == WORDS.no_different and caution:
        return "published labels of this measure follow a stricter rule, which is not public"
    return "not known"


_ORIGINS = {
    "given": "as given",
    "published": "as published",
    "definition": "as the definition says",
    "estimated": "estimated as the mean score weighted by cases, since the facility file does not hold it",
}


def _sentences(check: CategoryCheck) -> list[str]:
    facilities = counted(check.n_checked, "published category", "published categories")
    national = f"{number(check.national.value, 2)}, {_ORIGINS[check.national.origin]}"
    level = level_text(check.category_level)
    text = [sentence(f"{facilities} of {check.measure_id} (data year {check.year}) were checked against the rule")]
    if check.n_misses == 0:
        text.append(f"Every one follows from its {level} interval and the national value ({national}).")
    else:
        misses = counted(check.n_misses, "does", "do")
        text.append(f"{misses} not follow from the {level} interval and the national value ({national}).")
        for reason, n in check.misses["reason"].value_counts().sort_index().items():
            text.append(f"Reason known so far ({n:,} of them): {reason}.")
    if check.n_cut:
        cut = counted(check.n_cut, "facility is", "facilities are")
        text.append(sentence(f"{cut} left out because the file cuts the decimals of the lower limit"))
    if check.n_beyond_rounding and check.fitting_levels is not None:
        low, high = (level_text(value) for value in check.fitting_levels)
        span = low if low == high else f"{low} to {high}"
        text.append(f"Rounding aside, intervals of {span} would leave the fewest misses: {check.fewest_misses:,}.")
    return text
