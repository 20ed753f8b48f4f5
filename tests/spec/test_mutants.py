"""Some patient notices every change of every clause of every measure."""

from __future__ import annotations

import random
from functools import cache

import pytest

from riskstd.pipeline.assurance.assure import DECIDING
from riskstd.spec import load_measure
from spec.mutants import Mutant, candidates_of, mutants_of, mutated
from spec.noticing import Noticed, notice
from spec.run import MEASURES

SEED, SAMPLE = 20260101, 10


@cache
def sample() -> list[tuple[str, Mutant]]:
    every = [
        (measure_id, mutant)
        for measure_id in MEASURES
        for mutant in candidates_of(load_measure(measure_id, definitions=None))
    ]
    random.Random(SEED).shuffle(every)
    loadable = (
        (measure_id, mutant)
        for measure_id, mutant in every
        if mutated(load_measure(measure_id, definitions=None), [mutant]) is not None
    )
    return [next(loadable) for _ in range(SAMPLE)]


def survivors(noticed: list[Noticed]) -> list[str]:
    return [f"{each.mutant.clause}: {each.mutant.change}" for each in noticed if not each.by]


@pytest.mark.parametrize(
    ("measure_id", "mutant"), [pytest.param(m, x, id=f"{m}-{x.clause}-{x.change}") for m, x in sample()]
)
def test_ten_mutants_are_noticed_by_the_engine(measure_id: str, mutant: Mutant) -> None:
    (noticed,) = notice(measure_id, [mutant])
    assert noticed.by, "no patient notices it"
    assert any(word in noticed.by[0] for word in ("expected", "excluded"))


@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_deciding_clause_has_mutants_or_stands_for_its_parts(measure_id: str) -> None:
    measure = load_measure(measure_id, definitions=None)
    paths = {path for path, _ in measure.definition.clauses() if path.startswith(DECIDING)}
    without = paths - {mutant.clause for mutant in candidates_of(measure)}
    assert not without


@pytest.mark.slow
@pytest.mark.parametrize("measure_id", MEASURES)
def test_every_mutant_is_noticed_by_the_engine(measure_id: str) -> None:
    report(measure_id, notice(measure_id))


def report(measure_id: str, noticed: list[Noticed]) -> None:
    """Print the mutation score and hold it at all of the clauses."""
    assert len(noticed) == len(mutants_of(load_measure(measure_id, definitions=None)))
    clauses = {each.mutant.clause for each in noticed}
    with_survivors = {each.mutant.clause for each in noticed if not each.by}
    killed = sum(bool(each.by) for each in noticed)
    share = 100 * (len(clauses) - len(with_survivors)) / len(clauses)
    print(f"{measure_id}: {killed} of {len(noticed)} mutants noticed; mutation score {share:.0f} % of clauses")  # noqa: T201
    assert not survivors(noticed)
