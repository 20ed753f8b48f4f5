"""Every planted edge case of the small synthetic set ends as planned, each with the clause that it tests."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from comparing import MEASURES, Found

from riskstd.claims import read_claims

FOLDER = Path(__file__).parents[2] / "data" / "synthetic"
CASES = pq.read_table(FOLDER / "truth" / "edge_cases.parquet").to_pandas()
NAMES = sorted({(row.measure, row.name) for row in CASES[["measure", "name"]].itertuples(index=False)})


@pytest.fixture(scope="module")
def found():
    claims = read_claims(FOLDER / "claims")
    return {name: Found(claims, name) for name in MEASURES}


@pytest.mark.parametrize(("measure", "name"), [pytest.param(m, n, id=f"{m}-{n}") for m, n in NAMES])
def test_edge_case_ends_as_planned(found, measure, name):
    results = found[measure]
    for case in CASES[(CASES["measure"] == measure) & (CASES["name"] == name)].to_dict("records"):
        assert_clause_exists(results.measure, case["clause"])
        kept, dropped = (one_of(frame, case) for frame in (results.index, results.excluded))
        assert (len(kept) == 1) == case["in_cohort"], case["expected"]
        assert (len(kept) + len(dropped) == 1) == case["is_candidate"], case["expected"]
        if isinstance(case["excluded_by"], str):
            assert dropped["excluded_by"].tolist() == [case["excluded_by"]]
        if case["in_cohort"]:
            assert_results(results, case, int(kept["procedure_id"].iloc[0]))


def assert_results(results: Found, case: dict, procedure_id: int) -> None:
    outcomes, visits, factors = results.outcomes, results.visits, results.factors
    if pd.notna(case["outcome"]):
        assert outcomes.loc[outcomes["procedure_id"] == procedure_id, "outcome"].tolist() == [int(case["outcome"])]
    if isinstance(case["planned_rule"], str):
        assert case["planned_rule"] in visits.loc[visits["procedure_id"] == procedure_id, "planned_rule"].tolist()
    row = factors[factors["procedure_id"] == procedure_id].iloc[0]
    wanted = json.loads(case["factors"])
    assert {name: float(row[name]) for name in wanted} == {name: float(value) for name, value in wanted.items()}


def assert_clause_exists(measure, path: str) -> None:
    known = {clause for clause, _ in measure.definition.clauses()}
    plain = {clause.split("[")[0] for clause in known}
    fields = {"outcome.window", "risk.history_days"}
    assert path in known or path in plain or path in fields, path


def one_of(frame: pd.DataFrame, case: dict) -> pd.DataFrame:
    day = pd.to_datetime(case["procedure_date"]).strftime("%Y-%m-%d")
    mine = frame[(frame["person_id"] == case["person_id"]) & (frame["procedure_date"] == day)]
    if isinstance(case["facility_id"], str):
        return mine[mine["facility_id"] == case["facility_id"]]
    return mine[mine["facility_id"].isna()]
