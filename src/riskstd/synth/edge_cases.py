"""Edge cases: one small life for each rule and its limits, with what must come of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from riskstd.synth.edge_cohort import add_cohort_cases
from riskstd.synth.edge_outcome import add_outcome_cases
from riskstd.synth.edge_patients import Expected, Ward
from riskstd.synth.edge_risk import add_risk_cases
from riskstd.synth.files import dates, texts, without_dictionaries, write_table
from riskstd.synth.world import World

_FACILITIES = 2


def add_edge_cases(world: World) -> list[Expected]:
    """Plant the edge cases of every measure; facilities of theirs have NPIs that begin with 99."""
    cases = []
    for position, profile in enumerate(world.profiles):
        npi = world.plan.vocabulary.many(f"99{position:04d}{k:04d}" for k in range(_FACILITIES))
        ward = Ward(world, profile, npi.tolist())
        add_cohort_cases(ward)
        add_outcome_cases(ward)
        add_risk_cases(ward)
        ward.admit()
        cases += ward.cases
    return cases


def write_edge_cases(world: World, cases: list[Expected], folder: Path) -> None:
    """Write the cases and what is expected of them; factor values are JSON text."""
    people = world.people.person_id.tolist()
    table = pa.table(
        {
            "name": pa.array([case.name for case in cases], pa.string()),
            "measure": pa.array([case.measure for case in cases], pa.string()),
            "person_id": pa.array([people[case.person] for case in cases], pa.string()),
            "facility_id": texts(_integers([case.facility for case in cases]), world.plan.vocabulary),
            "procedure_date": dates(_integers([case.day for case in cases])),
            "clause": pa.array([case.clause for case in cases], pa.string()),
            "expected": pa.array([case.expected for case in cases], pa.string()),
            "is_candidate": pa.array([case.is_candidate for case in cases], pa.bool_()),
            "in_cohort": pa.array([case.is_candidate and case.excluded_by is None for case in cases], pa.bool_()),
            "excluded_by": pa.array([case.excluded_by for case in cases], pa.string()),
            "outcome": pa.array([case.outcome for case in cases], pa.int32()),
            "visits": pa.array([case.visits for case in cases], pa.int32()),
            "planned_rule": pa.array([case.planned_rule for case in cases], pa.string()),
            "factors": pa.array([_json(case) for case in cases], pa.string()),
        }
    )
    write_table(without_dictionaries(table), folder, "edge_cases", "parquet")


def _integers(values: list[int]) -> np.ndarray:
    return np.asarray(values, dtype=np.int32)


def _json(case: Expected) -> str:
    return json.dumps({name: float(value) for name, value in case.factors.items()}, sort_keys=True)
