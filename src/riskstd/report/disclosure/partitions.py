"""Groups that the cases of a run fall into: by age, and by what tells of the procedure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from riskstd.report.cases import Cases
from riskstd.report.content import ReportInput
from riskstd.report.disclosure.counts import Counts
from riskstd.spec.clauses import AgeBands, ProcedureCount, ProcedureType, SameDayCode
from riskstd.spec.definition import columns_of

AGE_BOUNDS = (65, 70, 75, 80, 85)


@dataclass(frozen=True, eq=False)
class Partition:
    """Groups that the cases fall into.

    Attributes
    ----------
    name : str
    codes : ndarray of int, shape (n_cases,)
        Position of the group of each case.
    labels : tuple of str
    factors : tuple of str
        Columns of the model that mark the groups.
    """

    name: str
    codes: NDArray[np.int64]
    labels: tuple[str, ...]
    factors: tuple[str, ...] = ()

    def is_hidden(self, counts: Counts) -> bool:
        """Tell whether the share of cases in one of the groups is hidden, which a group beside it could give away."""
        return any(counts.hides_factor(name) for name in self.factors)


def partitions(content: ReportInput, cases: Cases) -> list[Partition]:
    """Split the cases by age, and by each factor of the model that tells of the procedure."""
    age = cases.procedures["age_years"].to_numpy(np.int64)
    labels = (f"Under {AGE_BOUNDS[0]}", *(f"{low} to {high - 1}" for low, high in pairwise(AGE_BOUNDS)))
    column = {factor.name: cases.X[:, k] for k, factor in enumerate(cases.factors)}
    bands = [name for factor in content.measure.factors if isinstance(factor, AgeBands) for name in columns_of(factor)]
    codes = np.searchsorted(AGE_BOUNDS, age, side="right")
    found = [Partition("Age in years", codes, (*labels, f"{AGE_BOUNDS[-1]} and over"), tuple(bands))]
    for factor in content.measure.factors:
        if isinstance(factor, SameDayCode) and factor.name in column:
            codes = (column[factor.name] > 0).astype(np.int64)
            found.append(Partition(factor.label, codes, ("No", "Yes"), (factor.name,)))
        if isinstance(factor, ProcedureType | ProcedureCount):
            names = tuple(name for name in columns_of(factor) if name in column)
            flags = np.column_stack([np.zeros(len(cases)), *(column[name] for name in names)])
            words = [name.removeprefix(f"{factor.name}_").replace("_", " ") for name in names]
            labels = (_rest_of(factor, names), *_counted_words(factor, words))
            found.append(Partition(factor.label, np.argmax(flags, axis=1), labels, names))
    return found


def _rest_of(factor: ProcedureType | ProcedureCount, names: tuple[str, ...]) -> str:
    """Name the cases that no column of a factor marks."""
    rest = factor.reference.replace("_", " ") if isinstance(factor, ProcedureType) else "1"
    return rest if len(names) == len(columns_of(factor)) else f"{rest} or other"


def _counted_words(factor: ProcedureType | ProcedureCount, words: list[str]) -> list[str]:
    if isinstance(factor, ProcedureType):
        return words
    return [word.replace(" plus", " and more") if "plus" in word else word.replace(" ", " to ") for word in words]
