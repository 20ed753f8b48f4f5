"""Some patient notices every change of every clause of every measure."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from riskstd.errors import SpecError
from riskstd.pipeline.assurance.assure import DECIDING
from riskstd.pipeline.assurance.mutants import Mutant, mutants_of, mutated
from riskstd.pipeline.assurance.score import MutationScore, by_engine
from riskstd.spec import load_measure
from spec.run import MEASURES, deliveries, score_by_engine, score_by_oracle

PAGE = Path(__file__).parents[2] / "docs" / "assure.md"
SEED, SAMPLE = 20260101, 10
NO_DIFFERENCE: dict[tuple[str, str], str] = {}
"""Changes that can change no verdict, by measure and name, each with the reason; now there is none."""


def sample() -> list[tuple[str, Mutant]]:
    """Ten mutants that can be run, drawn from those of all measures."""
    every = [(name, mutant) for name in MEASURES for mutant in mutants_of(load_measure(name, definitions=None))]
    random.Random(SEED).shuffle(every)
    return [each for each in every[: 3 * SAMPLE] if can_be_run(*each)][:SAMPLE]


def can_be_run(measure_id: str, mutant: Mutant) -> bool:
    try:
        mutated(load_measure(measure_id, definitions=None), [mutant])
    except SpecError:
        return False
    return True


@pytest.mark.parametrize(("measure_id", "mutant"), [pytest.param(m, x, id=f"{m}-{x.name}") for m, x in sample()])
def test_ten_mutants_are_noticed_by_the_engine(measure_id: str, mutant: Mutant) -> None:
    (tried,) = score_by_engine(measure_id, [mutant]).tried
    if mutant.clause.startswith("planned_admission.tables") and mutant.drops:
        # Years of admission without a version are seen, and refused, only where there are admissions.
        assert tried.status == "refused"
        assert "version" in tried.says
        return
    assert tried.status == "noticed"
    assert any(word in tried.says for word in ("expected", "excluded"))


@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_change_is_noticed_or_refused(measure_id: str) -> None:
    score = score_by_oracle(measure_id)
    survivors = {(measure_id, each.mutant.name) for each in score.of("survives")}
    assert survivors == {each for each in NO_DIFFERENCE if each[0] == measure_id}
    assert score.clauses_noticed == score.clauses
    assert len(score.of("noticed")) > 200
    # What is refused is refused in words, not by accident.
    assert all(each.says for each in score.of("refused"))


@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_deciding_clause_is_changed_or_can_only_be_what_it_is(measure_id: str) -> None:
    """A clause of which every change is refused states what the schema or the engine requires."""
    definition = load_measure(measure_id, definitions=None).definition
    paths = {path for path, _ in definition.clauses() if path.startswith(DECIDING)}
    score = score_by_oracle(measure_id)
    assert paths <= {each.mutant.clause for each in score.tried}
    fixed = paths - set(score.clauses)
    assert fixed == {"cohort.record", "outcome.attribution", "planned_admission", "planned_admission.missing_principal"}


def test_a_year_of_admission_without_a_version_of_the_tables_is_refused_when_a_stay_is_of_it() -> None:
    measure = load_measure("ASC-18", definitions=None)
    wanted = ("planned_admission.tables[from_2022]", "dropped")
    dropped = next(each for each in mutants_of(measure) if (each.clause, each.change) == wanted)
    setting = next(
        each for each in deliveries("ASC-18") if each.options == (("planned_admission_tables", "admission_year"),)
    )
    with pytest.raises(SpecError, match="no version, or more than one, for admissions of 2022"):
        by_engine(deliveries("ASC-18")[setting], mutated(measure, [dropped]))


@pytest.mark.parametrize("measure_id", MEASURES)
def test_the_page_tells_the_score(measure_id: str) -> None:
    score = score_by_oracle(measure_id)
    noticed, run = len(score.of("noticed")), len(score.of("noticed")) + len(score.of("survives"))
    clauses = (len(score.clauses), len(score.clauses_noticed))
    row = " | ".join(map(str, (measure_id, run, noticed, *clauses, len(score.of("refused")))))
    assert f"| {row} |" in PAGE.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("measure_id", MEASURES)
def test_the_engine_notices_what_the_oracle_notices(measure_id: str) -> None:
    """A quarter of an hour of processor for all four measures."""
    by_engine = score_by_engine(measure_id, mutants_of(load_measure(measure_id, definitions=None)))
    assert statuses(by_engine) == statuses(score_by_oracle(measure_id))


def statuses(score: MutationScore) -> dict[str, str]:
    return {each.mutant.name: each.status for each in score.tried}
