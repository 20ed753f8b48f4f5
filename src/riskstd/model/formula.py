"""`fit_formula`: a formula and a table in, the same fit as `fit_hierarchical` out."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from riskstd.errors import FitError
from riskstd.model.encoding import QUOTED, FormulaEncoder, column_name
from riskstd.model.fit import fit_hierarchical
from riskstd.model.frames import Table
from riskstd.model.inputs import read_values

if TYPE_CHECKING:
    from riskstd.model.result import HierarchicalFit

RANDOM_TERM = re.compile(r"\(([^()|]*)(\|+)([^()|]*)\)")


def fit_formula(
    formula: str,
    data: Any,
    facility: str | None = None,
    *,
    trials: str | None = None,
    weights: str | None = None,
    offset: str | None = None,
    method: str = "agq",
    n_nodes: int = 7,
    pql_form: str = "reml",
) -> HierarchicalFit:
    """Fit a logistic regression with normal facility intercepts, given as a formula.

    Parameters
    ----------
    formula : str
        "visit ~ age_years + C(procedure) + diabetes". Left: the column of 0 and 1, or of event
        counts with `trials`. Right: terms of formulaic (interactions, C, poly, bs, cr, cc, cs,
        center, scale, log, np.sqrt ...); names with blanks in backticks. The intercept is
        implied. "(1 | facility_id)" names the facility column as in lme4.
    data : pandas, polars or pyarrow table, n_rows rows
    facility : str, optional
        Column of facility labels, unless the formula names it.
    trials, weights, offset : str, optional
        Columns; meaning as in `fit_hierarchical`.
    method, n_nodes, pql_form
        As in `fit_hierarchical`.

    Returns
    -------
    HierarchicalFit
        Its `predict` takes tables with the columns of the formula and codes them as here.

    Raises
    ------
    FitError
        A formula that cannot be read, that drops the intercept or calls an unknown function;
        unknown columns by name; missing values by column, count and row positions; and what
        `fit_hierarchical` refuses.

    Notes
    -----
    Levels of a text column are sorted, those of a pandas categorical or a polars Enum keep their
    order; the first is the reference. Transforms that learn from the data (poly, bs, cr, cc,
    scale, center) and the coding of categories are kept for `predict`. Formulas are read by
    formulaic: https://matthewwardrop.github.io/formulaic/

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"site": np.repeat(np.arange(40), 50), "kind": list("abcd") * 500})
    >>> log_odds = -2.0 + 0.8 * (data["kind"] == "b") + rng.normal(0.0, 0.5, 40)[data["site"]]
    >>> data["visit"] = rng.random(2000) < 1 / (1 + np.exp(-log_odds))
    >>> fit = fit_formula("visit ~ kind + (1 | site)", data)
    >>> fit.factor_names
    ('kind[T.b]', 'kind[T.c]', 'kind[T.d]')
    >>> fit.predict(data[:2]).shape
    (2,)
    """
    outcome, terms, grouping = parse_formula(formula)
    encoder = FormulaEncoder(terms, {}, _one_facility(facility, grouping), offset)
    others = [name for name in (outcome, encoder.facility, trials, weights, offset) if name is not None]
    table = Table.of(data)
    table.refuse_unknown([*others, *encoder.columns()])
    table.refuse_missing([*others, *encoder.columns()])
    design, encoder = encoder.learn(table)
    columns = {
        key: read_values(table.native(name), key)
        for key, name in (("trials", trials), ("weights", weights), ("offset", offset))
        if name is not None
    }
    fit = fit_hierarchical(
        read_values(table.native(outcome), "outcome y"),
        design,
        read_values(table.native(encoder.facility), "facility"),
        **columns,
        method=method,
        n_nodes=n_nodes,
        pql_form=pql_form,
    )
    return replace(fit, _encoder=encoder)


def parse_formula(formula: str) -> tuple[str, str, str | None]:
    """Outcome column, terms, and the facility column of a "(1 | facility)" term.

    Raises
    ------
    FitError

    Examples
    --------
    >>> parse_formula("visit ~ age + (1 | site) + `risk group`")
    ('visit', 'age + `risk group`', 'site')
    """
    sides = formula.split("~") if isinstance(formula, str) else []
    if len(sides) != 2 or not sides[0].strip():
        raise FitError("a formula without one '~' between outcome and terms", expected="'outcome ~ factor + factor'")
    outcome = column_name(sides[0])
    if outcome is None:
        raise FitError(
            "the left side of the formula is not one column",
            expected="the name of the outcome column, in backticks when it holds blanks",
            hint="compute the outcome as a column first; for counts pass the events and trials=",
        )
    terms, grouping = _split_random_term(sides[1])
    if not terms.strip() and grouping is None:
        raise FitError("no terms right of '~'", expected="terms, or 1 for the intercept alone")
    return outcome, " ".join(terms.split()) or "1", grouping


def _split_random_term(text: str) -> tuple[str, str | None]:
    found = list(RANDOM_TERM.finditer(text))
    if len(found) > 1:
        raise FitError(f"{len(found)} random terms in the formula", expected="one, (1 | facility): one grouping factor")
    if not found:
        if "|" in QUOTED.sub("", text):
            raise FitError("a '|' outside of (1 | facility) in the formula", expected="one term (1 | facility)")
        return text, None
    effects, bars, group = (part.strip() for part in found[0].groups())
    name = column_name(group)
    if effects != "1" or bars != "|" or name is None:
        raise FitError(
            f"random term ({effects} {bars} {group})",
            expected="(1 | facility): an intercept per value of one column",
            hint="a model with random slopes or nested facilities is another model",
        )
    before, after = text[: found[0].start()].rstrip(), text[found[0].end() :].lstrip()
    if before.endswith("+"):
        before = before[:-1]
    elif not before:
        after = after.removeprefix("+")
    if (before and not text[: found[0].start()].rstrip().endswith("+")) or (after and after[0] not in "+-" and before):
        raise FitError("(1 | facility) is not a term of its own in the formula", expected="terms joined by '+'")
    return f"{before} {after}", name


def _one_facility(given: str | None, in_formula: str | None) -> str:
    if given is None and in_formula is None:
        raise FitError("no facility column", expected="facility='column', or (1 | column) in the formula")
    if given is not None and not isinstance(given, str):
        raise FitError(f"facility of type {type(given).__name__}", expected="the name of a column of data")
    if given is not None and in_formula is not None and given != in_formula:
        raise FitError(f"facility '{given}' and (1 | {in_formula}) in the formula differ", expected="one of them")
    return given if given is not None else str(in_formula)
