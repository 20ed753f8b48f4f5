"""Risk factors of planned care, column by column."""

from __future__ import annotations

import numpy as np
import pandas as pd

from riskstd.spec.clauses import (
    AgeBands,
    Interaction,
    ProcedureCount,
    ProcedureType,
    SameDayCode,
    WorkRvu,
    YearsOver,
)
from riskstd.spec.definition import columns_of
from riskstd.synth.codebook import CodeBook
from riskstd.synth.facts import Facts
from riskstd.synth.plan import kept, marked, numbered, year_of
from riskstd.synth.verdicts import same_day_code


def risk_factors(book: CodeBook, facts: Facts, candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the risk-factor columns of every candidate, in the order of the definition."""
    columns = _condition_columns(book, facts, candidates)
    groups: dict[str, list[str]] = {}
    age = candidates["age_years"].to_numpy()
    for factor in book.measure.factors:
        names = columns_of(factor)
        groups[factor.name] = names
        match factor:
            case AgeBands():
                columns.update(_classes(age, factor.lower_bounds, names))
            case YearsOver():
                columns[names[0]] = age - factor.start_years
            case SameDayCode():
                columns[names[0]] = same_day_code(book, facts, candidates, factor.table, factor.role).astype(int)
            case WorkRvu():
                columns[names[0]] = candidates["work_rvu"].to_numpy()
            case ProcedureCount():
                columns.update(_classes(candidates["qualifying_procedures"].to_numpy(), factor.lower_bounds, names))
            case ProcedureType():
                kinds = _types(book, factor, candidates)
                others = [kind for kind in factor.types if kind != factor.reference]
                columns.update({n: (kinds == k).astype(int) for n, k in zip(names, others, strict=True)})
            case Interaction():
                one, other = factor.factors
                for a in groups[one]:
                    columns.update({f"{a}_x_{b}": columns[a] * columns[b] for b in groups[other]})
            case _:
                pass
    return pd.DataFrame({name: columns[name] for name in book.measure.factor_columns})


def _classes(values: np.ndarray, lower_bounds: tuple[int, ...], names: list[str]) -> dict[str, np.ndarray]:
    position = np.searchsorted(lower_bounds, values, side="right") - 1
    return {name: (position == i).astype(int) for i, name in enumerate(names, start=1)}


def _types(book: CodeBook, factor: ProcedureType, candidates: pd.DataFrame) -> np.ndarray:
    year = year_of(candidates["day"].to_numpy()).tolist()
    pairs = list(zip(candidates["index_code"].tolist(), year, strict=True))
    known = {p: book.type_of(factor, book.vocabulary.texts[p[0]], p[1]) for p in set(pairs)}
    return np.array([known[pair] for pair in pairs], dtype=object)


def _condition_columns(book: CodeBook, facts: Facts, candidates: pd.DataFrame) -> dict[str, np.ndarray]:
    history, index_day = book.diagnosis_flags(index_day=False), book.diagnosis_flags(index_day=True)
    relevant = np.any(history | index_day, axis=1, keepdims=True)[:, 0]
    events = kept(facts.diagnoses, relevant[facts.diagnoses["code"].to_numpy()])
    rows = numbered(candidates, ["person", "day"])
    pairs = rows.merge(events, on="person", suffixes=("", "_event"))
    before = pairs["day"].to_numpy() - pairs["day_event"].to_numpy()
    row, code = pairs["row"].to_numpy(), pairs["code"].to_numpy()
    past = (before >= 1) & (before <= book.measure.definition.risk.history_days)
    today = (before == 0) & bool(book.measure.index_day_settings)
    columns = {}
    for position, factor in enumerate(book.condition_factors):
        hit = (past & history[code, position]) | (today & index_day[code, position])
        columns[factor.name] = marked(len(candidates), row[hit]).astype(int)
    return columns
