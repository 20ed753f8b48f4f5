"""How many cases have each risk factor, and what follows from all of these counts together."""

from __future__ import annotations

from collections.abc import Mapping

from riskstd.report.content import ReportInput
from riskstd.report.disclosure.count_system import System, Total
from riskstd.spec.clauses import Interaction
from riskstd.spec.definition import columns_of


def count_factors(content: ReportInput) -> System:
    """Count the cases with each risk factor, without it, in the reference class, and in each cross of two factors.

    The classes of a factor, such as bands of age, add up to all cases with the reference class, which no
    table has; the columns of an interaction add up to those of its factors with cells that no table has either.
    """
    system = System({"cases": content.n_cases})
    for term in content.model["coefficients"] if content.model is not None else ():
        if (share := term.get("prevalence")) is not None:
            system.counts[cell_of(term["factor"])] = round(share * content.n_cases)
    rest = {}
    for factor in content.measure.factors:
        names = [name for name in map(cell_of, columns_of(factor)) if name in system.counts]
        if names and system.add_rest("cases", names, f"reference.{factor.name}"):
            rest[factor.name] = f"reference.{factor.name}"
    grouped = {cell for total in system.totals for cell in total.cells}
    for name in [name for name in system.counts if name not in grouped | {"cases"}]:
        system.add_rest("cases", [name], f"without.{name}")
    for factor in content.measure.factors:
        if isinstance(factor, Interaction):
            _cross(system, factor, _classes_of(content, system), rest)
    return system


def cell_of(factor: str) -> str:
    """Return the name of the count of cases with a risk factor."""
    return f"factor.{factor}"


def _classes_of(content: ReportInput, system: System) -> Mapping[str, list[str]]:
    return {
        factor.name: [column for column in columns_of(factor) if cell_of(column) in system.counts]
        for factor in content.measure.factors
    }


def _cross(system: System, factor: Interaction, classes: Mapping[str, list[str]], rest: Mapping[str, str]) -> None:
    """Add the cells that an interaction leaves to each of its factors, and the corner that is left of both."""
    first, second = factor.factors
    pairs = {
        (a, b): cell_of(f"{a}_x_{b}")
        for a in classes[first]
        for b in classes[second]
        if cell_of(f"{a}_x_{b}") in system.counts
    }
    left: dict[str, list[str]] = {first: [], second: []}
    for side, name in enumerate((first, second)):
        for column in classes[name]:
            cells = [cell for pair, cell in pairs.items() if pair[side] == column]
            if cells and system.add_rest(cell_of(column), cells, f"{factor.name}.{column}.rest"):
                left[name].append(f"{factor.name}.{column}.rest")
    complete = len(pairs) == len(classes[first]) * len(classes[second]) > 0
    if complete and first in rest and second in rest and len(left[first]) == len(classes[first]):
        corner = f"{factor.name}.neither"
        if system.add_rest(rest[first], left[second], corner):
            system.totals.append(Total(rest[second], (*left[first], corner)))
