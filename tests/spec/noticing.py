"""Which mutants do the patients of a measure notice?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from riskstd.pipeline.assurance.judging import judge
from riskstd.pipeline.assurance.people import Delivery, Person
from riskstd.pipeline.assurance.verdicts import complaints
from riskstd.spec import Measure, load_measure
from riskstd.spec.clauses import Interaction
from riskstd.spec.definition import columns_of
from spec.mutants import Mutant, mutants_of, mutated
from spec.run import deliveries

SHOWN = 3
_COLUMN = re.compile(r"risk factor (\w+) = ")


@dataclass(frozen=True)
class Noticed:
    """A mutant, and the first patients that notice it with what they say; none if it survives."""

    mutant: Mutant
    by: tuple[str, ...]


def by_engine(delivery: Delivery, measure: Measure) -> dict[int, list[str]]:
    """Return what the engine's verdicts differ in, by person key."""
    under = measure.with_options(dict(delivery.setting.options))
    answer = judge(delivery.claims, under, period=delivery.setting.period)
    return {person.person_key: complaints(person, answer) for person in delivery.persons}


def notice(measure_id: str, mutants: Iterable[Mutant] | None = None) -> list[Noticed]:
    """Run the patients of a measure on its mutants; changes of several risk factors share a run.

    A risk factor's change shows in its own columns alone, so each is noticed by what is said of them.
    """
    measure = load_measure(measure_id, definitions=None)
    wanted = mutants_of(measure) if mutants is None else list(mutants)
    shared = {mutant for mutant in wanted if mutant.factor and mutant.factor not in _interacting(measure)}
    found = [_alone(measure, mutant) for mutant in wanted if mutant not in shared]
    for batch in _batches(measure, [mutant for mutant in wanted if mutant in shared]):
        found += _together(measure, batch)
    order = {mutant: position for position, mutant in enumerate(wanted)}
    return sorted(found, key=lambda each: order[each.mutant])


def _interacting(measure: Measure) -> set[str]:
    """Factors whose change shows in the columns of another."""
    products = [factor for factor in measure.definition.risk.factors if isinstance(factor, Interaction)]
    return {name for factor in products for name in (factor.name, *factor.factors)}


def _alone(measure: Measure, mutant: Mutant) -> Noticed:
    changed = mutated(measure, [mutant])
    assert changed is not None
    for delivery in _likely_first(measure.id, mutant):
        said = _said(delivery, changed)
        if said:
            return Noticed(mutant, tuple(said[:SHOWN]))
    return Noticed(mutant, ())


def _together(measure: Measure, batch: list[Mutant]) -> list[Noticed]:
    changed = mutated(measure, batch)
    assert changed is not None
    columns = {factor.name: columns_of(factor) for factor in measure.definition.risk.factors}
    left = {mutant: set(columns[mutant.factor]) for mutant in batch}
    found: list[Noticed] = []
    for delivery in _likely_first(measure.id, batch[0]):
        said = _said(delivery, changed)
        for mutant, own in list(left.items()):
            hits = [text for text in said if own.intersection(_COLUMN.findall(text))]
            if hits:
                found.append(Noticed(mutant, tuple(hits[:SHOWN])))
                del left[mutant]
        if not left:
            break
    return [*found, *(Noticed(mutant, ()) for mutant in left)]


def _batches(measure: Measure, mutants: list[Mutant]) -> list[list[Mutant]]:
    """Put changes of different factors together as long as the definition can be loaded."""
    batches: list[list[Mutant]] = []
    for mutant in mutants:
        for batch in batches:
            apart = all(mutant.factor != other.factor for other in batch)
            if apart and mutated(measure, [*batch, mutant]) is not None:
                batch.append(mutant)
                break
        else:
            batches.append([mutant])
    return batches


def _said(delivery: Delivery, measure: Measure) -> list[str]:
    titles: dict[int, Person] = {person.person_key: person for person in delivery.persons}
    answered = by_engine(delivery, measure)
    return [f"{titles[key].title}: {text}" for key, texts in answered.items() for text in texts]


def _likely_first(measure_id: str, mutant: Mutant) -> list[Delivery]:
    """Deliveries with patients that name the clause, most patients first, then the others."""
    return sorted(
        deliveries(measure_id).values(),
        key=lambda each: (-sum(mutant.clause in p.patient.clauses for p in each.persons), -len(each.persons)),
    )
