"""The project's patients through engine and oracle: one run for all that share their options."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from oracle.judge import Judgement, judge
from riskstd.pipeline.assurance.assure import Verdict, under_options, verdicts_of
from riskstd.pipeline.assurance.mutants import Mutant, mutants_of
from riskstd.pipeline.assurance.people import Delivery, Person, Setting, deliveries_of, persons_of
from riskstd.pipeline.assurance.score import MutationScore, by_engine, try_mutants
from riskstd.pipeline.assurance.verdicts import complaints
from riskstd.spec import Measure, list_measures, load_measure

PATIENTS = Path(__file__).parent / "patients"
FILES = [PATIENTS / "shared.toml", *sorted(PATIENTS.glob("asc-*.toml"))]
MEASURES = [measure_id for measure_id, _ in list_measures(None)]


@cache
def patients_of(measure_id: str) -> tuple[Person, ...]:
    """Return every patient that holds for a measure, from the shared file and its own."""
    return persons_of(FILES, measure_id)


@cache
def deliveries(measure_id: str) -> dict[Setting, Delivery]:
    """Return the deliveries of a measure's patients, by what their run is given."""
    return {delivery.setting: delivery for delivery in deliveries_of(patients_of(measure_id))}


@cache
def verdicts_by_engine(measure_id: str, setting: Setting) -> dict[int, Verdict]:
    """Judge all patients of a setting by the engine; the verdicts by person key."""
    delivery = deliveries(measure_id)[setting]
    verdicts = verdicts_of(delivery, load_measure(measure_id, definitions=None))
    return {person.person_key: verdict for person, verdict in zip(delivery.persons, verdicts, strict=True)}


@cache
def complaints_by_oracle(measure_id: str, setting: Setting) -> dict[int, list[str]]:
    """Judge all patients of a setting by the oracle; what is not as expected, by person key."""
    delivery = deliveries(measure_id)[setting]
    measure = load_measure(measure_id, options=dict(setting.options), definitions=None)
    answer = judge(delivery.rows, measure, absent=setting.absent, period=setting.period)
    return {person.person_key: complaints(person, answer) for person in delivery.persons}


def by_oracle(delivery: Delivery, measure: Measure) -> Judgement:
    """Judge the patients of a delivery by the oracle."""
    setting = delivery.setting
    return judge(delivery.rows, under_options(delivery, measure), absent=setting.absent, period=setting.period)


@cache
def score_by_oracle(measure_id: str) -> MutationScore:
    """Try every mutant of a measure by the oracle, which needs no engine: patients one at a time, likely ones first."""
    measure = load_measure(measure_id, definitions=None)
    alone = [one for person in patients_of(measure_id) for one in deliveries_of([person])]
    return MutationScore(measure_id, tuple(try_mutants(alone, measure, mutants_of(measure), run=by_oracle)))


def score_by_engine(measure_id: str, mutants: list[Mutant]) -> MutationScore:
    """Try mutants of a measure by the engine, which is asked about the unchanged measure once."""
    measure = load_measure(measure_id, definitions=None)

    def run(delivery: Delivery, changed: Measure) -> Any:
        unchanged = changed.definition is measure.definition
        return answer_of_engine(measure_id, delivery.setting) if unchanged else by_engine(delivery, changed)

    every = list(deliveries(measure_id).values())
    return MutationScore(measure_id, tuple(try_mutants(every, measure, mutants, run=run)))


@cache
def answer_of_engine(measure_id: str, setting: Setting) -> Any:
    """Return what the engine says of the patients of a setting under the measure as it is."""
    return by_engine(deliveries(measure_id)[setting], load_measure(measure_id, definitions=None))
