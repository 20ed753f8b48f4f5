"""The sheet that compares a facility with its peers, its state and the nation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from riskstd.report.content import scale_factor
from riskstd.report.disclosure.suppression import shown_share
from riskstd.report.wording import HIDDEN, Suppressed
from riskstd.report.workbook.own import Own, score_decimals, score_style
from riskstd.report.workbook.protect import Seen
from riskstd.report.workbook.shared import CATEGORY, OUTCOME, WorkbookShared, category_names
from riskstd.report.workbook.sheet import NO_CASES, NOT_APPLICABLE, Cell, Field, Sheet, Styled

_FEWEST_SCORED = 11
_NO_GROUPS = (
    "Peers and states are left out of a public workbook: with the public results of other facilities they would give "
    "away small counts."
)
_NO_DIRECTORY = (
    "There is no column for the state, since no directory of facilities was given; peers are facilities of similar "
    "volume."
)
_NO_STATE = "There is no column for the state, since the directory does not know the state of this facility."


def comparison_sheet(own: Own) -> Sheet:
    """Counts and rates of the facility beside its peers, its state and the nation."""
    groups = own.seen
    fields = (
        Field("Figure", "What is compared.", "text", 46),
        Field("Unit", "Unit of the row.", "text", 28),
        Field("This facility", "The figure of this facility; a word in the row of the category.", "real2", 26),
        *(Field(group.label, _group_words(own, group), "real2", 16) for group in groups),
    )
    return Sheet(
        "Comparison",
        "Comparison: this facility beside others",
        fields,
        [*_rate_rows(own), *_score_rows(own), *_category_rows(own)],
        intro="Figures of groups include this facility. No other facility can be told from them.",
        notes=(*(f"{group.label}: {_group_words(own, group)}" for group in groups), *_absent_groups(own)),
        frozen_columns=1,
        holds="Counts by category and rates of this facility, of groups of facilities and of the nation.",
    )


def _row(own: Own, text: str, unit: str, style: str, value: Cell, of: Callable[[Seen], Any] | None) -> list[Cell]:
    """One row: the facility's own figure and that of each group; not applicable without a function."""
    mine = value if isinstance(value, Styled) or value == NOT_APPLICABLE else Styled(value, style)
    others = [NOT_APPLICABLE if of is None else Styled(of(group), style) for group in own.seen]
    return [text, unit, mine, *others]


def _rate_rows(own: Own) -> list[list[Cell]]:
    """Facilities, cases and observed and expected visits."""
    shared, unit, style = own.shared, own.content.measure.scale.unit, score_style(own.content)
    observed = "observed / expected" if own.content.measure.scale.kind == "ratio" else unit
    return [
        _row(own, "Facilities", "facilities", "count", NOT_APPLICABLE, lambda g: g.or_hidden(g.n_facilities)),
        _row(own, "Cases", "procedures", "count", own.fact("cases"), lambda g: g.or_hidden(g.n_cases)),
        _row(own, "Cases with a visit", "procedures", "count", own.fact("observed"), lambda g: g.count(OUTCOME, 0)),
        _row(own, "Observed rate", observed, style, own.fact("observed_rate"), lambda g: _observed(shared, g)),
        _row(own, "Expected", "probability", "real6", own.fact("expected"), lambda g: g.or_hidden(_mean(shared, g))),
    ]


def _score_rows(own: Own) -> list[list[Cell]]:
    """The score of the facility and how scores are spread in the groups."""
    shared, unit, style = own.shared, own.content.measure.scale.unit, score_style(own.content)
    rows = [_row(own, "Score", unit, style, own.score("rate"), None)]
    for words, share in (("a quarter", 0.25), ("half", 0.5), ("three quarters", 0.75)):
        text = f"Score that {words} of scored facilities lie below"
        rows.append(_row(own, text, unit, style, NOT_APPLICABLE, partial(_quantile, shared, share)))
    return rows


def _category_rows(own: Own) -> list[list[Cell]]:
    """The category of the facility and how many facilities have each."""
    rows = [_row(own, "Category", "words", "wrap", Styled(own.fact("category"), "wrap"), None)]
    for k, name in enumerate(category_names(own.content)):
        count, share = partial(_category_count, k), partial(_category_share, k)
        rows.append(_row(own, name, "facilities", "count", NOT_APPLICABLE, count))
        rows.append(_row(own, name, "% of facilities", "real1", NOT_APPLICABLE, share))
    return rows


def _group_words(own: Own, group: Seen) -> str:
    if group is own.seen[-1]:
        return "All facilities of the run."
    if group is own.seen[0]:
        return f"The quarter of facilities {own.shared.quarter_of(own.place)}, to which this facility belongs."
    return "Facilities of this facility's state by the directory that was given."


def _absent_groups(own: Own) -> tuple[str, ...]:
    """Say which groups are not compared, and why."""
    if own.profile == "public":
        return (_NO_GROUPS,)
    if own.shared.by_state is None:
        return (_NO_DIRECTORY,)
    return () if len(own.seen) > 2 else (_NO_STATE,)


def _observed(shared: WorkbookShared, group: Seen) -> Any:
    """Observed rate of a group on the scale of the measure, or hidden with its count."""
    share = shown_share(group.count(OUTCOME, 0), group.n_cases)
    if isinstance(share, Suppressed) or share is None:
        return share
    if shared.content.measure.scale.kind == "ratio":
        return share / _mean(shared, group)
    return share * scale_factor(shared.content.measure)


def _mean(shared: WorkbookShared, group: Seen) -> float:
    """Mean expected probability of the cases of a group."""
    cases, expected = shared.rates["cases"][group.members], shared.rates["expected"][group.members]
    return float(cases @ expected / cases.sum())


def _quantile(shared: WorkbookShared, share: float, group: Seen) -> Any:
    """Quantile of the scores of scored facilities, rounded as CMS does; hidden for 1 to 11 of them."""
    scores = shared.rates["rate"][group.members[shared.is_scored[group.members]]]
    if not group.is_shown or 1 <= len(scores) <= _FEWEST_SCORED:
        return HIDDEN
    if not len(scores):
        return NO_CASES
    return round(float(np.quantile(scores, share)), score_decimals(shared.content))


def _category_count(column: int, group: Seen) -> Any:
    return group.count(CATEGORY, column)


def _category_share(column: int, group: Seen) -> Any:
    count = group.count(CATEGORY, column)
    return HIDDEN if isinstance(count, Suppressed) else 100.0 * count / group.n_facilities
