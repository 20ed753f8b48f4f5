"""All stage tables of a measure as the files that a run writes, and their hashes."""

from __future__ import annotations

import hashlib

from riskstd.cohort import build_cohort
from riskstd.outcome import find_hospital_visits
from riskstd.pipeline.write import write_csv, write_parquet
from riskstd.riskfactors import build_risk_factors
from riskstd.tables import HOSPITAL_VISITS, OUTCOMES

TABLES = {
    "attrition",
    "index_procedures",
    "excluded_procedures",
    "hospital_visits",
    "outcomes",
    "risk_factors",
    "unmapped_codes",
}


def stage_hashes(claims, measure, folder, *, period=None):
    """Write the stage tables of a measure to a folder; return rows and hash of every file."""
    cohort = build_cohort(claims, measure, period=period)
    hospital = find_hospital_visits(claims, cohort, measure)
    risk = build_risk_factors(claims, cohort, measure)
    folder.mkdir()
    frames = {
        "index_procedures": (cohort.procedures, None),
        "excluded_procedures": (cohort.excluded, None),
        "hospital_visits": (hospital.visits, HOSPITAL_VISITS),
        "outcomes": (hospital.outcomes, OUTCOMES),
        "risk_factors": (risk.table, None),
    }
    for name, (frame, table) in frames.items():
        write_parquet(frame, folder / name, table)
    write_csv(cohort.attrition, folder / "attrition")
    write_csv(risk.unmapped_codes, folder / "unmapped_codes")
    rows = {name: len(frame) for name, (frame, _) in frames.items()}
    rows |= {"attrition": len(cohort.attrition), "unmapped_codes": len(risk.unmapped_codes)}
    notes = (*cohort.notes, *hospital.notes)
    return notes, {path.name: (rows[path.name], _sha256(path)) for path in sorted(folder.iterdir())}


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
