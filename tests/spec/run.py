"""Run the patients of a measure through engine and oracle: one run for all that share their options."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from oracle.engine import run_engine
from oracle.judge import Judgement, judge
from riskstd.spec import load_measure
from spec.drawing import Drawing, draw
from spec.patients import Index, Patient, load_patients

PATIENTS = Path(__file__).parent / "patients"
SHARED = "shared.toml"
Setting = tuple[str, tuple[tuple[str, str], ...], tuple[str, ...], tuple[date, date] | None]


@dataclass(frozen=True)
class Drawn:
    """A patient of a measure, with its place in the run."""

    measure_id: str
    file: str
    name: str
    patient: Patient
    index: Index
    codes: dict[str, str]
    person_key: int

    @property
    def setting(self) -> Setting:
        """Measure, options, absent columns and period: patients with the same share a run."""
        patient = self.patient
        return (
            self.measure_id,
            tuple(sorted(patient.options.items())),
            tuple(sorted(patient.absent)),
            patient.period,
        )


@cache
def patients_of(measure_id: str) -> tuple[Drawn, ...]:
    """Return every patient that holds for a measure, from the shared file and its own."""
    found = []
    for file in (SHARED, f"{measure_id.lower()}.toml"):
        content = load_patients(PATIENTS / file)
        for name, patient in content.patients_of(measure_id).items():
            codes = {key: per_measure[measure_id] for key, per_measure in content.codes.items()}
            found.append(
                Drawn(
                    measure_id,
                    file,
                    name,
                    patient,
                    content.index_of(patient),
                    codes,
                    person_key=len(found) + 1,
                )
            )
    return tuple(found)


@cache
def judged_by(side: str, setting: Setting) -> Judgement:
    """Judge all patients of a setting, by the `engine` or the `oracle`."""
    measure_id, options, absent, period = setting
    tables: dict[str, list[dict[str, object]]] = {}
    for drawn in patients_of(measure_id):
        if drawn.setting == setting:
            rows = draw(drawn.patient, Drawing(drawn.index, drawn.codes), drawn.person_key)
            for name, part in rows.items():
                tables.setdefault(name, []).extend(part)
    run = run_engine if side == "engine" else judge
    return run(tables, load_measure(measure_id, options=dict(options)), absent=absent, period=period)
