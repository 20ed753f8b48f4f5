"""The sheet of risk factors: how common they are here, among peers, and in the nation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from riskstd.report.disclosure.factor_counts import cell_of
from riskstd.report.wording import HIDDEN, Suppressed
from riskstd.report.workbook.own import Own
from riskstd.report.workbook.protect import Seen
from riskstd.report.workbook.sheet import NOT_APPLICABLE, Cell, Field, Sheet

SHARE, MEAN = "% of cases", "mean"


def factors_sheet(own: Own) -> Sheet:
    """Cases with each risk factor and their share, or the mean, with the coefficient of the model."""
    factors = own.cases.factors
    rows = []
    for k, factor in enumerate(factors):
        cells: list[Cell] = [factor.label, SHARE if factor.is_flag else MEAN, factor.beta, math.exp(factor.beta)]
        cells += _own_cells(own, k)
        for group in own.seen:
            cells += _group_cells(own, group, k)
        rows.append(cells)
    fields = [
        Field("Risk factor", "Risk factor of the model.", "text", 48),
        Field("Unit", f"{SHARE}: the factor is 0 or 1; {MEAN}: it is a number, in the unit of its name.", "text", 11),
        Field(
            "Coefficient (log odds)",
            "Change of the log odds of a visit per unit, the same for all facilities.",
            "real4",
        ),
        Field("Odds ratio", "Exponential of the coefficient.", "real3"),
    ]
    for label in ("This facility", *(group.label for group in own.seen)):
        fields += [
            Field(f"{label} (cases with it)", f"{label}: cases with the factor.", "count"),
            Field(f"{label} (% or mean)", f"{label}: share of the cases in percent, or the mean.", "real2"),
        ]
    return Sheet(
        "Risk factors",
        "Risk factors: this facility beside others",
        tuple(fields),
        rows,
        intro="A factor above its national value here, with a coefficient above 0, raises the expected number.",
        notes=(
            "The coefficient and the values of each case give the expected probability; see the notes.",
            "A product of two factors is not shown for groups, since it would give away small counts.",
            "Classes of one factor, such as age, are compared with the class that has no row.",
        ),
        frozen_columns=1,
        holds="How common each risk factor is here, among peers and in the nation, with its coefficient.",
    )


def _own_cells(own: Own, k: int) -> list[Cell]:
    shared, place = own.shared, own.place
    n, total = int(shared.rates["cases"][place]), float(shared.factor_sums[place, k])
    if own.hide_cases:
        return [HIDDEN if own.cases.factors[k].is_flag else NOT_APPLICABLE, HIDDEN]
    if not own.cases.factors[k].is_flag:
        return [NOT_APPLICABLE, total / n]
    if own.profile == "public":
        if k in shared.products:
            return [HIDDEN, HIDDEN]
        block, column = shared.block_of[k]
        if shared.classes_hidden_in_public[block][place, column]:
            return [HIDDEN, HIDDEN]
    return [round(total), 100.0 * total / n]


def _group_cells(own: Own, group: Seen, k: int) -> list[Cell]:
    shared = own.shared
    if k in shared.products:
        return [NOT_APPLICABLE, NOT_APPLICABLE]
    if k not in shared.block_of:
        return [NOT_APPLICABLE, group.or_hidden(float(np.sum(shared.factor_sums[group.members, k]) / group.n_cases))]
    count: Any = group.count(*shared.block_of[k])
    if group is own.seen[-1] and cell_of(own.cases.factors[k].name) in shared.hidden_of_nation:
        count = HIDDEN
    return [count, HIDDEN if isinstance(count, Suppressed) else 100.0 * count / group.n_cases]
