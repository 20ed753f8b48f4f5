"""The cases behind a report: what the model knew of each index procedure, and what it made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from riskstd.errors import InputError
from riskstd.model.algebra import log_odds_of_rows
from riskstd.tables import HOSPITAL_VISITS, INDEX_PROCEDURES, OUTCOMES, coded_texts, factor_matrix

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Factor:
    """A risk factor of the model: column, words, coefficient, and whether it is 0 or 1."""

    name: str
    label: str
    beta: float
    is_flag: bool


@dataclass(frozen=True, eq=False)
class Cases:
    """Index procedures of a run, one row each, facilities together and in the order of their ids.

    Attributes
    ----------
    procedures : pandas.DataFrame
        Table `index_procedures`; holds identifiers of persons.
    visits : pandas.DataFrame
        Table `hospital_visits`, of these procedures.
    outcome : ndarray of int, shape (n_cases,)
        1 where a hospital visit counts.
    X : ndarray of uint8 or float64, shape (n_cases, n_factors)
        Risk factors of the model; in bytes where all are small whole numbers.
    factors : tuple of Factor
        Columns of `X`.
    expected, predicted : ndarray, shape (n_cases,)
        Probability of a visit at an average facility, and at the case's own.
    """

    procedures: pd.DataFrame = field(repr=False)
    visits: pd.DataFrame = field(repr=False)
    outcome: NDArray[np.int64] = field(repr=False)
    X: NDArray[Any] = field(repr=False)
    factors: tuple[Factor, ...] = field(repr=False)
    expected: FloatArray = field(repr=False)
    predicted: FloatArray = field(repr=False)

    def __len__(self) -> int:
        return len(self.procedures)

    @cached_property
    def facility_ids(self) -> NDArray[Any]:
        """Ids of the facilities, sorted; shape (n_facilities,)."""
        return self._places[0]

    def of_facility(self, facility_id: str) -> Cases:
        """Cases of one facility.

        Raises
        ------
        InputError
            When it has none.
        """
        ids, starts = self._places
        place = int(np.searchsorted(ids, facility_id))
        if place == len(ids) or ids[place] != facility_id:
            raise InputError(
                f"facility {facility_id!r} has no cases in this run",
                expected=f"one of {len(ids):,} facilities, by the id in facility_rates.csv",
            )
        rows = slice(int(starts[place]), int(starts[place + 1]))
        first, last = np.searchsorted(self._visit_order[1], [place, place + 1])
        visits = self.visits.take(np.sort(self._visit_order[0][first:last])).reset_index(drop=True)
        return Cases(
            self.procedures.iloc[rows].reset_index(drop=True),
            visits,
            self.outcome[rows],
            self.X[rows].astype(np.float64, copy=False),
            self.factors,
            self.expected[rows],
            self.predicted[rows],
        )

    @cached_property
    def _places(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Sorted ids, and where the rows of each begin."""
        ids, places = coded_texts(self.procedures["facility_id"])
        return ids, np.append(np.unique(places, return_index=True)[1], len(places))

    @cached_property
    def _visit_order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Visits by the place of their facility, and those places in that order."""
        numbers = self.procedures["procedure_id"].to_numpy()
        by_number = np.argsort(numbers, kind="stable")
        row = by_number[np.searchsorted(numbers[by_number], self.visits["procedure_id"].to_numpy())]
        place = np.searchsorted(self._places[1], row, side="right") - 1
        order = np.argsort(place, kind="stable")
        return order, place[order]


def read_cases(
    procedures: pd.DataFrame,
    visits: pd.DataFrame,
    outcomes: pd.DataFrame,
    risk_factors: pd.DataFrame,
    model: Mapping[str, Any],
    rates: pd.DataFrame,
) -> Cases:
    """Join the tables of a run and score every case.

    Parameters
    ----------
    procedures, visits, outcomes : pandas.DataFrame
        Tables `index_procedures`, `hospital_visits`, `outcomes`.
    risk_factors : pandas.DataFrame
        `procedure_id` and one column per risk factor.
    model : mapping
        As in `model.json`.
    rates : pandas.DataFrame
        Table `facility_rates`.

    Returns
    -------
    Cases

    Raises
    ------
    InputError
        When the tables are not of the same cases, or a column of the model is missing.
    """
    INDEX_PROCEDURES.require_names(procedures.columns)
    HOSPITAL_VISITS.require_names(visits.columns)
    OUTCOMES.require_names(outcomes.columns)
    ids, places = coded_texts(procedures["facility_id"])
    order = np.lexsort((procedures["procedure_id"].to_numpy(), places))
    left = procedures.copy(deep=False)
    # Who hands the procedures over, and keeps no other reference to them, never has them in memory twice.
    del procedures
    procedures = _moved_rows(left, order)
    numbers = procedures["procedure_id"].to_numpy()
    outcome = outcomes["outcome"].to_numpy(np.int64)[_rows_of(numbers, outcomes, "outcomes")]
    terms = model["coefficients"]
    missing = [term["factor"] for term in terms if term["factor"] not in risk_factors.columns]
    if missing:
        raise InputError(f"risk_factors lacks {len(missing)} column(s) of the model: {', '.join(missing)}")
    rows = _rows_of(numbers, risk_factors, "risk_factors")
    X = factor_matrix(risk_factors, [term["factor"] for term in terms], rows)
    factors = tuple(
        Factor(t["factor"], str(t.get("label") or t["factor"]), float(t["beta"]), bool(np.all((x == 0) | (x == 1))))
        for t, x in zip(terms, X.T, strict=True)
    )
    log_odds = log_odds_of_rows(X, float(model["mu"]), np.array([factor.beta for factor in factors]))
    effects = rates.set_index("facility_id")["effect"].reindex(ids).to_numpy(np.float64)[places[order]]
    if not np.all(np.isfinite(effects)):
        raise InputError(f"{int(np.sum(~np.isfinite(effects))):,} cases lie at facilities without a rate")
    return Cases(procedures, visits, outcome, X, factors, expit(log_odds), expit(log_odds + effects))


def _moved_rows(left: pd.DataFrame, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Rows of a table in the order asked for; the table loses each column once its rows are taken."""
    columns = {str(name): left.pop(name).take(rows).array for name in list(left.columns)}
    return pd.DataFrame(columns, copy=False)


def _rows_of(numbers: NDArray[Any], table: pd.DataFrame, name: str) -> NDArray[np.int64]:
    """Row of a table for each of the procedures."""
    held = table["procedure_id"].to_numpy()
    order = np.argsort(held, kind="stable")
    if len(held) != len(numbers) or not np.array_equal(held[order], np.sort(numbers)):
        raise InputError(
            f"table `{name}` has {len(held):,} rows that are not one for each of the {len(numbers):,} cases"
        )
    return order[np.searchsorted(held, numbers, sorter=order)]
