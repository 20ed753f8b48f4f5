"""Options: whether each does something, and leaves a measure that can run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from riskstd.spec.checking.finding import DEFECT, Finding, shown
from riskstd.spec.clauses import Interaction
from riskstd.spec.definition import Measure
from riskstd.spec.years import Years

READ_BY_RULES = frozenset({"missing_principal"})
"""Options that a rule reads itself, without a clause that holds under some of their values only."""


def options_without_effect(measure: Measure) -> Iterator[Finding]:
    """Options, and values of options, that change nothing."""
    named: dict[str, set[str]] = {}
    for _, clause in measure.definition.clauses():
        if clause.when is not None:
            named.setdefault(clause.when.option, set()).update(clause.when.is_in)
    for name, option in measure.definition.options.items():
        if name in READ_BY_RULES:
            continue
        unnamed = [value for value in option.choices if value not in named.get(name, set())]
        if name not in named:
            yield Finding(
                DEFECT,
                f"options.{name}",
                "no clause depends on this option: it has no effect",
                f'give a clause `when = {{ option = "{name}", is_in = [...] }}`, or take the option out',
            )
        elif len(unnamed) > 1:
            yield Finding(
                DEFECT,
                f"options.{name}.choices",
                f"values that do the same, since no clause names them: {shown(unnamed)}",
                "name them in `when` of a clause, or leave one of them",
            )


def parts_that_options_leave_out(measure: Measure) -> Iterator[Finding]:
    """Values of options under which a part is missing, or there twice, that must be there once."""
    for name, option in {"": None, **measure.definition.options}.items():
        for value in ("",) if option is None else option.choices:
            chosen = measure if option is None else measure.with_options({name: value})
            under = f" with {name} = {value}" if name else ""
            scales = len(chosen.active(chosen.definition.score.scale))
            if scales != 1:
                mend = "give each scale a `when` so that exactly one holds"
                yield Finding(DEFECT, "score.scale", f"{scales} scales hold{under}, one is needed", mend)
            yield from _planned_years(chosen, under)


def _planned_years(measure: Measure, under: str) -> Iterator[Finding]:
    versions = measure.planned_tables
    place = "planned_admission.tables"
    mend = "give each version a `when`, or years so that every year of admission has exactly one"
    if not versions:
        yield Finding(DEFECT, place, f"no version of the tables holds{under}", mend)
        return
    spans = [span for version in versions for span in (Years.of(version.admission_years).spans or ((0, 9999),))]
    spans.sort()
    for (_, end), (start, _) in pairwise(spans):
        if start <= end:
            yield Finding(DEFECT, place, f"two versions hold for admissions of {start}{under}", mend)
        elif start > end + 1:
            yield Finding(DEFECT, place, f"no version holds for admissions of {end + 1}{under}", mend)
    if spans[0][0] > 0 or spans[-1][1] < 9999:
        yield Finding(DEFECT, place, f"no version holds before {spans[0][0]} or after {spans[-1][1]}{under}", mend)


def twice_in_force(measure: Measure) -> Iterator[Finding]:
    """Ids and names that two clauses in force share, and interactions of factors that are not in force."""
    ids = [f"cohort.exclusions[{clause.id}]" for clause in measure.exclusions]
    ids += [f"outcome.visits[{clause.id}]" for clause in measure.visit_codes]
    ids += [f"risk.factors[{factor.name}]" for factor in measure.factors]
    for path, times in Counter(ids).items():
        if times > 1:
            mend = "give each an id of its own, or a `when` so that one of them holds"
            yield Finding(DEFECT, path, f"{times} clauses of this name hold at once", mend)
    names = {factor.name for factor in measure.factors}
    for factor in measure.factors:
        if not isinstance(factor, Interaction):
            continue
        place = f"risk.factors[{factor.name}].factors"
        if set(factor.factors) - names:
            missing = shown(sorted(set(factor.factors) - names))
            yield Finding(DEFECT, place, f"{missing} does not hold when the interaction does", "give both one `when`")
        if factor.factors[0] == factor.factors[1]:
            yield Finding(DEFECT, place, "an interaction of a factor with itself", "name two factors")
