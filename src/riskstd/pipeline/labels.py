"""Words for the columns of the risk-factor table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskstd.spec.clauses import AgeBands, Interaction, ProcedureCount, ProcedureType
from riskstd.spec.definition import columns_of

if TYPE_CHECKING:
    from riskstd.spec import Measure


def column_labels(measure: Measure) -> dict[str, str]:
    """Return a label for every risk-factor column of a measure.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> column_labels(load_measure("ASC-12"))["age_70_74"]
    'Age 70 to 74 years'
    """
    labels: dict[str, str] = {}
    for factor in measure.factors:
        for column in columns_of(factor):
            labels[column] = _label(factor, column)
    for factor in measure.factors:
        if isinstance(factor, Interaction):
            first, second = factor.factors
            for a, label_a in list(labels.items()):
                for b, label_b in list(labels.items()):
                    name = f"{a}_x_{b}"
                    if a.startswith(first) and b == second and name in measure.factor_columns:
                        labels[name] = f"{label_a} x {label_b[:1].lower()}{label_b[1:]}"
    return labels


def _label(factor: object, column: str) -> str:
    match factor:
        case AgeBands():
            words = column.removeprefix(f"{factor.name}_").replace("_plus", " years or more")
            return "Age " + (words if "more" in words else f"{words.replace('_', ' to ')} years")
        case ProcedureCount():
            words = column.removeprefix(f"{factor.name}_").replace("_plus", " or more")
            return f"{factor.label}: {words.replace('_', ' to ')}"
        case ProcedureType():
            return f"{factor.label}: {column.removeprefix(f'{factor.name}_').replace('_', ' ')}"
        case _:
            return str(getattr(factor, "label", column))
